"""Rolling means of many channels along time, made once, and where in them nothing can happen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.slots import Sums, rolling, step_for

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Rows = NDArray[np.intp]
    Floats = NDArray[np.float64]

CHUNK = 64  # evaluations that are looked at as one
_ROUNDING = 1e-7  # of a mean: by more than this none is changed when it is rounded


@dataclass(frozen=True, slots=True)
class Rolling:
    """Rolling means of k channels over one window at T evaluations, ``step`` apart from ``first``.

    ``columns`` (k,) ascend: which channels. ``quotient`` (k, T): sum by number of values, not
    rounded, -inf where there are none; ``count`` (k, T): periods with a value. ``highest``,
    ``least``, ``most`` (k, C): the highest quotient, the lowest and the highest count of each
    ``CHUNK`` of evaluations.
    """

    columns: Rows
    first: int
    step: int
    quotient: Floats
    count: NDArray[np.int32]
    highest: Floats
    least: NDArray[np.int32]
    most: NDArray[np.int32]

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 - the slots, and what they are made into
        cls, columns: Rows, first: int, slots: Sums, window: int, granule: int, group: int
    ) -> Rolling:
        """Add up ``slots`` (S, k) of some channels, the first of which begins at ``first``.

        A slot is ``granule`` microseconds long, ``group`` of them make a period.
        """
        step = step_for(window)
        sums, samples, count = rolling(*slots, window // granule, group)
        begin = -(first + window) % step // granule
        every = slice(begin, None, step // granule)
        quotient: Floats = np.full(sums[every].T.shape, -np.inf)
        np.divide(sums[every].T, samples[every].T, out=quotient, where=samples[every].T > 0)
        counts = np.ascontiguousarray(count[every].T)
        return cls(
            columns,
            first + window + begin * granule,
            step,
            quotient,
            counts,
            _of_chunks(np.maximum, quotient),
            _of_chunks(np.minimum, counts),
            _of_chunks(np.maximum, counts),
        )

    @property
    def evaluations(self) -> int:
        """Return T."""
        return int(self.quotient.shape[1])

    def upto(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return how many evaluations come up to a time, that one included; at most T."""
        end = self.first + self.evaluations * self.step
        number: NDArray[np.int64] = (np.clip(time, self.first - 1, end) - self.first) // self.step
        return np.clip(number + 1, 0, self.evaluations)


def _of_chunks(reduced: np.ufunc, figures: NDArray[Any]) -> NDArray[Any]:
    chunks = np.arange(0, figures.shape[1], CHUNK)
    found: NDArray[Any] = reduced.reduceat(figures, chunks, axis=1) if len(chunks) else figures
    return found


def lowered(figures: Floats) -> Floats:
    """Return figures below which a mean is below them even when it is rounded."""
    found: Floats = figures * np.where(figures > 0, 1 - _ROUNDING, 1 + _ROUNDING)
    return found
