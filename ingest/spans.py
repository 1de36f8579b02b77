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


async def read_spans(  # noqa: PLR0913, PLR0917 - the channels, and what is known of them
    conn: asyncpg.Connection,
    layout: Layout,
    newest: NDArray[np.int64],
    cold: NDArray[np.bool_],
    now: int,
    alerting: NDArray[np.int32],
) -> list[Span]:
    """Return what has to be read into memory of the ``cold`` channels; ``newest`` 0: no reading.

    The recent channels, those with an alert, and what is not judged or not closed; then those
    that are derived from them. Of a selected channel its members tell, in memory or not.
    """
    selects = layout.derived.selects
    asked = cold.copy()
    asked[selects.of[cold[selects.channel]]] = True
    asked[selects.channel] = False
    channels = np.flatnonzero(asked & (newest > 0)).astype(np.int32)
    if not len(channels):
        return []
    unclosed = dict(await read_unclosed(conn, channels, newest[channels]))
    unjudged = {
        row["channel"]: row
        for row in await read_unjudged(conn, await read_progress(conn, "alerts"))
    }
    recent = channels[newest[channels] >= now - RECENT].tolist()
    of_alerting = selects.of[np.isin(selects.channel, alerting)].tolist()
    wanted = {*recent, *alerting.tolist(), *of_alerting, *unclosed, *unjudged}
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
    selected = _selected_from(layout, spans)
    spans = {one.channel: one for one in (*spans.values(), *selected) if cold[one.channel]}
    for found in _chained_from(layout, spans):
        if cold[found.channel]:
            spans.pop(found.channel, None)  # those of its members come first
            spans[found.channel] = found
    return list(spans.values())


def _selected_from(layout: Layout, spans: Mapping[int, Span]) -> Iterator[Span]:
    """Yield the spans of selected channels that have a member among ``spans``.

    A selected channel closes its blocks by the clock, after those of its members: it is judged
    again from so long before.
    """
    selects = layout.derived.selects
    parts: dict[int, list[Span]] = {}
    for channel, of in zip(selects.channel.tolist(), selects.of.tolist(), strict=True):
        if of in spans:
            parts.setdefault(channel, []).append(spans[of])
    for channel, some in parts.items():
        span = _joined(channel, some)
        since = span.judged_until - int(layout.longest[channel]) - HOUR
        yield replace(span, judged_until=since)


def _chained_from(layout: Layout, spans: Mapping[int, Span]) -> Iterator[Span]:
    """Yield the spans of chains that have a member among ``spans``, or are there themselves."""
    recipes = layout.derived.recipes
    parts: dict[int, list[Span]] = {}
    for place, channel in enumerate(recipes.channel.tolist()):
        members = {channel, *recipes.member[:, place].tolist()}
        parts.setdefault(channel, []).extend(spans[m] for m in members if m in spans)
    for channel, some in parts.items():
        if some:
            yield _joined(channel, some)


def _joined(channel: int, spans: list[Span]) -> Span:
    first = min((one.first for one in spans if one.first != NEVER), default=NEVER)
    return Span(
        channel,
        min(one.judged_until for one in spans),
        first,
        max(one.last for one in spans),
        late=any(one.late for one in spans),
    )
