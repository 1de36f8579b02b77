"""Flags that are derived when readings are read: stuck values and jumps.

A page of readings is held against those before it, as far back as its flags depend on, so that it
shows what any other page of the same readings would.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.flags import Course, course_flags, longest_pause, undecided
from alerts.core.vocabulary import NEVER, Status
from storage.copy import Fields, copy_out
from storage.times import from_micros, to_micros

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncpg import Connection, Record
    from numpy.typing import NDArray

_FARTHER = 4  # times as far back at each further look
_AT_ONCE = 500_000  # readings, about, that are looked back over at once: they lie in memory

_READING: Fields = (("channel", "int4"), ("time", "timestamptz"), ("value", "float8"))
_RULE: Fields = (
    ("channel", "int4"),
    ("effective", "timestamptz"),
    ("period", "int8"),
    ("stuck_after", "int8"),
    ("max_step", "float8"),
)

# Every version that was ever in force, of the channels of which any is checked.
_RULES = """
with checked as (
    select distinct channel from channel_versions
    where channel = any($1::int[])
      and (stuck_after_us > 0 or (max_step > 0 and max_step < 'Infinity'))
)
select v.channel, v.effective, v.period_us, v.stuck_after_us, v.max_step
from channel_versions v join checked c on c.channel = v.channel
where not exists (select from channel_versions w where w.channel = v.channel
                  and w.version > v.version and w.effective <= v.effective)
order by v.channel, v.effective
"""

# Valid current readings of channels $1, $2 <= time, before the key ($3, $4), batches below $5.
_BEFORE = """
select r.channel, r.time, r.value from readings r
where r.time >= $2 and r.time <= $3 and (r.time, r.channel) < ($3, $4::int)
  and r.channel = any($1::int[]) and r.batch < $5 and r.status = 0 and r.value is not null
  and not exists (select from revisions v
                  where v.channel = r.channel and v.time = r.time and v.batch < $5)
union all
select channel, time, value from (
    select distinct on (channel, time) channel, time, value, status from revisions
    where channel = any($1::int[]) and time >= $2 and time <= $3
      and (time, channel) < ($3, $4::int) and batch < $5
    order by channel, time, revision desc) latest
where status = 0 and value is not null
"""


@dataclass(frozen=True, slots=True)
class _Rules:
    """What channels allow from ``since`` on, sorted by channel and since; parallel arrays.

    A channel's first entry has NEVER as ``since``: it holds for what is older too.
    """

    channel: NDArray[np.int32]
    since: NDArray[np.int64]
    period: NDArray[np.int64]
    stuck_after: NDArray[np.int64]
    max_step: NDArray[np.float64]

    def course(
        self, channel: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64]
    ) -> Course:
        """Return sorted readings of these channels with the rules of their times."""
        n = len(self.channel)
        # Rules and readings in one order, rules first: each reading's is the last rule before it.
        order = np.lexsort(
            (np.concatenate((self.since, time)), np.concatenate((self.channel, channel)))
        )
        rule = np.maximum.accumulate(np.where(order < n, order, 0))[order >= n]
        return Course(
            channel, time, value, self.period[rule], self.stuck_after[rule], self.max_step[rule]
        )

    def groups(self) -> list[NDArray[np.int32]]:
        """Return the channels in groups whose readings of a whole look-back fit into memory."""
        channel, first = np.unique(self.channel, return_index=True)
        most = (self.stuck_after + longest_pause(self.period)) / self.period
        group = np.cumsum(np.maximum.reduceat(most, first)) // _AT_ONCE
        return np.split(channel, np.flatnonzero(np.diff(group)) + 1)

    def look_back(self, channels: NDArray[np.int32]) -> int:
        """Return how far back (us) a flag of one of these channels can depend on readings."""
        rows = np.isin(self.channel, channels)
        return int(self.stuck_after[rows].max() + longest_pause(self.period[rows]).max())


async def course_flags_of(conn: Connection, page: Sequence[Record], bound: int) -> list[int]:
    """Return for each row of a page of readings the mask of its flags STUCK and JUMP.

    ``page``: time, number (of the channel), value and code (of the status), in the order of a list
    of readings and without a gap; of the revisions of a reading the last one in the page is taken
    for the current one, the others have no flags. Batches from ``bound`` on are not known.
    """
    masks = np.zeros(len(page), np.int16)
    rules = await _rules(conn, sorted({row["number"] for row in page}))
    if len(rules.channel):
        watched = set(rules.channel.tolist())
        places = np.array(_current_and_valid(page, watched), np.int64)
        readings = np.array(
            [(page[i]["number"], to_micros(page[i]["time"]), page[i]["value"]) for i in places],
            [("channel", np.int32), ("time", np.int64), ("value", np.float64)],
        )
        for group in rules.groups():
            rows = np.isin(readings["channel"], group)
            if rows.any():
                masks[places[rows]] = await _flags(conn, rules, readings[rows], bound)
    found: list[int] = masks.tolist()
    return found


async def _rules(conn: Connection, channels: list[int]) -> _Rules:
    found = await copy_out(conn, _RULES, channels, fields=_RULE)
    channel, since = found["channel"], found["effective"]
    since[np.diff(channel, prepend=-1) != 0] = NEVER
    return _Rules(channel, since, found["period"], found["stuck_after"], found["max_step"])


def _current_and_valid(page: Sequence[Record], watched: set[int]) -> list[int]:
    keys = [(row["time"], row["number"]) for row in page]
    return [
        place
        for place, row in enumerate(page)
        if row["number"] in watched
        and row["code"] == Status.VALID
        and row["value"] is not None
        and keys[place : place + 1] != keys[place + 1 : place + 2]
    ]


async def _flags(
    conn: Connection, rules: _Rules, readings: NDArray[np.void], bound: int
) -> NDArray[np.int16]:
    """Hold readings against those before them: first the nearest ones, then further back.

    Most channels have changed shortly before; only what has not is looked for in the hours.
    """
    begin, number = int(readings["time"][0]), int(readings["channel"][0])
    high, reach = begin, 2 * int(rules.period.min())
    channels = np.unique(readings["channel"])
    parts = [readings]
    while len(channels):
        low = begin - min(reach, rules.look_back(channels))
        limits = (from_micros(low), from_micros(high), number, bound)
        parts.append(await copy_out(conn, _BEFORE, channels.tolist(), *limits, fields=_READING))
        # Receipt goes on meanwhile: numpy leaves the interpreter free for most of this.
        masks, channels = await asyncio.to_thread(_judged, rules, parts, low)
        high, number, reach = low, 0, _FARTHER * reach
    return masks


def _judged(
    rules: _Rules, parts: list[NDArray[np.void]], low: int
) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Return the flags of the first part's readings, and the channels not yet decided."""
    every, asked = np.concatenate(parts), len(parts[0])
    order = np.lexsort((every["time"], every["channel"]))
    course = rules.course(*(every[name][order] for name in ("channel", "time", "value")))
    masks = np.zeros(len(every), np.int16)
    masks[order] = course_flags(course)
    return masks[:asked], undecided(course, order < asked, low)
