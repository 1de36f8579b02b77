"""What has to be read back of each channel after a start, before judging goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.core.vocabulary import HOUR, NEVER
from alerts.rejudge import Span
from storage.judging import read_progress, read_unclosed, read_unjudged

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    computed = np.append(derived.selects.channel, derived.chains.channel)
    there = newest > 0
    there[computed] = False
    channels = np.flatnonzero(there).astype(np.int32)
    if not len(channels) and not len(computed):
        return []
    unclosed = dict(await read_unclosed(conn, channels, newest[channels]))
    unjudged = {
        row["channel"]: row
        for row in await read_unjudged(conn, await read_progress(conn, "alerts"))
    }
    recent = channels[newest[channels] >= now - RECENT].tolist()
    wanted = {*recent, *alerting.tolist(), *unclosed, *unjudged}
    spans = []
    for channel in sorted(wanted.intersection(channels.tolist())):
        row = unjudged.get(channel)
        judged_until = min(int(newest[channel]), unclosed.get(channel, int(newest[channel])))
        if row is None:
            spans.append(Span(channel, judged_until))
            continue
        first, final = int(row["first"]), int(row["last"])
        spans.append(Span(channel, min(judged_until, first), first, final, late=bool(row["late"])))
    return [*spans, *_of_derived(layout, newest, spans)]


def _of_derived(layout: Layout, newest: NDArray[np.int64], spans: list[Span]) -> Iterator[Span]:
    """Yield the spans of cold derived channels that have a member among ``spans``.

    A member's readings that came before the last start of the server are no reason to read a
    selected channel back: it is read when one of them is touched again.
    """
    derived = layout.derived
    by_channel = {span.channel: span for span in spans}
    for channel, of in zip(
        derived.selects.channel.tolist(), derived.selects.of.tolist(), strict=True
    ):
        span = by_channel.get(of)
        if span is not None and newest[channel] and span.judged_until < newest[of]:
            by_channel[channel] = _joined(channel, [span])
            yield by_channel[channel]
    chains = derived.chains
    for place, channel in enumerate(chains.channel.tolist()):
        if not newest[channel]:
            continue
        found = [by_channel[m] for m in chains.member[:, place].tolist() if m in by_channel]
        if found:
            yield _joined(channel, found)


def _joined(channel: int, spans: list[Span]) -> Span:
    first = min((one.first for one in spans if one.first != NEVER), default=NEVER)
    return Span(
        channel,
        min(one.judged_until for one in spans),
        first,
        max(one.last for one in spans),
        late=any(one.late for one in spans),
    )
