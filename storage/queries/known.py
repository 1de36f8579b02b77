"""What was known at a time: the bounds below which every row lies that a list may rest on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from storage.queries.page import LAST_INSTANT

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Connection

_ALL = 2**62
_ALL_VERSIONS = 2**31 - 1

# Readings of a later time than this after their receipt are never stored (5 min is the rule).
MOST_AHEAD = timedelta(minutes=10)

# Batches are numbered in order of receipt, except that a retry gets a new number with the time of
# the first receipt. So known is what is numbered below the first batch received later; the first
# of 10,000, since a few of them may be retries.
_FIRST_LATER = """
select min(id) from (
    select id from batches where received_at > $1 order by received_at limit 10000) later
"""
_VERSION = "select coalesce(max(id), 0) from registry_versions where applied_at <= $1"


@dataclass(frozen=True, slots=True)
class Known:
    """Bounds of what was known ``at`` a time.

    Block means and judgements with known_at <= ``at``, readings of batches below ``batch``, and
    the registry's versions up to ``version``.
    """

    at: datetime = LAST_INSTANT
    batch: int = _ALL
    version: int = _ALL_VERSIONS

    @property
    def readings_until(self) -> datetime:
        """No reading after it was known."""
        return self.at + MOST_AHEAD


EVERYTHING = Known()


async def first_batch_later(conn: Connection, moment: datetime) -> int:
    """Return the batch below which every batch was received by then."""
    return await conn.fetchval(_FIRST_LATER, moment) or _ALL


async def what_was_known(conn: Connection, moment: datetime | None) -> Known:
    """Return what was known at a time; None: now, which is everything."""
    if moment is None:
        return EVERYTHING
    # Later than any instant that is stored everything is known.
    moment = min(moment, LAST_INSTANT)
    version = await conn.fetchval(_VERSION, moment)
    return Known(moment, await first_batch_later(conn, moment), version)
