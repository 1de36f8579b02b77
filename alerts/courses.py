"""The alerts of many limits along their channels' rolling means, followed together.

Nothing can happen where every mean stays below the lowest threshold and no alert can be open any
more, so only the chunks of a history around what may happen are looked at evaluation by evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.course import Alerts, Evaluations, follow
from alerts.core.machine import State, Thresholds, compare, needed
from alerts.core.rounding import round_significant
from alerts.core.slots import step_for
from alerts.core.vocabulary import NEVER
from alerts.recompute import outside_alerts
from alerts.rolling import CHUNK, lowered

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from alerts.bulk import Bulk
    from alerts.core.limits import Limits
    from alerts.core.records import Alert
    from alerts.rolling import Rolling

    Rows = NDArray[np.intp]
    Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Pieces:
    """P versions of n limits over one window that apply at some evaluation, by limit and time.

    ``limit`` (P,): the limit's place, all of 0 … n - 1; ``lead`` (n,): its first version.
    ``column`` (P,): that of its means. ``begin`` and ``end`` (P,): evaluations, the end excluded,
    to ``stop`` as far as there are means. ``lapse`` (P,): the M at which, behind a version, the
    limit is found no longer in force, NEVER for none. ``count`` (P,): how many periods with a
    value a mean must be made of.
    """

    versions: Limits
    limit: Rows
    lead: Rows
    column: Rows
    begin: Numbers
    end: Numbers
    stop: Numbers
    lapse: Numbers
    count: Numbers


def follow_limits(
    bulk: Bulk,
    limits: Limits,
    span: tuple[Numbers, Numbers],
    known: Mapping[int, Sequence[Alert]],
) -> Alerts:
    """Return the alerts of limits by number and time.

    ``limits.channel`` are columns of ``bulk``. ``span`` (L,) (L,): windows that end after the one
    and not after the other are judged, and from where a ``known`` alert opened that was not over.
    """
    may = bulk.may_reach(limits.channel, np.minimum(limits.warn, limits.value))
    leads = np.flatnonzero(np.diff(limits.limit, prepend=-1))
    if len(leads):  # of a limit all versions or none
        count = np.diff(leads, append=len(limits))
        may = np.repeat(np.logical_or.reduceat(may, leads), count)
    found = []
    for window in np.unique(limits.window[may]).tolist():
        rows = np.flatnonzero(may & (limits.window == window))
        own, step = limits.take(rows), step_for(window)
        first = span[0][rows] // step * step + step
        for limit in np.intersect1d(own.limit, list(known)).tolist() if known else ():
            mine = own.limit == limit
            first[mine] = outside_alerts(int(first[mine][0]), known[limit])
        means = bulk.rolling_means(window, np.flatnonzero(np.bincount(own.channel)))
        pieces = _pieces(means, own, bulk, (first, span[1][rows]))
        if len(pieces.limit):
            alerts = follow(_evaluations(means, pieces), State.empty(len(pieces.lead))).alerts
            number = pieces.versions.limit[pieces.lead]
            found.append(replace(alerts, limit=number[alerts.limit].astype(np.intp)))
    return Alerts.joined(found)


def _pieces(means: Rolling, own: Limits, bulk: Bulk, span: tuple[Numbers, Numbers]) -> _Pieces:
    """``own``: versions of limits; ``span`` (P,) (P,): the first and the last M to be judged."""
    window = int(own.window[0])
    first, last = means.upto(span[0] - 1), means.upto(span[1])
    begin = np.maximum(first, means.upto(own.valid_after))
    end = np.minimum(last, means.upto(own.valid_until))
    # Behind the last reading's last window there are no means.
    newest = np.maximum(bulk.valid.newest[own.channel], span[0])
    stop = np.minimum(end, means.upto(newest + window + means.step))
    some = np.flatnonzero(begin < end)
    own, begin, end, stop, last = own.take(some), begin[some], end[some], stop[some], last[some]
    leads = np.diff(own.limit, prepend=-1) != 0
    follows = np.append(~leads, np.zeros(1, np.bool_))[1:]
    until = np.where(follows, np.roll(begin, -1), last)
    lapse = np.where(end < until, means.first + end * means.step, NEVER)
    asked = (window // bulk.period) * own.coverage_numerator
    return _Pieces(
        versions=own,
        limit=np.cumsum(leads) - 1,
        lead=np.flatnonzero(leads),
        column=np.searchsorted(means.columns, own.channel),
        begin=begin,
        end=end,
        stop=stop,
        lapse=lapse,
        count=np.maximum(-(-asked // own.coverage_denominator), 1),
    )


def _kept(means: Rolling, pieces: _Pieces) -> NDArray[np.bool_]:
    """Tell in which chunks something may happen to each limit, (n, C)."""
    versions, lead, column = pieces.versions, pieces.lead, pieces.column[pieces.lead]
    low = np.minimum.reduceat(np.minimum(versions.warn, versions.value), lead)
    clear = np.minimum.reduceat(versions.clear_warning, lead)
    count = np.maximum.reduceat(pieces.count, lead)
    clearing = np.maximum.reduceat(needed(versions.clear_after, means.step), lead)
    kept = means.highest[column] >= lowered(low)[:, None]
    kept &= means.most[column] >= np.minimum.reduceat(pieces.count, lead)[:, None]
    over = means.highest[column] <= lowered(clear)[:, None]
    over &= (means.least[column] >= count[:, None]) & (clearing <= CHUNK)[:, None]
    # An alert may be open behind a chunk that may have opened it, until one that ends any.
    opened, ended = (
        np.maximum.accumulate(np.where(one, np.arange(one.shape[1]), -1), axis=1)
        for one in (kept, over)
    )
    kept[:, 1:] |= (opened > ended)[:, :-1]
    return kept


def _evaluations(means: Rolling, pieces: _Pieces) -> Evaluations:
    limit, chunk = np.nonzero(_kept(means, pieces))
    versions = np.diff(pieces.lead, append=len(pieces.limit))[limit]
    skipped = np.cumsum(versions) - versions
    piece = np.repeat(pieces.lead[limit] - skipped, versions) + np.arange(int(versions.sum()))
    begin = np.repeat(chunk * CHUNK, versions)
    end = np.minimum(pieces.stop[piece], begin + CHUNK)
    begin = np.maximum(pieces.begin[piece], begin)
    length = np.maximum(end - begin, 0)
    # Cells of the channels' means, and the version that each is for.
    row = pieces.column * means.evaluations
    before = np.cumsum(length) - length
    cell = np.repeat(row[piece] + begin - before, length) + np.arange(int(length.sum()))
    of = np.repeat(piece, length)
    enough = means.count.ravel()[cell] >= pieces.count[of]
    cell, of = cell[enough], of[enough]
    mean = round_significant(means.quotient.ravel()[cell])
    first = np.searchsorted(of, np.arange(len(pieces.limit) + 1))
    starts = np.flatnonzero(
        (np.diff(pieces.limit, prepend=-1) != 0) | np.append(False, pieces.lapse[:-1] != NEVER)
    )
    return Evaluations(
        at=means.first + (cell - row[of]) * means.step,
        mean=mean,
        now=compare(mean, np.True_, _thresholds(pieces.versions, of)),
        limit=pieces.limit[starts],
        first=np.append(first[starts], len(of)),
        lapse=pieces.lapse[np.append(starts[1:], len(pieces.limit)) - 1],
        piece=first[:-1],
        opening=needed(pieces.versions.open_after, means.step),
        clearing=needed(pieces.versions.clear_after, means.step),
    )


def _thresholds(versions: Limits, of: Rows) -> Thresholds:
    """Return what the means of some versions are compared with; durations count elsewhere."""
    return Thresholds(
        versions.value[of],
        versions.warn[of],
        versions.clear_exceedance[of],
        versions.clear_warning[of],
        versions.open_after,
        versions.clear_after,
    )
