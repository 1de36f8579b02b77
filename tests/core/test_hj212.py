"""HJ 212 frames: what was put in comes out, and damage is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.hj212 import frame, segment_of

SEGMENT = b"QN=20160801085857223;ST=32;CN=1062;PW=100000;MN=010000A8900016F000169DC0;Flag=5;CP=&&&&"


@given(st.binary(max_size=1024))
def test_there_and_back(segment: bytes) -> None:
    assert segment_of(frame(segment)) == segment


def test_lower_case_is_read_too() -> None:
    whole = frame(SEGMENT)
    assert segment_of(whole[:-6] + whole[-6:].lower()) == SEGMENT


@given(st.integers(0, 8 * len(SEGMENT) - 1))
def test_a_damaged_bit_is_found(bit: int) -> None:
    whole = bytearray(frame(SEGMENT))
    whole[6 + bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="CRC"):
        segment_of(bytes(whole))


def test_what_is_no_frame_is_refused() -> None:
    whole = frame(SEGMENT)
    for damaged in (whole[1:], whole[:-1], b"##12" + whole[5:], b""):
        with pytest.raises(ValueError, match="a frame is"):
            segment_of(damaged)
    with pytest.raises(ValueError, match="announced"):
        segment_of(b"##0001" + whole[6:])
    with pytest.raises(ValueError, match="at most 1024"):
        frame(b"x" * 1025)
