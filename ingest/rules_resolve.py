"""The rule set that a limit names, with what the limit changes of it."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ingest.registry_faults import RegistryInvalid, place_findings
from ingest.registry_file import parse_source
from ingest.registry_words import explain
from ingest.rules_model import RULE_SET, RULE_VERSION, RuleSet
from ingest.rules_stack import RuleProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ingest.registry_model import Document
    from ingest.rules_model import RuleVersion

PRESETS = Path(__file__).parent / "rulesets"
_FIXED = ("from", "conditions")


def preset_names() -> list[str]:
    """Return the ids of the rule sets that are shipped."""
    return sorted(path.stem for path in PRESETS.glob("*.yaml"))


@lru_cache
def preset(name: str) -> RuleSet | None:
    """Return a rule set that is shipped; None where there is none of this id."""
    if name not in preset_names():
        return None
    path = PRESETS / f"{name}.yaml"
    return read_rule_set(str(path), path.read_bytes())


@lru_cache
def presets_digest() -> bytes:
    """Return the SHA-256 of the rule sets that are shipped."""
    digest = hashlib.sha256()
    for name in preset_names():
        digest.update((PRESETS / f"{name}.yaml").read_bytes())
    return digest.digest()


def read_rule_set(name: str, content: bytes) -> RuleSet:
    """Return the rule set that a file called ``name`` holds.

    Raises RegistryInvalid with each error and its place.
    """
    text, faults = parse_source(name, content, is_json=False)
    if text is None:
        raise RegistryInvalid(faults)
    try:
        found = RULE_SET.validate_json(text.json)
    except ValidationError as error:
        findings = [explain(0, detail) for detail in error.errors(include_url=False)]
        faults = faults + place_findings(findings, [name], [text.locate])
        raise RegistryInvalid(sorted(faults)) from None
    if faults:
        raise RegistryInvalid(faults)
    return found


class RuleSets:
    """The rule sets that a registry can name: its own, and those that are shipped."""

    def __init__(self, own: Iterable[RuleSet] = ()) -> None:
        self._own = {one.id: one for one in own}
        self._changed: dict[tuple[str, str], list[RuleVersion]] = {}

    @classmethod
    def of(cls, documents: Iterable[Document]) -> RuleSets:
        """Return those of a registry's documents."""
        return cls(one for document in documents for one in document.rule_sets)

    def get(self, name: str) -> RuleSet:
        """Return the rule set of an id; raises RuleProblem where there is none."""
        found = self._own.get(name) or preset(name)
        if found is None:
            known = ", ".join(sorted({*self._own, *preset_names()}))
            raise RuleProblem(f'there is no rule set "{name}"; there are {known}', "rules")
        return found

    def versions(self, name: str, override: Mapping[str, Any] | None) -> list[RuleVersion]:
        """Return a rule set's versions, oldest first, with the fields that ``override`` changes.

        Raises RuleProblem for a rule set or a field that is not there.
        """
        found = self.get(name)
        if not override:
            return found.versions
        key = (name, json.dumps(override, sort_keys=True))
        if key not in self._changed:
            self._changed[key] = [_changed(one, override) for one in found.versions]
        return self._changed[key]


def _changed(version: RuleVersion, override: Mapping[str, Any]) -> RuleVersion:
    plain: dict[str, Any] = plain_of(version)
    conditions = {one["id"]: one for one in plain["conditions"]}
    if "from" in override:
        raise RuleProblem("the day of a version cannot be overridden", "override", "from")
    _merge(plain, {key: value for key, value in override.items() if key not in _FIXED})
    changes = override.get("conditions", {})
    if not isinstance(changes, dict):
        raise RuleProblem("expected a mapping of condition: fields", "override", "conditions")
    for name, fields in changes.items():
        if name not in conditions:
            known = ", ".join(conditions)
            raise RuleProblem(
                f'there is no condition "{name}"; there are {known}',
                "override", "conditions", name,
            )  # fmt: skip
        if not isinstance(fields, dict) or "id" in fields:
            raise RuleProblem(
                "expected the fields of the condition that change",
                "override", "conditions", name,
            )  # fmt: skip
        _merge(conditions[name], fields)
    try:
        return RULE_VERSION.validate_json(json.dumps(plain))
    except ValidationError as error:
        finding = explain(0, error.errors(include_url=False)[0])
        raise RuleProblem(finding.message, *_place(finding.loc, list(conditions))) from None


def plain_of(entry: RuleSet | RuleVersion) -> Any:  # noqa: ANN401 - what JSON can say
    """Return a rule set or a version of it as its file would say it."""
    adapter: Any = RULE_SET if isinstance(entry, RuleSet) else RULE_VERSION
    return adapter.dump_python(entry, mode="json", by_alias=True, exclude_none=True)


def _merge(into: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def _place(loc: tuple[str | int, ...], conditions: list[str]) -> tuple[str | int, ...]:
    """Return where an override says what stands at ``loc`` of the version."""
    if len(loc) > 1 and loc[0] == "conditions" and isinstance(loc[1], int):
        return ("override", "conditions", conditions[loc[1]], *loc[2:])
    return ("override", *loc)
