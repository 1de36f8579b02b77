"""Budgets: the mass that a period has made so far, what its rest may do, when a limit breaks.

Arrays are time-major: (T, n) for T short-term averages of n channels, (P, n) for P periods, (n,)
for the running one. Instants are int64 microseconds, ``NEVER`` for none. Masses are tonnes, mass
flows kg/h. NaN (nothing known) gives NaN and never a forecast.

Comparison is that of the judgements: strict, after rounding half away from zero to 9 digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.rounding import round_significant
from alerts.core.vocabulary import HOUR, NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.conditions import Floats
    from alerts.core.means import IntArray

    Instants = NDArray[np.int64]
    Flags = NDArray[np.bool_]
    Numbers = Floats | IntArray

KILOGRAMS = 1000.0  # in a tonne
ALLOWANCE_DIGITS = 12  # kept to the last of them, a limit of 9 digits is kept exactly


@dataclass(frozen=True, slots=True)
class Totals:
    """What each period made, [t] and operating hours, all (P, n).

    ``measured`` rests on valid short-term averages alone, ``substituted`` on those that hold a
    substitute. ``estimate`` is what the hours ``without`` any would have made at the mean rate of
    the hours with one: beside the total, never in it; NaN where there are hours without and no
    rate to go by.
    """

    measured: Floats
    substituted: Floats
    estimate: Floats
    operating: Floats
    valid: Floats
    without: Floats

    @property
    def total(self) -> Floats:
        """Measured and substituted mass [t], rounded like means are; NaN where nothing is known.

        An operating hour of which nothing is known adds nothing: see ``completeness``.
        """
        known = (self.operating == 0) | (self.without < self.operating)
        return np.where(known, round_significant(self.measured + self.substituted), np.nan)

    @property
    def completeness(self) -> Floats:
        """The share of operating time with valid data, 0 to 1; 1 where nothing operated."""
        share = np.ones(self.operating.shape)
        return np.divide(self.valid, self.operating, out=share, where=self.operating > 0)


def operating_hours(
    start: Instants, finish: Instants, expected: IntArray, stopped: IntArray
) -> Floats:
    """Return how many hours of each short-term average the plant operated, (T, n).

    Slots that the AMS called stopped are taken off the clock time; start-up and shut-down are
    operation. ``start`` and ``finish`` (T,), ``expected`` (T, 1) or (T, n) slots.
    """
    clock = (finish - start)[:, None] / HOUR
    hours: Floats = clock * (np.maximum(expected - stopped, 0) / np.maximum(expected, 1))
    return hours


def totals(  # noqa: PLR0913, PLR0917 - what each row is, and which period it belongs to
    flow: Floats, hours: Floats, valid: Flags, substituted: Flags, period: IntArray, periods: int
) -> Totals:
    """Add up short-term mass flows [kg/h] into tonnes for each period.

    ``flow``, ``hours`` (operating hours that each stands for: part of an hour counts as that
    part), ``valid`` (the validity rules let it count) and ``substituted`` (it holds a substitute)
    are (T, n); ``period`` (T,) is the period of each row, ascending, 0 to ``periods`` - 1. A flow
    of NaN counts as not valid. HJ 212-2017, eq. 33 and 34 (whose second 1e-6 is a misprint).
    """
    known = ~np.isnan(flow)
    own, other = valid & ~substituted & known, substituted & known
    mass = np.where(known, flow, 0.0) * hours / KILOGRAMS

    def add(values: Floats, where: Flags) -> Floats:
        return _by_period(np.where(where, values, 0.0), period, periods)

    measured, replaced = add(mass, own), add(mass, other)
    operating, with_own = add(hours, np.ones_like(own)), add(hours, own)
    without = add(hours, ~(own | other))
    rate = np.divide(measured, with_own, out=np.full_like(measured, np.nan), where=with_own > 0)
    estimate = round_significant(np.where(without > 0, rate * without, 0.0))
    return Totals(measured, replaced, estimate, operating, with_own, without)


def mean_allowance(mean: Floats, weight: Numbers, remaining: Numbers, limit: Floats) -> Floats:
    """Return what the rest of a period may average so that its mean is no more than ``limit``.

    ``mean`` (NaN: none yet) of ``weight`` values so far, ``remaining`` values to come. Below
    zero: the limit cannot be kept any more. NaN where nothing remains.
    """
    spent = np.where(weight > 0, mean * weight, 0.0)
    return _allowance(limit * (weight + remaining) - spent, remaining)


def total_allowance(total: Floats, remaining: Floats, limit: Floats) -> Floats:
    """Return the mean mass flow [kg/h] that the ``remaining`` hours may have.

    ``total`` so far and ``limit`` in tonnes. Below zero: the limit is broken already. NaN where
    no hours remain.
    """
    return _allowance((limit - total) * KILOGRAMS, remaining)


def mean_breaks_at(  # noqa: PLR0913, PLR0917 - the state of a period and how it goes on
    mean: Floats,
    weight: Numbers,
    remaining: Numbers,
    limit: Floats,
    rate: Floats,
    now: int,
    end: int,
) -> Instants:
    """Return when a period's mean can no longer be kept if the present ``rate`` goes on.

    From that instant not even zeroes to the ``end`` would bring the mean back to the limit: the
    sum of all values has used up limit x number. ``NEVER`` where the mean at the end, going on
    like this, is within the limit. Otherwise as ``mean_allowance``.
    """
    spent = np.where(weight > 0, mean * weight, 0.0)
    whole = weight + remaining
    return _breaks_at(_ratio(spent, whole), limit, _ratio(rate * remaining, whole), now, end)


def total_breaks_at(  # noqa: PLR0913 - the state of a period and how it goes on
    total: Floats, limit: Floats, rate: Floats, now: int, end: int, *, share: Floats | float = 1.0
) -> Instants:
    """Return when a total [t] passes ``limit`` [t] if the present ``rate`` [kg/h] goes on.

    ``rate`` is that of operating hours, which are the ``share`` of the time to come. ``NEVER``
    where the total at the ``end`` is within the limit; ``now`` where it has passed it already.
    """
    return _breaks_at(total, limit, rate * share * (end - now) / HOUR / KILOGRAMS, now, end)


def count_breaks_at(left: IntArray, rate: Floats, part: int, now: int, end: int) -> Instants:
    """Return when more parts of a period exceed than may, if they exceed at the present rate.

    ``left`` parts may still exceed (``shares.left``, or a number allowed less those so far;
    negative: too many already, which is ``now``). ``rate`` is the share of the last parts that
    exceeded, ``part`` their length in microseconds. ``NEVER`` where that is after the ``end``.
    """
    parts = np.ceil(round_significant(_ratio(left.astype(np.float64) + 1, rate)))
    within = (left >= 0) & (parts <= (end - now) // part)
    later = now + np.where(within, parts, 0).astype(np.int64) * part
    return np.where(left < 0, now, np.where(within, later, NEVER))


def _by_period(values: Floats, period: IntArray, periods: int) -> Floats:
    """Return the sums of the rows of each period: zero for one without any."""
    edges = np.searchsorted(period, np.arange(periods + 1))
    beyond = np.zeros((1, values.shape[1]))  # where an empty last period begins
    found: Floats = np.add.reduceat(np.concatenate([values, beyond]), edges[:-1], axis=0)
    found[edges[1:] == edges[:-1]] = 0.0
    return found


def _allowance(budget: Floats, remaining: Numbers) -> Floats:
    return round_significant(_ratio(budget, remaining), ALLOWANCE_DIGITS)


def _ratio(value: Floats, by: Numbers) -> Floats:
    """Return value / by, NaN where ``by`` is not above zero."""
    quotient = np.full(np.broadcast_shapes(value.shape, by.shape), np.nan)
    np.divide(value, by, out=quotient, where=by > 0)
    return quotient


def _breaks_at(spent: Floats, limit: Floats, to_come: Floats, now: int, end: int) -> Instants:
    """Return when ``spent`` passes ``limit`` if ``to_come`` is added evenly until ``end``.

    Nothing to come, or nothing known of it, breaks no limit that is not broken already.
    """
    added = np.where(to_come > 0, to_come, 0.0)
    breaks = round_significant(spent + added) > limit
    share = np.clip(_ratio(limit - spent, added), 0.0, 1.0)
    elapsed = np.floor(np.where(np.isnan(share), 0.0, share) * (end - now)).astype(np.int64)
    return np.where(breaks, np.clip(now + elapsed, now, max(now, end - 1)), NEVER)
