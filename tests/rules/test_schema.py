"""Each rule of a rule-set file, with a file that breaks it: place and words of the error."""

from __future__ import annotations

import pytest

from ingest.registry_faults import RegistryInvalid
from ingest.rules_resolve import read_rule_set
from tests.registry.texts import with_place
from tests.rules.given import STACK, faults_of

VALID = """\
id: ours
title: {en: Ours, kk: Біздікі}
sources: [our lawyer]
versions:
  - from: 2020-01-01
    basis: {temperature: 273.15, pressure: 101.3, standard: true, dry: true, oxygen: limit}
    short_term: 30min
    validity: {coverage: 2/3, invalid_parts_a_day: 3}
    leaves_out: [start_up, stopped]
    uncertainty: {method: limit, shares: {"0330": 0.2}}
    conditions:
      - {id: day, says: none, clause: A 1, statistic: mean, average: 1d, factor: 1.1}
      - {id: hours, says: most, clause: A 2, statistic: share, average: 1h, per: 1year, share: 0.97}
      - {id: bad, says: few, clause: A 3, statistic: count, of: invalid_days, average: 1d, per: 1year, at_most: 10}
"""  # noqa: E501 - a table

VERSION = "versions[0]"
# what the valid file says, what it says instead (« marks the place of the error), path, words
RULES = [
    ("id: ours", "id: «Ours", "id", "1 to 40 of a-z, 0-9 and -"),
    ("title: {en: Ours, kk: Біздікі}", "title: «{}", "title", "at least one entry"),
    ("sources: [our lawyer]", "sources: «[]", "sources", "at least one entry"),
    ("id: ours", "id: ours\n«notes: x", "notes", "did you mean note?"),
    ("from: 2020-01-01", "from: «01.01.2020", f"{VERSION}.from", "not a day such as"),
    ("temperature: 273.15", "temperature: «0", f"{VERSION}.basis.temperature", "must be above 0"),
    ("temperature: 273.15", "«temperatur: 2", f"{VERSION}.basis.temperatur", "temperature?"),
    ("oxygen: limit", "oxygen: «21", f"{VERSION}.basis.oxygen", "below 20.9"),
    ("oxygen: limit", "oxygen: «yes", f"{VERSION}.basis.oxygen", 'such as 6, or "limit"'),
    ("basis: {temp", "basis: «{co2: 12, temp", f"{VERSION}.basis", "one of them"),
    ("short_term: 30min", "short_term: «8h", f"{VERSION}.short_term", "at most 1h"),
    ("short_term: 30min", "short_term: «7min", f"{VERSION}.short_term", "whole number"),
    ("coverage: 2/3", "coverage: «1.5", f"{VERSION}.validity.coverage", "up to 1"),
    ("coverage: 2/3", "«cover: 2/3", f"{VERSION}.validity.cover", "coverage?"),
    ("a_day: 3}", "a_day: «-1}", f"{VERSION}.validity.invalid_parts_a_day", "at least 0"),
    ("[start_up, stopped]", "[start_up, «valid]", f"{VERSION}.leaves_out[1]", "not one of start_"),
    ("method: limit", "method: «elv", f"{VERSION}.uncertainty.method", "not one of none, limit"),
    ('{"0330": 0.2}', '{"0330": «20}', f"{VERSION}.uncertainty.shares.0330", "up to 1"),
    ('{"0330": 0.2}', "{«so2: 0.2}", f"{VERSION}.uncertainty.shares.so2", "4-digit code in quotes"),
    ("id: day", "id: «Day", f"{VERSION}.conditions[0].id", "a-z, 0-9 and _"),
    ("statistic: mean", "statistic: «max", f"{VERSION}.conditions[0].statistic", "not one of mean"),
    ("average: 1d, factor", "average: «2d, factor", f"{VERSION}.conditions[0].average",
     "a whole number of them"),
    ("average: 1d, factor", "average: «2month, factor", f"{VERSION}.conditions[0].average",
     "1month, 1year or 30operating_days"),
    ("factor: 1.1", "factor: «0", f"{VERSION}.conditions[0].factor", "not a factor above 0"),
    ("factor: 1.1", "factor: «110%", f"{VERSION}.conditions[0].factor", "a decimal such"),
    ("- {id: hours", "- «{id: day", f"{VERSION}", "is there twice"),
    ("per: 1year, share", "per: «36h, share", f"{VERSION}.conditions[1].per", "whole days"),
    ("per: 1year, share", "per: «often, share", f"{VERSION}.conditions[1].per", "such as 1d, 7d"),
]  # fmt: skip
# What a condition lacks or has too much of is said at its beginning.
OF_A_CONDITION = [
    ("per: 1year, share: 0.97", "share: 0.97", 1, "per is missing: a share is of a time"),
    ("per: 1year, share: 0.97", "per: 1year", 1, "share is missing"),
    (", at_most: 10", "", 2, "at_most is missing"),
    ("factor: 1.1", "per: 1year", 0, "a mean has its average"),
    (", clause: A 1", "", 0, "clause is missing"),
]


def faults(text: str) -> list[tuple[int, int, str, str]]:
    with pytest.raises(RegistryInvalid) as raised:
        read_rule_set("ours.yaml", text.encode())
    return [(one.line, one.column, one.path, one.message) for one in raised.value.faults]


@pytest.mark.parametrize(("old", "new", "path", "words"), RULES)
def test_a_broken_rule_is_named_with_its_place(old: str, new: str, path: str, words: str) -> None:
    assert VALID.count(old) == 1
    text, line, column = with_place(VALID.replace(old, new))
    if "is there twice" in words:  # of a list: at the version that holds it
        line, column = 5, 5
    [fault] = faults(text)
    assert fault[:3] == (line, column, path)
    assert words in fault[3]


@pytest.mark.parametrize(("old", "new", "number", "words"), OF_A_CONDITION)
def test_what_a_condition_lacks_is_named_at_the_condition(
    old: str, new: str, number: int, words: str
) -> None:
    assert VALID.count(old) == 1
    [(line, column, path, message)] = faults(VALID.replace(old, new))
    assert (line, column) == (12 + number, 9)
    assert path == f"{VERSION}.conditions[{number}]"
    assert words in message


def test_versions_stand_in_the_order_of_their_days() -> None:
    text = VALID + VALID[VALID.index("  - from") :].replace("2020", "2019")
    [(line, _, path, message)] = faults(text)
    assert (line, path) == (1, "")
    assert message == "the version from 2019-01-01 must stand before that from 2020-01-01"


def test_a_broken_notation_is_named() -> None:
    [(line, column, _, message)] = faults("id: ours\n\tx: 1\n")
    assert (line, column) == (2, 1)
    assert message.startswith("a tab")


def test_the_valid_one_is_valid() -> None:
    found = read_rule_set("ours.yaml", VALID.encode())
    assert [one.factor for one in found.versions[0].conditions] == ["1.1", "1", "1"]


def test_a_rule_set_of_a_registry_is_checked_in_its_place() -> None:
    indented = VALID.replace("\n", "\n    ").rstrip()
    text = f"{STACK}rule_sets:\n  - {indented}\n".replace("factor: 1.1", "factor: «0")
    text, line, column = with_place(text)
    [fault] = faults_of(text)
    assert (fault.line, fault.column) == (line, column)
    assert fault.path == "rule_sets[0].versions[0].conditions[0].factor"


def test_the_same_rule_set_twice_names_both_places() -> None:
    indented = VALID.replace("\n", "\n    ").rstrip()
    [fault] = faults_of(f"{STACK}rule_sets:\n  - {indented}\n  - {indented}\n")
    line = STACK.count("\n") + 2
    assert fault.path == "rule_sets[1].id"
    assert fault.message == f'the rule set "ours" is there twice: first at plant.yaml:{line}:9'
