"""Where the data of channels begin: before it nothing is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.periods import duration
from alerts.core.vocabulary import DAY
from alerts.core.zones import block_edges
from storage import compliance
from storage.begun import first_readings, read_begun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

    from alerts.core.compliance import Condition, Version
    from storage.parts import Parts

    Span = tuple[int, int]

_SECOND = 1_000_000


async def begun_of(
    conn: asyncpg.Connection,
    conditions: Sequence[Condition],
    parts: Sequence[Parts],
    changed: Mapping[int, Span] | None = None,
) -> dict[int, int]:
    """Return where each channel's data begin: the short-term average of its first reading.

    That is valid or not; channels without any block or known standstill are left out. It is
    looked for among the readings where it was not noted yet, and where the first day of a
    channel ``changed``.
    """
    names = {version.rule.short_term for one in conditions for version in one.versions}
    first: dict[int, int] = {}
    for name in names:
        channels = [number for one in parts for number in (one.channel, one.idle) if number]
        found = await compliance.first_blocks(conn, channels, duration(name).exact // _SECOND)
        for part in parts:
            starts = [found[one] for one in (part.channel, part.idle) if one in found]
            if starts:
                first[part.channel] = min(*starts, first.get(part.channel, starts[0]))
    noted = await read_begun(conn, list(first))
    first |= {channel: min(since, first[channel]) for channel, since in noted.items()}
    unsure = {
        channel: since
        for channel, since in first.items()
        if channel not in noted or (changed and changed[channel][0] < noted[channel] + DAY)
    }
    earlier = await first_readings(conn, unsure)
    for one in conditions:
        if one.channel in earlier:
            starts = [_block_of(one, version, earlier[one.channel]) for version in one.versions]
            first[one.channel] = min([first[one.channel], *starts])
    return first


def _block_of(condition: Condition, version: Version, moment: int) -> int:
    window = duration(version.rule.short_term).exact
    starts, _ = block_edges(window, condition.zone, moment, moment + 1)
    return int(starts[0])
