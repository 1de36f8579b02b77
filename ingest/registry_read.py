"""A registry from its file, or directory of files: read, validated, every error named."""

from __future__ import annotations

import contextlib
import gc
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ingest.registry_checks import check_documents
from ingest.registry_faults import Fault, Finding, RegistryInvalid, place_findings
from ingest.registry_file import parse_source, read_source, registry_paths
from ingest.registry_loose import loose_document
from ingest.registry_model import DOCUMENT, Document
from ingest.registry_values import parse_effective
from ingest.registry_words import explain
from ingest.rules_checks import check_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from ingest.registry_faults import Loc
    from ingest.registry_file import SourceText


@dataclass(frozen=True, slots=True)
class RegistryDocument:
    """A valid registry: what each file says, and the digest of the files' content.

    ``effective`` is the time that the file itself names for its changes.
    """

    source: str
    digest: bytes
    effective: datetime | None
    documents: list[Document]

    @property
    def channels(self) -> int:
        """How many channels the registry has."""
        return sum(
            len(source.channels)
            for document in self.documents
            for enterprise in document.enterprises or ()
            for source in enterprise.sources
        )


def parse_registry(path: Path) -> RegistryDocument:
    """Read and validate a registry.

    Raises:
        RegistryInvalid: the registry has errors; all of them are in it.
        OSError: a file cannot be read.
    """
    with _collector_paused():
        return _parse(str(path), [read_source(file) for file in registry_paths(path)])


def parse_registry_text(name: str, content: str, *, is_json: bool = False) -> RegistryDocument:
    """Do the same as ``parse_registry`` for the content of one file called ``name``."""
    return _parse(name, [parse_source(name, content.encode(), is_json=is_json)])


def registry_digest(path: Path) -> bytes:
    """Return the digest that ``parse_registry`` would give, without reading what the files say.

    Raises OSError when a file cannot be read.
    """
    return _combined(hashlib.sha256(file.read_bytes()).digest() for file in registry_paths(path))


def _combined(digests: Iterable[bytes]) -> bytes:
    return hashlib.sha256(b"".join(digests)).digest()


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    # Millions of entries come and none go: looking for cycles among them takes a third of the time.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _parse(source: str, read: list[tuple[SourceText | None, list[Fault]]]) -> RegistryDocument:
    notation = [fault for _, faults in read for fault in faults]
    texts = [text for text, _ in read if text is not None]
    findings: list[Finding] = []
    documents = []
    for number, text in enumerate(texts):
        document, found = _validate(number, text.json)
        documents.append(document)
        findings += found
    if len(texts) == len(read):
        if not findings and all(document.enterprises is None for document in documents):
            findings.append(Finding(0, (), "enterprises is missing"))
        findings += check_documents(documents)
        if not findings and not notation:  # what is broken cannot be expanded
            findings += check_rules(documents)
    names = [text.name for text in texts]
    faults = place_findings(findings, names, [text.locate for text in texts])
    known = {(fault.file, fault.line, fault.column) for fault in notation}
    faults = [fault for fault in faults if (fault.file, fault.line, fault.column) not in known]
    if notation or faults:
        raise RegistryInvalid(sorted([*notation, *faults]))
    named = [document.effective for document in documents if document.effective is not None]
    effective = parse_effective(named[0]) if named else None
    digest = _combined(text.digest for text in texts)
    return RegistryDocument(source, digest, effective, documents)


def _validate(number: int, text: bytes) -> tuple[Document, list[Finding]]:
    try:
        return DOCUMENT.validate_json(text), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    findings = [explain(number, detail) for detail in details]
    broken: set[Loc] = {detail["loc"] for detail in details}
    broken |= {loc[:-1] for loc in broken if loc and loc[-1] == "[key]"}
    raw: Any = {} if details[0]["type"] == "json_invalid" else json.loads(text)
    return loose_document(raw, broken), findings
