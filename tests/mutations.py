"""The list of mutations: faults in the code, and the tests that must see them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests" / "mutations.toml"


@dataclass(frozen=True)
class Mutation:
    """A fault: ``old`` in ``file`` becomes ``new``, and each of ``tests`` must fail."""

    name: str
    promise: int
    breaks: str
    file: str
    old: str
    new: str
    tests: list[str]

    def applied(self, text: str) -> str:
        """Return the file's text with the fault; ValueError unless there is one place for it."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: {text.count(self.old)} places for it in {self.file}")
        return text.replace(self.old, self.new)


def mutations() -> list[Mutation]:
    """Return the list, as it stands in mutations.toml."""
    return [Mutation(**one) for one in tomllib.loads(LIST.read_text("utf-8"))["mutation"]]


def table() -> str:
    """Return the list for readers, as tests/README.md holds it."""
    rows = ["| promise | mutation | what is broken | what fails |", "|---|---|---|---|"]
    for one in mutations():
        tests = " ".join(f"`{test}`" for test in one.tests)
        rows.append(f"| {one.promise} | `{one.name}` | {one.breaks} | {tests} |")
    return "\n".join(rows)


def node(test: str) -> str:
    """Return what pytest calls a test; those of a contract run on PostgreSQL here."""
    place, name = test.split("::")
    folder, _, _ = place.partition("/contract/")
    return f"tests/{place if folder == place else f'{folder}/test_contract'}.py::{name}"
