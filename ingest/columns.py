"""Columns: the arrays of a batch's readings, made, picked from and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from storage.received import Columns

if TYPE_CHECKING:
    from ingest.fast import Rows


def to_columns(rows: Rows) -> Columns:
    """Return the gathered rows as arrays; a null is NaN, a zero has no sign, flags are 0."""
    count = np.array(rows.rows, np.int64)
    status = np.zeros(len(rows.channel), np.int16)
    if rows.codes:
        places, codes = zip(*rows.codes, strict=True)
        status[list(places)] = codes
    return Columns(
        message=np.repeat(np.array(rows.message, np.int32), count),
        channel=np.array(rows.channel, np.int32),
        time=np.repeat(np.array(rows.time, np.int64), count),
        value=np.array(rows.value, np.float64) + 0.0,  # -0.0 would be one more text of zero
        status=status,
        flags=np.zeros(len(rows.channel), np.int16),
    )


def select(
    columns: Columns, rows: np.ndarray[tuple[int], np.dtype[np.bool_ | np.int64]]
) -> Columns:
    """Return the ``rows`` (mask or numbers) of ``columns``."""
    return Columns(
        message=columns.message[rows],
        channel=columns.channel[rows],
        time=columns.time[rows],
        value=columns.value[rows],
        status=columns.status[rows],
        flags=columns.flags[rows],
    )


def merge(first: Columns, second: Columns) -> Columns:
    """Return the rows of both in order of their messages; no message may be in both."""
    both = Columns(
        message=np.concatenate((first.message, second.message)),
        channel=np.concatenate((first.channel, second.channel)),
        time=np.concatenate((first.time, second.time)),
        value=np.concatenate((first.value, second.value)),
        status=np.concatenate((first.status, second.status)),
        flags=np.concatenate((first.flags, second.flags)),
    )
    return select(both, np.argsort(both.message, kind="stable"))
