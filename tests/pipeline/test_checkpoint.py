"""The board in its file: what was written is read, and what cannot be used is left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.board import Board
from alerts.core.vocabulary import MINUTE
from alerts.layout import Layout
from alerts.snapshot import arrays_of, board_of
from ingest.checkpoint import Checkpoint, Mark
from tests.alerts.judging import layout_of
from tests.oracles import Limit

if TYPE_CHECKING:
    from pathlib import Path

MARK = Mark(batch=7, received_at=1_700_000_000_000_000, history=3)


def board() -> Board:
    """Two channels, of which one has had two hours of readings."""
    made = Board(layout_of([Limit(window=20 * MINUTE, value=100, period=MINUTE)]))
    for minute in range(120):
        at = np.array([1_000_000 * MINUTE + minute * MINUTE])
        made.add(np.array([1], np.int32), at, np.array([minute + 0.1]))
        made.evaluated[1] = at[0]
    return made


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint.of(tmp_path / "not there yet", "an-installation")


def assert_same(ours: Board, theirs: Board) -> None:
    expected: dict[str, Any] = arrays_of(theirs)
    found = arrays_of(ours)
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert isinstance(ours.layout, Layout)


def test_a_board_is_what_it_was(checkpoint: Checkpoint) -> None:
    assert checkpoint.write(board(), MARK)
    checkpoint.publish()
    found = checkpoint.read()
    assert found is not None
    assert found[0] == MARK
    assert_same(found[1], board())
    assert checkpoint.path.stat().st_mode & 0o777 == 0o600


def test_a_board_goes_on_where_it_was() -> None:
    kept, gone_on = board_of({k: v.copy() for k, v in arrays_of(board()).items()}), board()
    later = np.array([1_000_000 * MINUTE + 121 * MINUTE])
    for one in (kept, gone_on):
        one.add(np.array([1], np.int32), later, np.array([3.0]))
        one.evaluate(np.array([1], np.int32), later)
    assert_same(kept, gone_on)


def test_what_is_not_published_is_not_in_force(checkpoint: Checkpoint) -> None:
    assert checkpoint.write(board(), MARK)
    checkpoint.publish()
    assert checkpoint.write(board(), replace(MARK, batch=8))
    found = checkpoint.read()
    assert found is not None
    assert found[0].batch == 7


def test_nothing_is_there_at_the_first_start(
    checkpoint: Checkpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkpoint.read() is None
    assert not capsys.readouterr().out


@pytest.mark.parametrize("keep", [0, 100, 0.5, 0.99])
def test_a_torn_file_is_said_and_left_alone(
    checkpoint: Checkpoint, keep: float, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint.write(board(), MARK)
    checkpoint.publish()
    whole = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(whole[: keep if isinstance(keep, int) else int(keep * len(whole))])
    assert checkpoint.read() is None
    assert "cannot be read" in capsys.readouterr().out


def test_a_changed_byte_is_noticed(checkpoint: Checkpoint) -> None:
    checkpoint.write(board(), MARK)
    checkpoint.publish()
    whole = bytearray(checkpoint.path.read_bytes())
    whole[whole.index(np.float64(119.1).tobytes())] ^= 1
    checkpoint.path.write_bytes(whole)
    assert checkpoint.read() is None


def test_another_format_is_not_read(checkpoint: Checkpoint) -> None:
    checkpoint.path.parent.mkdir()
    said = {"batch": 7, "received_at": 1, "history": 1, "format": 0}
    with checkpoint.path.open("wb") as file:
        np.savez(file, mark=np.array(json.dumps(said)))
    assert checkpoint.read() is None


def test_a_place_that_cannot_be_written_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    checkpoint = Checkpoint.of(tmp_path / "file", "an-installation")
    assert not checkpoint.write(board(), MARK)
    assert "no checkpoint of the judging" in capsys.readouterr().out
