"""Validity: which short-term averages count, which days and months are valid.

Three answers throughout: valid, invalid, and neither where the plant did not operate: such hours
are not missing. Coverage is compared exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.means import assessable
from alerts.core.periods import duration, february
from alerts.core.pools import Pool, blocks
from alerts.core.rounding import exact_fraction
from alerts.core.vocabulary import MINUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from alerts.core.means import IntArray
    from alerts.core.rules import Rule
    from alerts.core.shortterm import ShortTerm

    Flags = NDArray[np.bool_]
    Numbers = NDArray[np.int32]
    Tally = Callable[[str, NDArray[Any]], NDArray[Any]]

_QUADRANT = 15 * MINUTE
_NOT_NORMAL = frozenset({"start_up", "shut_down"})


def operating_slots(rule: Rule, short: ShortTerm) -> IntArray:
    """Return how many slots of each short-term average the rule looks at, (T, n) or broadcast.

    All but those in a status that it leaves out. 44. BImSchV, § 30: daily operating time, not
    clock time.
    """
    out = np.zeros((1, 1), np.int32)
    if "stopped" in rule.leaves_out:
        out = out + short.stopped
    if _NOT_NORMAL & set(rule.leaves_out):
        out = out + (short.idle - short.stopped)
    slots: IntArray = np.maximum(short.expected - out, 0)
    return slots


def averages(rule: Rule, short: ShortTerm) -> tuple[Flags, Flags]:
    """Return which short-term averages are (valid, in operation), both (T, n).

    Valid: ``rule.coverage`` of the operating slots have a valid value, at least one does, and with
    ``rule.quadrants`` so does every quadrant with operation. How many slots are idle is known, not
    which: the operation is taken to lie in as few quadrants as it can (40 CFR 60.13(h)(2): each
    quadrant in which the unit operates; so one value is enough for at most 15 minutes of it). Hours
    in which the AMS was serviced need less. One without any operating slot is neither.
    """
    slots = operating_slots(rule, short)
    operating = slots > 0
    valid = enough(rule, short.count, slots) & operating & ~np.isnan(short.mean)
    if rule.quadrants:
        quadrants = -((short.start - short.finish) // _QUADRANT)[:, None]
        every = short.quarters * short.expected >= quadrants * slots
        valid &= every | _serviced(short)
    return valid, np.broadcast_to(operating, valid.shape)


def _serviced(short: ShortTerm) -> Flags:
    """Tell which hours with calibration or maintenance have two values 15 minutes apart, (T, n).

    40 CFR 60.13(h)(2), 75.10(d)(1): that is enough for them. It is so for sure with values in three
    quadrants, or in two and in more than 15 minutes; how far two others are apart is not known.
    """
    apart = (short.quarters > 1) & (4 * short.count > short.expected)
    return (short.serviced > 0) & ((short.quarters > 2) | apart)  # noqa: PLR2004 - quadrants


def enough(rule: Rule, have: IntArray, of: IntArray) -> Flags:
    """Tell where ``have`` reaches ``rule.coverage`` of ``of``, exactly; never with none at all."""
    coverage = exact_fraction(rule.coverage)
    return assessable(have, of, coverage.numerator, coverage.denominator)


@dataclass(frozen=True, slots=True)
class Days:
    """The D days of the rows: ``pool`` says which, the rest is (D, n).

    ``valid``: enough valid parts. ``invalid``: not, and nothing to come can change that. Neither:
    no operation, or a day in progress. ``operating``: any part was in operation.
    """

    pool: Pool
    valid: Flags
    invalid: Flags
    operating: Flags

    def rows(self) -> Flags:
        """Tell which rows lie in a valid day, (T, n)."""
        return self.valid[self.pool.base()]


def has_day_rule(rule: Rule) -> bool:
    """Tell whether the rule says what makes a day valid."""
    return rule.invalid_parts_a_day is not None or rule.valid_parts_a_day is not None


def days(  # noqa: PLR0913, PLR0917 - the rule, the rows and what is known of them
    rule: Rule, zone: str, short: ShortTerm, valid: Flags, expected: Flags, until: int
) -> Days:
    """Judge the validity of the days that short-term averages make.

    ``valid`` and ``expected`` (in operation, limit in force): (T, n). A day is invalid with more
    than ``invalid_parts_a_day`` invalid parts (IED annex V part 3: 3 hours; annex VI part 8, 1.2:
    5 half-hours; 44. BImSchV § 30: 6), and with fewer than ``valid_parts_a_day`` valid ones (HJ
    212-2017, appendix D: 20 hours): the same share of its parts in operation where there are
    others. Without either rule it needs ``coverage`` of its parts.
    """
    grid = duration(rule.short_term).grid
    pool = blocks(duration("1d"), zone, short.start, short.finish, grid)
    have, need = pool.count(valid), pool.count(expected)
    passes = have > 0
    beyond_repair = np.zeros_like(passes)
    if rule.invalid_parts_a_day is not None:
        beyond_repair = need - have > rule.invalid_parts_a_day
        passes &= ~beyond_repair
    if rule.valid_parts_a_day is not None:
        passes &= _share_of(have, need, rule.valid_parts_a_day, _parts(pool))
    if not has_day_rule(rule):
        passes &= enough(rule, have, need)
    over = (pool.finish <= until)[:, None]
    invalid = beyond_repair | (over & (need > 0) & ~passes)
    return Days(pool, passes, invalid, need > 0)


def months(rule: Rule, zone: str, found: Days, tally: Tally) -> Flags:
    """Tell which calendar months have ``rule.valid_days_a_month``, (M, n).

    ``tally`` adds what is carried on from days before those found.

    HJ 212-2017, appendix D: 25 days, in February 23. Where the plant stood still on some days, the
    same share of the others.
    """
    grid = duration(rule.short_term).grid
    pool = blocks(duration("1month"), zone, found.pool.start, found.pool.finish, grid)
    have = tally("valid_days", pool.count(found.valid))
    need = tally("operating_days", pool.count(found.operating))
    parts = tally("days", np.broadcast_to(_parts(pool), have.shape))
    least = np.full((len(pool.start), 1), rule.valid_days_a_month or 0)
    if rule.valid_days_in_february is not None:
        least[february(zone, pool.start)] = rule.valid_days_in_february
    return _share_of(have, need, least, parts) & (have > 0)


def _parts(pool: Pool) -> IntArray:
    return pool.count(np.ones((pool.rows, 1), np.bool_))


def _share_of(have: Numbers, need: Numbers, least: IntArray | int, parts: IntArray) -> Flags:
    """Tell where ``have`` of ``need`` is at least ``least`` of all ``parts``."""
    wanted: Flags = have.astype(np.int64) * parts >= np.multiply(need, least, dtype=np.int64)
    return wanted
