# ruff: noqa: PD011 - the values of samples, not of a data frame
"""Replays of real data: every row, exactly the file's numbers, the statuses that its flags mean."""

import math
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from ingest.wire import Readings
from simulators.epa import COLUMNS as EPA_COLUMNS
from simulators.epa import read_epa
from simulators.errors import UserError
from simulators.instants import parse_instant, parse_offset
from simulators.recording import Recording
from simulators.replay import Replay
from simulators.uci import COLUMNS as UCI_COLUMNS
from simulators.uci import read_uci
from tests.simulators.common import HOUR, START, data_files


@pytest.fixture(scope="module")
def uci_files() -> list[str]:
    return data_files("uci_gas_turbine", "*.csv")


@pytest.fixture(scope="module")
def epa_files() -> list[str]:
    return data_files("epa_cems_idaho_2017", "*.zip")


@pytest.fixture(scope="module")
def epa(epa_files: list[str]) -> Recording:
    return read_epa(epa_files, None, None)


@pytest.fixture(scope="module")
def epa_frame(epa_files: list[str]) -> pd.DataFrame:
    frames = [pd.read_csv(file, dtype={"ORISPL_CODE": str, "UNITID": str}) for file in epa_files]
    frame = pd.concat(frames, ignore_index=True)
    frame["unit"] = (frame["ORISPL_CODE"] + "-" + frame["UNITID"]).str.lower()
    hours = pd.to_timedelta(frame["OP_HOUR"], unit="h")
    frame["local"] = pd.to_datetime(frame["OP_DATE"], format="%m-%d-%Y") + hours
    return frame.sort_values(["unit", "local"], ignore_index=True)


def values(recording: Recording, key: str) -> list[float | None]:
    return [sample.values[key] for unit in recording.units for sample in unit.samples]


def play(recording: Recording, samples_per_message: int = 1) -> Replay:
    return Replay(recording, "plant-a", samples_per_message, "these arguments")


def test_every_uci_number_is_sent_as_it_is_in_the_files(uci_files: list[str]) -> None:
    recording = read_uci(uci_files, START, HOUR, None)
    frame = pd.concat([pd.read_csv(file) for file in uci_files])
    assert len(frame) == 29_349
    for column in UCI_COLUMNS:
        assert values(recording, column.key) == frame[column.name].tolist()


def test_uci_rows_follow_each_other_from_the_start(uci_files: list[str]) -> None:
    (unit,) = read_uci(uci_files[:2], START, HOUR, None).units
    assert [sample.time for sample in unit.samples] == [
        START + place * HOUR for place in range(7_411 + 7_628)
    ]


def test_a_message_read_back_has_the_files_numbers(uci_files: list[str]) -> None:
    replay = play(read_uci(uci_files[:1], START, HOUR, None), samples_per_message=500)
    (unit,) = replay.recording.units
    sent = [Readings.model_validate_json(m.payload()) for m in replay.messages(unit)]
    assert len(sent) == replay.total() == 15
    assert [message.seq for message in sent] == list(range(15))
    read_back = [sample.values for message in sent for sample in message.samples]
    assert read_back == [sample.values for sample in unit.samples]


def test_every_epa_number_is_sent_as_it_is_in_the_files(
    epa: Recording, epa_frame: pd.DataFrame
) -> None:
    assert len(epa.units) == 8
    assert sum(len(unit.samples) for unit in epa.units) == len(epa_frame) == 70_080
    for column in EPA_COLUMNS:
        theirs = epa_frame[column.name].to_numpy()
        ours = values(epa, column.key)
        assert all(
            math.isnan(there) if here is None else here == there
            for here, there in zip(ours, theirs, strict=True)
        )
        total = math.fsum(value for value in ours if value is not None)
        assert total == math.fsum(theirs[~pd.isna(theirs)])


def test_epa_hours_are_local_standard_time_all_year(
    epa: Recording, epa_frame: pd.DataFrame
) -> None:
    for unit in epa.units:
        rows = epa_frame[epa_frame["unit"] == unit.unit]
        offset = timedelta(hours=-8 if unit.unit.startswith(("7456", "55179")) else -7)
        assert unit.zone.utcoffset(None) == offset
        utc = (rows["local"] - offset).astype("datetime64[us]").astype("int64")
        assert [sample.time for sample in unit.samples] == utc.tolist()
    first = next(play(epa).messages(epa.units[-1]))
    assert b'"time":"2017-01-01T00:00:00-07:00"' in first.payload()


def test_epa_flags_become_statuses(epa: Recording, epa_frame: pd.DataFrame) -> None:
    status = {
        key: [sample.status.get(key) for unit in epa.units for sample in unit.samples]
        for key in ("so2-mass", "nox-rate", "nox-mass", "co2-mass", "load")
    }
    operating = epa_frame["OP_TIME"] > 0
    for shown in status.values():
        assert [state == "stopped" for state in shown] == (~operating).tolist()
    assert status["so2-mass"].count("substituted") == 33
    assert status["nox-rate"].count("substituted") == 166
    assert status["co2-mass"].count("substituted") == 33
    assert set(status["nox-mass"]) == {"stopped", None}


def test_hours_without_operation_have_no_values(epa: Recording) -> None:
    stopped = [s for unit in epa.units for s in unit.samples if "stopped" in s.status.values()]
    assert len(stopped) == 56_459
    for sample in stopped:
        assert set(sample.values.values()) == {None}
        assert sample.status == dict.fromkeys(sample.values, "stopped")


def test_epa_messages_keep_the_contract_and_come_in_order_of_time(epa: Recording) -> None:
    replay = play(epa, samples_per_message=24)
    dues = []
    for unit, message in replay.merged():
        assert Readings.model_validate_json(message.payload()).boot == replay.boot(unit)
        dues.append(message.due)
    assert dues == sorted(dues)
    assert len(dues) == replay.total() == 8 * 365


def test_a_start_moves_all_epa_hours_alike(epa: Recording, epa_files: list[str]) -> None:
    moved = read_epa(epa_files[:1], START, None)
    assert moved.first == START
    original = read_epa(epa_files[:1], None, None)
    shifts = {
        there.time - here.time
        for ours, theirs in zip(original.units, moved.units, strict=True)
        for here, there in zip(ours.samples, theirs.samples, strict=True)
    }
    assert shifts == {START - epa.first}


def test_the_same_replay_has_the_same_boot_and_another_one_has_not(uci_files: list[str]) -> None:
    recording = read_uci(uci_files[:1], START, HOUR, None)
    (unit,) = recording.units
    boot = play(recording).boot(unit)
    assert play(recording).boot(unit) == boot
    assert Replay(recording, "plant-b", 1, "these arguments").boot(unit) != boot
    assert Replay(recording, "plant-a", 1, "other arguments").boot(unit) != boot


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("CO,NOX\n1,2\n", "line 1: no column AT, TIT, TAT, TEY"),
        ("AT,TIT,TAT,TEY,CO,NOX\n1,2,3,4,5,x\n", ":2: NOX: 'x' is not a number"),
        ("AT,TIT,TAT,TEY,CO,NOX\n1,2,3,4,5,6\n1,2,3,4,,6\n", ":3: CO is empty"),
        ("AT,TIT,TAT,TEY,CO,NOX\n1,2,3,4,nan,6\n", ":2: CO: 'nan' is not a number"),
        ("AT,TIT,TAT,TEY,CO,NOX\n", "no rows"),
    ],
)
def test_a_file_of_another_kind_is_refused_with_its_place(
    tmp_path: Path, content: str, says: str
) -> None:
    file = tmp_path / "data.csv"
    file.write_text(content)
    with pytest.raises(UserError, match=str(file)) as refusal:
        read_uci([str(file)], START, HOUR, None)
    assert says in refusal.value.message


def test_a_plant_in_no_known_zone_needs_one(tmp_path: Path) -> None:
    names = [column.name for column in EPA_COLUMNS]
    header = ["ORISPL_CODE", "UNITID", "OP_DATE", "OP_HOUR", "OP_TIME", *names]
    file = tmp_path / "other.csv"
    file.write_text(",".join(header) + "\n3,A 1,07-01-2017,5,0" + "," * len(names) + "\n")
    with pytest.raises(UserError, match="plant 3 is in no known zone; say --zone"):
        read_epa([str(file)], None, None)
    (unit,) = read_epa([str(file)], None, parse_offset("-05:00")).units
    assert unit.unit == "3-a-1"
    assert unit.samples[0].time == parse_instant("2017-07-01T10:00:00Z")
