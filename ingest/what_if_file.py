"""The registry that history is judged under: a file, or the present one with another rule set."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingest.registry_faults import Fault, RegistryInvalid, place_findings
from ingest.registry_file import parse_source, read_source, registry_paths
from ingest.registry_read import parse_registry
from ingest.rules_checks import check_rules
from ingest.rules_resolve import read_rule_set

if TYPE_CHECKING:
    from pathlib import Path

    from ingest.registry_model import Document
    from ingest.registry_read import RegistryDocument
    from ingest.rules_model import RuleSet

_LARGEST = 1_000_000  # bytes: no rule set is as long


def supposed_registry(file: Path, present: Path | None) -> RegistryDocument:
    """Return the registry that ``file`` is, or that it makes of the ``present`` one.

    A rule-set file takes the place of the rule set of its id in the registry at ``present``.
    Raises RegistryInvalid with every error and its place; nothing is judged then.
    """
    try:
        content = _rule_set_text(file)
        if content is None:
            return parse_registry(file)
        changed = read_rule_set(str(file), content)
        if present is None:
            problem = "is a rule set, and the registry applied last is not there as it was"
            raise RegistryInvalid([Fault(str(file), 1, 1, "", f"{problem}: say --registry FILE")])
        return _with_rule_set(present, changed)
    except OSError as error:
        name = str(error.filename or file)
        fault = Fault(name, 1, 1, "", f"cannot be read: {error.strerror}")
        raise RegistryInvalid([fault]) from error


def _rule_set_text(file: Path) -> bytes | None:
    """Return the content of a rule-set file, None of what is another one."""
    if file.is_dir() or file.stat().st_size > _LARGEST:
        return None
    content = file.read_bytes()
    text, _ = parse_source(str(file), content, is_json=False)
    found: Any = None if text is None else json.loads(text.json)
    whole = isinstance(found, dict) and "versions" in found and "enterprises" not in found
    return content if whole else None


def _with_rule_set(path: Path, changed: RuleSet) -> RegistryDocument:
    known = parse_registry(path)
    documents = [_without(document, changed.id) for document in known.documents]
    documents[0] = replace(documents[0], rule_sets=[*documents[0].rule_sets, changed])
    findings = check_rules(documents)
    if findings:  # limits that name it and cannot be judged by it
        texts = [text for file in registry_paths(path) if (text := read_source(file)[0])]
        names, locates = [text.name for text in texts], [text.locate for text in texts]
        raise RegistryInvalid(place_findings(findings, names, locates))
    return replace(known, documents=documents)


def _without(document: Document, rule_set: str) -> Document:
    kept = [one for one in document.rule_sets if one.id != rule_set]
    return replace(document, rule_sets=kept)
