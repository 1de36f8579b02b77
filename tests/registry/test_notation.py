"""What scalars mean, and what must not stand in a file at all."""

from __future__ import annotations

import json

import pytest

from ingest.registry_file import parse_source
from tests.registry.texts import VALID, faults_of, with_place

SCALARS = [
    # text that YAML 1.1 or a hasty reader takes for something else
    ("no", "no"),
    ("on", "on"),
    ("off", "off"),
    ("yes", "yes"),
    ("y", "y"),
    ("NO", "NO"),
    ("0330", "0330"),
    ("007", "007"),
    ("-0330", "-0330"),
    ("000140000123", "000140000123"),
    ("0330.5", "0330.5"),
    ("12:30:00", "12:30:00"),
    ("2026-01-01", "2026-01-01"),
    ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
    ("1_000", "1_000"),
    ("1,5", "1,5"),
    ("2/3", "2/3"),
    ("20min", "20min"),
    ("1e", "1e"),
    (".", "."),
    ("=", "="),
    ("<<", "<<"),
    ('"1"', "1"),
    ("'true'", "true"),
    ('"~"', "~"),
    ("nothing", "nothing"),
    # numbers
    ("0", 0),
    ("-0", 0),
    ("+5", 5),
    ("2902", 2902),
    ("1e3", 1000.0),
    ("1E-3", 0.001),
    ("0.5", 0.5),
    (".5", 0.5),
    ("5.", 5.0),
    ("-0.0", -0.0),
    # words
    ("true", True),
    ("True", True),
    ("FALSE", False),
    ("null", None),
    ("~", None),
    ("", None),
]


@pytest.mark.parametrize(("written", "meant"), SCALARS)
def test_scalars_mean(written: str, meant: object) -> None:
    source, faults = parse_source("f", f"a: {written}\n".encode(), is_json=False)
    assert source is not None
    assert not faults
    value = json.loads(source.json)["a"]
    assert (value, type(value)) == (meant, type(meant))


@pytest.mark.parametrize("key", ["no", "on", "off", "y", "0330", "1e", "12:30"])
def test_keys_are_text(key: str) -> None:
    source, faults = parse_source("f", f"{{{key}: 1}}".encode(), is_json=False)
    assert source is not None
    assert not faults
    assert json.loads(source.json) == {key: 1}


FAULTY = [
    # numbers that mean one thing in YAML and another to a person
    ("a: «0o17", "a", "ambiguous"),
    ("a: «0x1F", "a", "ambiguous"),
    ("a: «0b101", "a", "ambiguous"),
    ("a: «" + "1" * 50, "a", "more digits than any instrument has"),
    # keys that are not text
    ("a: {«5: 1}", "a", "the number 5 cannot be a key: if it is text, quote it"),
    ("a: {«1e3: 1}", "a", "the number 1000.0 cannot be a key"),
    ("a: {«true: 1}", "a", "true cannot be a key: if it is text, quote it"),
    ("a: {«~: 1}", "a", "nothing (null) cannot be a key"),
    ("a: {? «[b] : 1}", "a", "a list or a mapping cannot be a key"),
    ("a: {b: 1, «b: 2}", "a.b", 'the key "b" stands here twice: first at 1:5'),
    ("a: 1\nb: 2\n«a: 3", "a", 'the key "a" stands here twice: first at 1:1'),
    # references
    ("a: &x {b: «*x}", "a.b", "*x stands inside what it names"),
    ("a: &x [1, [2, «*x]]", "a[1][1]", "*x stands inside what it names"),
    ("a: «*x", "a", "there is no &x before it"),
    ("a: «!!str 5", "a", "a tag"),
    ("a: «!secret x", "a", "a tag"),
    # more than one document, other versions
    ("a: 1\n«---\nb: 2", "", "one document a file"),
    ("%YAML 1.1\n«---\na: 1", "", "YAML 1.2"),
    # broken YAML
    ("a:\n«\t- 1", "", "a tab"),
    ("a:«\t1", "", "a tab"),
    ("a: [1, 2\nb«: 3", "", "flow sequence that begins in line 1"),
    ("a: b«: c", "", "mapping values are not allowed here"),
    ('a: "b\n«', "", "quoted scalar"),
    ("a: 1\n b«: 2", "", "mapping values are not allowed"),
    ("a: «\x07", "", "U+0007"),
    ('a: «"\\ud800"', "a", "half of a character"),
]


@pytest.mark.parametrize(("text", "path", "words"), FAULTY)
def test_notation_that_is_refused(text: str, path: str, words: str) -> None:
    content, line, column = with_place(text)
    _, faults = parse_source("f", content.encode("utf-8", "surrogatepass"), is_json=False)
    assert [(fault.line, fault.column, fault.path) for fault in faults] == [(line, column, path)]
    assert words in faults[0].message


def test_a_bomb_of_aliases_is_refused_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
    source, faults = parse_source("f", "\n".join(lines).encode(), is_json=False)
    assert source is None
    assert "more than 5,000,000 values" in faults[-1].message


def test_too_deep_is_refused() -> None:
    for content, is_json in ((b"[" * 50, False), (b"[" * 100_000, True)):
        source, faults = parse_source("f", content, is_json=is_json)
        assert source is None
        assert "nested" in faults[0].message


def test_anchors_and_aliases_may_save_writing() -> None:
    text = VALID.replace("range: [-5, 5000]", "range: &wide [-5, 5000]").replace(
        "missing: [-1, -999]", "range: *wide"
    )
    source, faults = parse_source("f", text.encode(), is_json=False)
    assert source is not None
    assert not faults


def test_an_error_in_an_alias_is_placed_where_it_was_written() -> None:
    text, line, column = with_place(
        VALID.replace("range: [-5, 5000]", "range: «&wide [5, -5]").replace(
            "missing: [-1, -999]", "range: *wide"
        )
    )
    faults = faults_of(text)
    assert {(fault.line, fault.column) for fault in faults} == {(line, column)}
    assert len(faults) == 2


def test_a_file_that_is_not_utf8_says_where() -> None:
    _, [fault] = parse_source("f", "a: 1\nb: Пыль".encode("cp1251"), is_json=False)
    assert (fault.line, fault.column) == (2, 4)
    assert "UTF-8" in fault.message


def test_a_byte_order_mark_is_no_error() -> None:
    source, faults = parse_source("f", b"\xef\xbb\xbfa: 1", is_json=False)
    assert source is not None
    assert not faults


JSON_FAULTY = [
    ('{"a": 1, «"a": 2}', "a", 'the key "a" stands here twice: first at 1:2'),
    ('{"a": [1, {"b": {"c": 1,\n  «"c": 2}}]}', "a[1].b.c", "twice: first at 1:18"),
    ('{"a": 1,«}', "", "not JSON"),
    ('{"a": «0330}', "", "not JSON"),
    ('{"a": «no}', "", "not JSON"),
    ("«", "", "not JSON"),
]


@pytest.mark.parametrize(("text", "path", "words"), JSON_FAULTY)
def test_json_that_is_refused(text: str, path: str, words: str) -> None:
    content, line, column = with_place(text)
    _, faults = parse_source("f", content.encode(), is_json=True)
    assert len(faults) == 1
    fault = faults[0]
    assert (fault.line, fault.path) == (line, path)
    assert abs(fault.column - column) <= 1
    assert words in fault.message


def test_json_without_its_suffix_is_read_as_json_and_placed() -> None:
    text, line, column = with_place(
        '{"enterprises": [\n  {"id": "a", "sources": [], «"unit": []}],\n "permits": []}'
    )
    [fault] = faults_of(text)
    assert (fault.line, fault.column, fault.path) == (line, column, "enterprises[0].unit")


@pytest.mark.parametrize(
    ("text", "path", "words"),
    [
        ('{"enterprises": [{"id": "a", "category": «NaN}]}', "enterprises[0].category", "whole"),
        ('{"enterprises": [{"id": "a"}], "permits": «5}', "permits", "expected a list"),
        (
            '{"enterprises":\n\n [  {"id": "a", "units": [«{}]}]}',
            "enterprises[0].units[0]",
            "id is",
        ),
        ('{"enterprises": [{"id": "a"},\n {"id": «"a"}]}', "enterprises[1].id", "plant.yaml:1:25"),
    ],
)
def test_errors_in_json_have_places_too(text: str, path: str, words: str) -> None:
    content, line, column = with_place(text)
    [fault] = faults_of(content, is_json=True)
    assert (fault.line, fault.column, fault.path) == (line, column, path)
    assert words in fault.message


def test_half_a_character_in_json_is_refused() -> None:
    [fault] = faults_of('{"enterprises": [{"id": "\\ud800"}]}', is_json=True)
    assert "not JSON" in fault.message
