"""What has to be read back of each channel after a start, before judging goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR, NEVER
from alerts.rejudge import Span
from storage.judging import read_progress, read_unclosed, read_unjudged

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import asyncpg
    from numpy.typing import NDArray

    from alerts.layout import Layout

RECENT = 27 * HOUR  # channels heard of since are read into memory at the start


async def read_spans(
    conn: asyncpg.Connection,
    layout: Layout,
    newest: NDArray[np.int64],
    now: int,
    alerting: NDArray[np.int32],
) -> list[Span]:
    """Return what has to be read into memory of the channels with a ``newest`` reading (0: none).

    The recent channels, those with an alert, and what is not judged or not closed; then those
    that are derived from them.
    """
    derived = layout.derived
    selected = np.zeros(layout.channels, np.bool_)
    selected[derived.selects.channel] = True
    channels = np.flatnonzero((newest > 0) & ~selected).astype(np.int32)
    if not len(channels):
        return []
    unclosed = dict(await read_unclosed(conn, channels, newest[channels]))
    unjudged = {
        row["channel"]: row
        for row in await read_unjudged(conn, await read_progress(conn, "alerts"))
    }
    recent = channels[newest[channels] >= now - RECENT].tolist()
    wanted = {*recent, *alerting.tolist(), *unclosed, *unjudged}
    spans = {}
    for channel in sorted(wanted.intersection(channels.tolist())):
        row = unjudged.get(channel)
        judged_until = min(int(newest[channel]), unclosed.get(channel, int(newest[channel])))
        if row is None:
            spans[channel] = Span(channel, judged_until)
            continue
        first, final = int(row["first"]), int(row["last"])
        spans[channel] = Span(
            channel, min(judged_until, first), first, final, late=bool(row["late"])
        )
    for channel, found in _derived_from(layout, newest, spans):
        spans.pop(channel, None)  # those of its members come first
        spans[channel] = found
    return list(spans.values())


def _derived_from(
    layout: Layout, newest: NDArray[np.int64], spans: Mapping[int, Span]
) -> Iterator[tuple[int, Span]]:
    """Yield the spans of derived channels that have a member among ``spans``.

    A selected channel closes its blocks by the clock, after those of its member: it is judged
    again from so long before.
    """
    selects, recipes = layout.derived.selects, layout.derived.recipes
    found: dict[int, Span] = {}
    for channel, of in zip(selects.channel.tolist(), selects.of.tolist(), strict=True):
        if newest[channel] and of in spans:
            span = spans[of]
            since = span.judged_until - int(layout.longest[channel]) - HOUR
            found[channel] = replace(span, channel=channel, judged_until=since)
    yield from found.items()
    known = {**spans, **found}
    parts: dict[int, list[Span]] = {}
    for place, channel in enumerate(recipes.channel.tolist()):
        members = {channel, *recipes.member[:, place].tolist()}
        parts.setdefault(channel, []).extend(known[m] for m in members if m in known)
    for channel, some in parts.items():
        if newest[channel] and some:
            yield channel, _joined(channel, some)


def _joined(channel: int, spans: list[Span]) -> Span:
    first = min((one.first for one in spans if one.first != NEVER), default=NEVER)
    return Span(
        channel,
        min(one.judged_until for one in spans),
        first,
        max(one.last for one in spans),
        late=any(one.late for one in spans),
    )
