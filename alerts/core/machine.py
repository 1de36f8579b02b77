"""The alert machine: what one evaluation makes of the alerts of many limits at once.

An alert opens when the rolling mean has been over a threshold for ``open_after``, is raised to an
exceedance and lowered to a warning likewise, and resolves when the mean has been at or below the
clearing threshold for ``clear_after``. Time counts in evaluations: the n-th of an unbroken run
comes (n - 1) steps after the first. Evaluations that cannot be assessed are not there at all.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

import numpy as np

from alerts.core.vocabulary import NEVER, Severity

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.limits import Limits


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What means are compared with: parallel arrays, or of length 1 for all the same.

    ``open_after`` and ``clear_after`` are int64 microseconds, the rest in the unit of measure.
    """

    value: NDArray[np.float64]
    warn: NDArray[np.float64]
    clear_exceedance: NDArray[np.float64]
    clear_warning: NDArray[np.float64]
    open_after: NDArray[np.int64]
    clear_after: NDArray[np.int64]

    @classmethod
    def of(cls, limits: Limits, rows: NDArray[np.int64] | NDArray[np.int32]) -> Self:
        """Take the thresholds of some limit versions."""
        return cls(*(getattr(limits, field.name)[rows] for field in fields(cls)))

    def take(self, rows: NDArray[np.int64] | NDArray[np.int32] | slice) -> Thresholds:
        """Return the thresholds of some rows; those of length 1 stay what they are."""
        arrays = (getattr(self, field.name) for field in fields(self))
        return Thresholds(*(one if len(one) == 1 else one[rows] for one in arrays))


@dataclass(slots=True)
class State:
    """The alerts of n limits: parallel arrays, one row a limit.

    ``severity`` is that of the open alert, ``NONE`` where there is none; ``pending`` where a run
    over the warning threshold has not lasted ``open_after`` yet. ``worst`` is the highest severity
    the open alert had. The counters are the lengths of the unbroken runs that are going on, in
    evaluations. ``opened_at``, ``peak`` and ``peak_at`` tell of the open or pending alert from the
    first evaluation over the threshold on (NEVER, NaN, NEVER without one); ``value`` is the last
    mean that was assessed, NaN before.
    """

    severity: NDArray[np.int8]
    worst: NDArray[np.int8]
    pending: NDArray[np.bool_]
    over_warning: NDArray[np.int32]
    over_exceedance: NDArray[np.int32]
    below_exceedance: NDArray[np.int32]
    below_warning: NDArray[np.int32]
    opened_at: NDArray[np.int64]
    peak: NDArray[np.float64]
    peak_at: NDArray[np.int64]
    value: NDArray[np.float64]

    @classmethod
    def empty(cls, n: int) -> Self:
        """Return the state of ``n`` limits that never saw a mean."""
        return cls(
            severity=np.zeros(n, np.int8),
            worst=np.zeros(n, np.int8),
            pending=np.zeros(n, np.bool_),
            over_warning=np.zeros(n, np.int32),
            over_exceedance=np.zeros(n, np.int32),
            below_exceedance=np.zeros(n, np.int32),
            below_warning=np.zeros(n, np.int32),
            opened_at=np.full(n, NEVER),
            peak=np.full(n, np.nan),
            peak_at=np.full(n, NEVER),
            value=np.full(n, np.nan),
        )

    def __len__(self) -> int:
        return len(self.severity)

    def take(self, rows: NDArray[np.int64] | NDArray[np.int32] | slice) -> State:
        """Return a copy of some rows."""
        return State(*(getattr(self, field.name)[rows].copy() for field in fields(self)))

    def put(self, rows: NDArray[np.int64] | NDArray[np.int32] | slice, state: State) -> None:
        """Set some rows, in place, to those of ``state``."""
        for field in fields(self):
            getattr(self, field.name)[rows] = getattr(state, field.name)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How means stand to their thresholds; all False where they are not evaluated.

    What is over a threshold is never below it, even where the clearing threshold is as high; and
    whatever is over the limit is over the warning threshold too.
    """

    over_warning: NDArray[np.bool_]
    over_exceedance: NDArray[np.bool_]
    below_exceedance: NDArray[np.bool_]
    below_warning: NDArray[np.bool_]


def compare(
    mean: NDArray[np.float64], evaluated: NDArray[np.bool_] | np.bool_, thresholds: Thresholds
) -> Comparison:
    """Compare means with a limit: a warning begins at its threshold, an exceedance above."""
    over_exceedance = evaluated & (mean > thresholds.value)
    over_warning = evaluated & (mean >= thresholds.warn) | over_exceedance
    return Comparison(
        over_warning=over_warning,
        over_exceedance=over_exceedance,
        below_exceedance=evaluated & (mean <= thresholds.clear_exceedance) & ~over_exceedance,
        below_warning=evaluated & (mean <= thresholds.clear_warning) & ~over_warning,
    )


def lasted(
    run: NDArray[np.int32], duration: NDArray[np.int64], step_us: NDArray[np.int64] | int
) -> NDArray[np.bool_]:
    """Tell where a run of that many evaluations has lasted ``duration``."""
    return (run > 0) & ((run - np.int64(1)) * step_us >= duration)


def needed(duration: NDArray[np.int64], step_us: int) -> NDArray[np.int64]:
    """Return how many evaluations in a row have lasted ``duration``."""
    found: NDArray[np.int64] = -(-duration // step_us) + 1
    return found


def step(  # noqa: PLR0913, PLR0917 - state, evaluation and limit of each row
    state: State,
    at: NDArray[np.int64] | int,
    mean: NDArray[np.float64],
    assessable: NDArray[np.bool_],
    in_force: NDArray[np.bool_],
    params: Thresholds,
    step_us: NDArray[np.int64] | int,
) -> State:
    """Return the state after the evaluation at ``at``, in new arrays; row by row independent.

    ``mean`` is the rolling mean, rounded. Where it is not ``assessable`` (or NaN) nothing changes;
    where the limit is not ``in_force`` its alert resolves and its runs begin anew. ``step_us`` is
    the distance of evaluations. An alert that resolves in force ends as a warning: an exceedance
    falls first, and resolves in the same evaluation where it may.
    """
    evaluated = assessable & in_force & ~np.isnan(mean)
    now = compare(mean, evaluated, params)
    over_warning = _counted(state.over_warning, now.over_warning, evaluated, in_force)
    over_exceedance = _counted(state.over_exceedance, now.over_exceedance, evaluated, in_force)
    below_exceedance = _counted(state.below_exceedance, now.below_exceedance, evaluated, in_force)
    below_warning = _counted(state.below_warning, now.below_warning, evaluated, in_force)

    rise = now.over_warning & lasted(over_warning, params.open_after, step_us)
    raised = now.over_exceedance & lasted(over_exceedance, params.open_after, step_us)
    lowered = now.below_exceedance & lasted(below_exceedance, params.clear_after, step_us)
    cleared = now.below_warning & lasted(below_warning, params.clear_after, step_us)

    severity = state.severity.copy()
    severity[(severity == Severity.NONE) & rise] = Severity.WARNING
    severity[(severity != Severity.EXCEEDANCE) & raised] = Severity.EXCEEDANCE
    severity[(severity == Severity.EXCEEDANCE) & lowered] = Severity.WARNING
    severity[((severity == Severity.WARNING) & cleared) | ~in_force] = Severity.NONE
    pending = (severity == Severity.NONE) & (over_warning > 0)

    alive = (severity > Severity.NONE) | pending
    begins = (state.severity == Severity.NONE) & now.over_warning & (over_warning == 1)
    higher = begins | (evaluated & (mean > state.peak))
    at = np.asarray(at, np.int64)
    return State(
        severity=severity,
        worst=np.where(severity > Severity.NONE, np.maximum(state.worst, severity), severity),
        pending=pending,
        over_warning=over_warning,
        over_exceedance=over_exceedance,
        below_exceedance=below_exceedance,
        below_warning=below_warning,
        opened_at=np.where(alive, np.where(begins, at, state.opened_at), NEVER),
        peak=np.where(alive, np.where(higher, mean, state.peak), np.nan),
        peak_at=np.where(alive, np.where(higher, at, state.peak_at), NEVER),
        value=np.where(evaluated, mean, state.value),
    )


def _counted(
    run: NDArray[np.int32],
    goes_on: NDArray[np.bool_],
    evaluated: NDArray[np.bool_],
    in_force: NDArray[np.bool_],
) -> NDArray[np.int32]:
    """Lengthen the runs that go on, end the others; leave those that were not evaluated."""
    kept = np.where(in_force & ~evaluated, run, np.int32(0))
    return np.where(goes_on, run + np.int32(1), kept)
