"""The audit of compliance: verdicts made again from stored block means, against what is current."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from alerts.compliance import changed
from alerts.core.compliance import FIGURES, WITHDRAWN
from alerts.core.vocabulary import Judgement
from alerts.scope import changes_of, depends, judge_scopes
from alerts.track import iso
from ingest.compliance import CELLS, CHANNELS_AT_ONCE
from ingest.compliance_begun import begun_of
from ingest.compliance_data import arranged
from storage.compliance import read_conditions
from storage.due import followed_until, read_watched, unfinished
from storage.parts import read_parts
from storage.rehearsal import read_names
from storage.verdicts import read_current

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from ingest.archive import Archive
    from ingest.compliance_data import Chunk
    from storage.rehearsal import LimitName

    Rows = NDArray[np.void]
    Span = tuple[int, int]


async def compliance_differences(
    archive: Archive, span: Span, default_zone: str, say: Callable[[str], object]
) -> list[str]:
    """Return a line for each verdict that comes out differently, of periods that are over.

    Of periods that touch [start, end), as far as they were followed; what waits to be judged is
    left out, and said.
    """
    until = await followed_until(archive.conn)
    if until is None:
        return []
    watched = await read_watched(archive.conn)
    waiting = {value for block in await unfinished(archive.conn) for value in watched.values(block)}
    if waiting:
        say(f"verdicts of {len(waiting)} channels wait to be judged: not compared")
    channels = [one for one in np.unique(watched.value).tolist() if one not in waiting]
    pending = [
        channels[at : at + CHANNELS_AT_ONCE] for at in range(0, len(channels), CHANNELS_AT_ONCE)
    ]
    found: list[str] = []
    while pending:
        some = pending.pop(0)
        chunk = await _chunk(archive, some, span, default_zone, until)
        if len(some) > 1 and len(some) * chunk.rows > CELLS:
            half = len(some) // 2
            pending[:0] = [some[:half], some[half:]]
        elif len(chunk.changes):
            found += await _differences(archive, chunk, until)
    return found


async def _chunk(
    archive: Archive, channels: Sequence[int], span: Span, default_zone: str, until: int
) -> Chunk:
    conn = archive.conn
    conditions = await read_conditions(conn, channels, default_zone)
    parts = await read_parts(conn, channels)
    begun = await begun_of(conn, conditions, parts)
    spans = dict.fromkeys(channels, span)
    judged = dict.fromkeys((one.limit for one in conditions), span[0])
    changes = changes_of(conditions, spans, judged, begun, until)
    changes = changes[changes["first"] <= min(span[1], until)]
    return arranged(conditions, parts, channels, changes, until)


async def _differences(archive: Archive, chunk: Chunk, until: int) -> list[str]:
    averages = await chunk.averages(archive.conn)
    rows = judge_scopes(chunk.scopes, averages, chunk.columns, chunk.changes, until).rows
    stored = await read_current(archive.conn, chunk.changes)
    stored = stored[depends(stored, chunk.changes)]
    news, _ = changed(rows, stored, FIGURES)
    was = {(row["limit"], row["finish"]): row for row in stored if row["over"]}
    names = await read_names(archive.conn, list(chunk.columns))
    found = []
    for row in news:
        old = was.get((row["limit"], row["finish"]))
        if old is None and not row["valid"] and row["state"] == Judgement.NOT_ASSESSABLE:
            continue  # of short-term averages, those of a silence are stored when it is over
        if row["over"] or old is not None:
            found.append(_line(names[int(row["limit"])], row, old))
    return sorted(found)


def _line(name: LimitName, row: np.void, old: np.void | None) -> str:
    condition = f" {name.rules} {name.condition}" if name.condition else ""
    return (
        f"verdict {name.path} {name.average}{condition}, permit {name.permit}, to "
        f"{iso(int(row['finish']))}: stored {_verdict(old)}, recomputed {_verdict(row)}"
    )


def _verdict(row: np.void | None) -> str:
    if row is None or row["state"] == WITHDRAWN:
        return "nothing"
    counted = f", {row['exceeding']} of {row['allowed']}" if row["allowed"] >= 0 else ""
    return (
        f"{Judgement(row['state']).label} ({row['value']:g}{counted}, "
        f"{row['valid']}/{row['expected']}, version {row['version']})"
    )
