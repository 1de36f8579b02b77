"""What is found out about readings, a whole batch at a time: arrays in, arrays out.

Which values cannot be used at all is the careful decoder's to say; here is what tells, without
any look at a message, that it must be asked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.flags import range_flags
from alerts.core.vocabulary import DAY, MINUTE, Flag, Status
from ingest.careful import BOUND, FUTURE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from storage.received import Columns
    from storage.registry import Channels

OLDEST = 400 * DAY  # before receipt, where no setting says since when readings are accepted
CLOCK = MINUTE  # a reading's time so far after its receipt: the unit's clock is off


def oldest_accepted(received_at: int, accept_from: int | None) -> int:
    """Return the earliest time accepted of what was received at ``received_at``, both in us."""
    return received_at - OLDEST if accept_from is None else accept_from


def replace_missing(columns: Columns, channels: Channels) -> None:
    """Turn values that their channel's ``missing`` names into NaN with status malfunction."""
    if not channels.missing.shape[1]:
        return
    named = ~np.isnan(channels.missing[:, 0][columns.channel])  # most channels name none
    rows = np.flatnonzero(named)
    missing = channels.missing[columns.channel[rows]] == columns.value[rows, np.newaxis]
    rows = rows[missing.any(axis=1)]
    columns.value[rows] = np.nan
    columns.status[rows] = Status.MALFUNCTION


def doubtful(columns: Columns, received_at: int, accept_from: int) -> NDArray[np.bool_]:
    """Return which readings the careful decoder must judge: it sets most of them aside.

    They are nulls without a status, beyond bounds, in the future or too old.
    """
    null = np.isnan(columns.value) & (columns.status == Status.VALID)
    time = (columns.time > received_at + FUTURE) | (columns.time < accept_from)
    doubt: NDArray[np.bool_] = null | time | (np.abs(columns.value) > BOUND)
    return doubt


def flag_values(columns: Columns, channels: Channels, received_at: int | NDArray[np.int64]) -> None:
    """Set the flags range, negative and clock where they apply; a null has no range.

    ``received_at`` is one time (us) for all, or the time of each reading.
    """
    channel = columns.channel
    columns.flags |= range_flags(
        columns.value,
        channels.range_low[channel],
        channels.range_high[channel],
        channels.signed[channel],
    )
    columns.flags[columns.time > received_at + CLOCK] |= Flag.CLOCK


def flag_gaps(columns: Columns, gap: NDArray[np.bool_]) -> None:
    """Flag every reading of the messages (rows of ``gap``) that left a hole before them."""
    if gap.any():
        columns.flags[gap[columns.message]] |= Flag.GAP_BEFORE
