"""When versions of the registry's entries apply: each until a later one takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import FOREVER, NEVER
from storage.times import to_micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    import asyncpg
    from asyncpg import Record
    from numpy.typing import NDArray

_ENDED = """
select channel, min(effective) as effective
from (select l.channel, v.effective, v.version, v.ended
      from limit_versions v join limits l on l.id = v."limit"
      union all
      select channel, effective, version, ended from channel_versions
      where recipe is not null) said
where ended and version > $1 group by channel
"""


def superseded_at(entry: NDArray[Any], effective: NDArray[Any]) -> NDArray[np.int64]:
    """Return when each version gives way: the earliest start of any later version of its entry.

    Rows are sorted by entry and version. A later version that starts earlier hides this one.
    """
    until = np.full(len(entry), FOREVER, np.int64)
    same = entry[1:] == entry[:-1]
    while True:
        following = np.minimum(effective[1:], until[1:])
        changed = same & (following < until[:-1])
        if not changed.any():
            return until
        until[:-1][changed] = following[changed]


def in_force(versions: Sequence[Record]) -> Iterator[tuple[Record, int, int]]:
    """Yield the versions of one recipe that apply to anything, each with since and until (us).

    ``versions``, oldest first, have ``effective`` and ``ended``; the first one is of all that was
    ever measured.
    """
    starts = [to_micros(one["effective"]) for one in versions]
    for place, one in enumerate(versions):
        since = starts[place] if place else NEVER
        until = min(starts[place + 1 :], default=FOREVER)
        if since < until and not one["ended"]:
            yield one, since, until


async def read_ended(conn: asyncpg.Connection, version: int) -> dict[int, int]:
    """Return by channel from when a limit, or what it judges, is no more (us).

    Because registries later than ``version`` lack it.
    """
    rows = await conn.fetch(_ENDED, version)
    return {row["channel"]: to_micros(row["effective"]) for row in rows}
