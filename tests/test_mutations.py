"""The list of mutations fits the code, the tests, and the pages that show it."""

from __future__ import annotations

import ast
from collections import Counter

import pytest

from tests.mutations import ROOT, Mutation, mutations, node, table
from tests.test_docs import table as table_of_the_readme

PAGE = (ROOT / "tests" / "README.md").read_text(encoding="utf-8")
EACH = pytest.mark.parametrize("mutation", mutations(), ids=lambda one: one.name)


@EACH
def test_there_is_one_place_for_it_and_what_it_makes_is_python(mutation: Mutation) -> None:
    changed = mutation.applied((ROOT / mutation.file).read_text(encoding="utf-8"))
    ast.parse(changed)
    assert mutation.old != mutation.new
    assert mutation.breaks
    assert not mutation.file.startswith("tests/")


@EACH
def test_its_tests_exist(mutation: Mutation) -> None:
    assert mutation.tests
    for test in mutation.tests:
        place, name = test.split("::")
        module = ast.parse((ROOT / "tests" / f"{place}.py").read_text(encoding="utf-8"))
        assert name in {getattr(definition, "name", "") for definition in module.body}, test
        assert (ROOT / node(test).partition("::")[0]).exists()


def test_names_differ_and_each_promise_is_broken_more_than_once() -> None:
    known = mutations()
    assert len({one.name for one in known}) == len(known)
    assert len({(one.file, one.old, one.new) for one in known}) == len(known)
    by_promise = Counter(one.promise for one in known)
    assert set(by_promise) == set(range(1, 9))
    assert min(by_promise.values()) >= 2


def test_the_guarantees_name_a_test_that_sees_each_mutation() -> None:
    proofs = {int(row[0][0]): row[2] for row in table_of_the_readme("guarantees")}
    unproven = [
        one.name
        for one in mutations()
        if not any(f"`{test}`" in proofs[one.promise] for test in one.tests)
    ]
    assert unproven == []


def test_the_page_shows_the_list() -> None:
    shown = PAGE.split("<!-- mutations -->\n")[1].split("\n<!-- /mutations -->")[0]
    assert shown == table(), "put the output of `python -m tests.mutate --table` there"


def test_the_page_names_every_folder() -> None:
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    missing = {name for name in folders if f"`{name}/`" not in PAGE and name[0] not in "._"}
    assert missing == set()


def test_a_text_that_is_gone_or_there_twice_is_no_place() -> None:
    mutation = Mutation("m", 1, "what", "file", "old", "new", [])
    assert mutation.applied("an old one") == "an new one"
    for text in ("nothing", "old and old"):
        with pytest.raises(ValueError, match="places for it in file"):
            mutation.applied(text)
