"""`ams-server rules`, as it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from ingest.cli import cli
from ingest.registry_faults import RegistryInvalid
from ingest.rules_resolve import preset_names
from tests.rules.test_schema import VALID

if TYPE_CHECKING:
    from pathlib import Path


def said(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["rules", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_list_has_a_line_for_each() -> None:
    lines = said("list").splitlines()
    assert [line.split()[0] for line in lines] == preset_names()
    assert "2013-01-07  EU, Industrial Emissions Directive" in said("list")


@pytest.mark.parametrize("name", preset_names())
def test_a_rule_set_is_shown_with_all_that_it_rests_on(name: str) -> None:
    text = said("show", name)
    assert text.startswith(f"{name}: ")
    assert "Conditions:" in text
    assert "Sources:\n  - " in text


def test_conditions_are_sentences_and_say_what_is_not_verified() -> None:
    text = said("show", "ied-waste")
    assert "in 1year at least 0.97 of means over 30min <= limit" in text
    assert "in any 1d at least 0.95 of means over 10min <= limit" in text
    assert 'one of the group "half_hours" is enough' in text
    assert "above_limit: The limit is exceeded for at most 4 hours on end" in text
    assert "[NOT VERIFIED; only where the limit names it" in text
    assert "From memory, not verified: validity.coverage" in text
    assert "each mean over 30min < 2 x limit" in said("show", "kz-norms-draft")


def test_a_file_is_checked_and_shown(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(VALID, encoding="utf-8")
    assert said("check", str(path)) == f"{path}: valid\n"
    assert said("show", str(path)).startswith("ours: Ours\n  kk: Біздікі\n")
    path.write_text(VALID.replace("clause: A 1,", "clause: A 1, verified: false,"), "utf-8")
    assert said("check", str(path)) == f"{path}: valid (1 conditions not verified)\n"


def test_a_file_with_errors_is_refused_with_their_places(tmp_path: Path) -> None:
    path = tmp_path / "ours.yaml"
    path.write_text(VALID.replace("factor", "factr"), encoding="utf-8")
    result = CliRunner().invoke(cli, ["rules", "check", str(path)])
    assert isinstance(result.exception, RegistryInvalid)
    assert f"{path}:12:74: versions[0].conditions[0].factr: " in str(result.exception)
    result = CliRunner().invoke(cli, ["rules", "check", str(tmp_path / "none.yaml")])
    assert "cannot be read: No such file" in str(result.exception)


def test_an_unknown_rule_set_is_said_with_those_there_are() -> None:
    result = CliRunner().invoke(cli, ["rules", "show", "ied"])
    assert result.exit_code == 1
    assert 'there is no rule set "ied", nor a file; there are at-avv' in result.output
