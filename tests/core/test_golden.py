"""Each published figure comes out of the core; the ids of the vectors name the tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.core.golden import CHECKS, VECTORS, formulas, judgements
from tests.simulators.common import DATA

ORIGINAL = DATA.parent / "vectors" / "golden.json"
ELSEWHERE = {"E2": Path(__file__).parents[1] / "data" / "test_epa.py"}
MODULES = (formulas, judgements)  # imported, they enter what they check


@pytest.mark.parametrize("name", [name for name in VECTORS if name not in ELSEWHERE])
def test_vector(name: str) -> None:
    agree(CHECKS[name](VECTORS[name]["input"]), VECTORS[name]["expected"])


def test_every_vector_has_its_test() -> None:
    assert sorted(VECTORS) == sorted([*CHECKS, *ELSEWHERE])
    for name, file in ELSEWHERE.items():
        assert f'VECTORS["{name}"]' in file.read_text("utf-8")


def test_the_vectors_are_the_ones_handed_over() -> None:
    if not ORIGINAL.is_file():
        pytest.skip(f"needs {ORIGINAL} which is missing")
    handed_over = json.loads(ORIGINAL.read_text("utf-8"))
    assert handed_over == list(VECTORS.values())


def agree(found: Any, expected: Any) -> None:
    """Fail unless both are alike: numbers within a few units of the last digit of a double."""
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            agree(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for each, value in zip(found, expected, strict=True):
            agree(each, value)
    elif isinstance(expected, bool | str):
        assert found == expected
    else:
        assert found == pytest.approx(expected, rel=1e-13, abs=0)
