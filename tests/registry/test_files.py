"""One file, a directory of files, JSON: the same registry; errors name their file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ingest.registry_command import check_registry_file
from ingest.registry_faults import RegistryInvalid
from ingest.registry_file import parse_source
from ingest.registry_read import parse_registry, parse_registry_text
from tests.registry.texts import VALID

if TYPE_CHECKING:
    from pathlib import Path

PLANTS, PERMITS = VALID[: VALID.index("permits:")], VALID[VALID.index("permits:") :]
SECOND = "enterprises:\n  - id: uktpp\n    sources: []\n"


def as_json(text: str) -> str:
    source, faults = parse_source("f", text.encode(), is_json=False)
    assert source is not None
    assert not faults
    return source.json.decode()


def test_json_says_the_same_as_yaml() -> None:
    yaml = parse_registry_text("f", VALID)
    assert parse_registry_text("f", as_json(VALID), is_json=True).documents == yaml.documents


def test_a_directory_is_one_registry(tmp_path: Path) -> None:
    (tmp_path / "plants.yaml").write_text(PLANTS, encoding="utf-8")
    (tmp_path / "permits.json").write_text(as_json(PERMITS))
    (tmp_path / "second.yml").write_text(SECOND)
    (tmp_path / "notes.txt").write_text("not: [a registry")
    (tmp_path / ".plants.yaml.swp").write_text("{{{")
    document = parse_registry(tmp_path)
    enterprises = [e.id for one in document.documents for e in one.enterprises or ()]
    assert enterprises == ["gres1", "uktpp"]
    assert document.channels == 3


def test_an_id_in_two_files_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(VALID, encoding="utf-8")
    (tmp_path / "b.yaml").write_text("enterprises:\n  - sources: []\n    id: gres1\n")
    [fault] = check_registry_file(tmp_path)
    assert (fault.file, fault.line, fault.column) == (str(tmp_path / "b.yaml"), 3, 9)
    assert fault.message.endswith(f"first at {tmp_path / 'a.yaml'}:2:9")


def test_every_file_is_checked_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PLANTS.replace("KZ-PAV", "KZ-X"), encoding="utf-8")
    (tmp_path / "b.json").write_text(
        as_json(PERMITS.replace("channel: so2, value: 700", "channel: x, value: 700"))
    )
    (tmp_path / "c.yaml").write_text(SECOND.replace("uktpp", "UKTPP"))
    faults = check_registry_file(tmp_path)
    assert [(fault.file.rpartition("/")[2], fault.path) for fault in faults] == [
        ("a.yaml", "enterprises[0].region"),
        ("b.json", "permits[0].limits[0].channel"),
        ("c.yaml", "enterprises[0].id"),
    ]


def test_a_broken_file_does_not_make_others_look_wrong(tmp_path: Path) -> None:
    (tmp_path / "permits.yaml").write_text(PERMITS)
    (tmp_path / "plants.yaml").write_text(PLANTS + "\t", encoding="utf-8")
    [fault] = check_registry_file(tmp_path)
    assert fault.file.endswith("plants.yaml")
    assert "tab" in fault.message


def test_files_agree_on_effective(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("effective: 2026-01-01T00:00:00Z\n" + SECOND)
    (tmp_path / "b.yaml").write_text("effective: 2026-02-01T00:00:00Z\n")
    [fault] = check_registry_file(tmp_path)
    assert (fault.file, fault.path) == (str(tmp_path / "b.yaml"), "effective")
    assert f"{tmp_path / 'a.yaml'}:1:12" in fault.message


def test_a_missing_file_is_a_fault_with_its_name(tmp_path: Path) -> None:
    [fault] = check_registry_file(tmp_path / "gone.yaml")
    assert str(fault) == f"{tmp_path / 'gone.yaml'}:1:1: cannot be read: No such file or directory"


def test_an_empty_directory_is_a_fault(tmp_path: Path) -> None:
    [fault] = check_registry_file(tmp_path)
    assert "directory without *.yaml" in fault.message


def test_a_valid_file_has_no_faults(tmp_path: Path) -> None:
    path = tmp_path / "plant.yaml"
    path.write_text(VALID, encoding="utf-8")
    assert check_registry_file(path) == []


def test_equal_content_has_an_equal_digest() -> None:
    one, other = (parse_registry_text(name, VALID) for name in ("a", "b"))
    changed = parse_registry_text("a", VALID.replace("700", "701"))
    assert one.digest == other.digest != changed.digest


@pytest.mark.parametrize("break_one", [False, True])
def test_a_large_json_is_read_in_one_go(*, break_one: bool) -> None:
    # 100,000 channels: seconds, not minutes; the test's own time limit is the assertion
    channel = {"parameter": "0330", "unit": "mg/m3", "range": [-5, 5000], "period": "10s"}
    enterprises = [
        {
            "id": f"plant-{e}",
            "sources": [
                {"id": f"s{s}", "channels": [{"id": f"c{c}", **channel} for c in range(10)]}
                for s in range(1_000)
            ],
            "units": [
                {"id": f"u{s}", "channels": {f"c{c}": f"s{s}/c{c}" for c in range(10)}}
                for s in range(1_000)
            ],
        }
        for e in range(10)
    ]
    text = json.dumps({"enterprises": enterprises})
    if not break_one:
        assert parse_registry_text("national", text, is_json=True).channels == 100_000
        return
    place = text.rindex('"10s"')
    text = text[:place] + '"11s"' + text[place + 5 :]
    with pytest.raises(RegistryInvalid) as raised:
        parse_registry_text("national", text, is_json=True)
    [fault] = raised.value.faults
    assert (fault.line, fault.column) == (1, place + 1)
    assert fault.path == "enterprises[9].sources[999].channels[9].period"
