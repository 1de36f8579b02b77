"""The slow twin of rule sets: one channel, plain loops, exact fractions, written from the rules.

What a compliance engineer would do with a printed list of hourly averages and a pencil.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.core.oracle_gaps import Gaps
from tests.core.oracle_periods import CALENDAR, beyond_a_day, micros
from tests.oracles import EXACT, HOUR, MINUTE, nine_digits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from alerts.core.rules import Rule


@dataclass(frozen=True)
class Short:
    """A short-term average as it was printed."""

    start: int
    finish: int
    mean: Fraction | None
    count: int
    expected: int
    limit: Fraction
    idle: int = 0
    stopped: int = 0
    quarters: int = 4
    marked: int = 0
    in_force: bool = True
    serviced: int = 0
    load: Fraction | None = None


@dataclass(frozen=True)
class Verdict:
    """What one period is judged to be."""

    start: int
    finish: int
    over: bool
    state: str
    value: Decimal | None
    raw: Decimal | None = None
    valid: int = 0
    expected: int = 0
    exceeding: int = -1
    allowed: int = -1
    substituted: int = 0
    methods: tuple[int, ...] = (0,) * 8
    replaced: Decimal | None = None
    estimate: Decimal | None = None


class Means(Gaps):
    """One rule, one channel's averages that had ended by ``until``: validity and means."""

    def __init__(self, rule: Rule, shorts: Sequence[Short], zone: str, until: int) -> None:
        super().__init__(zone, micros(rule.short_term))
        self.rule, self.until = rule, until
        self.shorts = [short for short in shorts if short.finish <= until]
        self.day_rule = rule.invalid_parts_a_day is not None or rule.valid_parts_a_day is not None
        self.days = {
            self.day(members[0]): (start, finish, members)
            for start, finish, members in self.blocks("1d", self.shorts)
        }
        self.filled = self.fill()
        self.state_of_day = {day: self.day_state(day) for day in self.days}

    def operating_slots(self, short: Short) -> int:
        out = 0
        if "stopped" in self.rule.leaves_out:
            out += short.stopped
        if {"start_up", "shut_down"} & set(self.rule.leaves_out):
            out += short.idle - short.stopped
        return short.expected - out

    def operates(self, short: Short) -> bool:
        return self.operating_slots(short) > 0

    def expected(self, short: Short) -> bool:
        return self.operates(short) and short.in_force

    def mean_of(self, short: Short) -> Fraction | None:
        return self.filled[short.start][0] if short.start in self.filled else short.mean

    def valid(self, short: Short) -> bool:
        if short.start in self.filled:
            return short.in_force and (not self.rule.geometric or self.validated(short) > 0)
        return self.measured(short) and short.in_force

    def measured(self, short: Short) -> bool:
        if short.mean is None or short.count == 0 or not self.operates(short):
            return False
        if self.rule.geometric and self.validated(short) <= 0:
            return False
        slots = self.operating_slots(short)
        if self.rule.quadrants:
            all_of_them = Fraction(short.finish - short.start, 15 * MINUTE)
            every = short.quarters >= all_of_them * Fraction(slots, short.expected)
            # Two values 15 minutes apart, where that is certain.
            two = short.quarters >= 2 and short.count > Fraction(short.expected, 4)
            if not every and not (short.serviced and (short.quarters >= 3 or two)):
                return False
        return Fraction(short.count, slots) >= Fraction(self.rule.coverage)

    def covered(self, have: int, of: int) -> bool:
        return have > 0 and Fraction(have, of) >= Fraction(self.rule.coverage)

    def day_state(self, day: date) -> str:
        """valid, invalid, off (nothing operated) or open (no saying yet)."""
        rule, (_, finish, members) = self.rule, self.days[day]
        have = sum(self.valid(short) for short in members)
        need = sum(self.expected(short) for short in members)
        if need == 0:
            return "off"
        if rule.invalid_parts_a_day is not None and need - have > rule.invalid_parts_a_day:
            return "invalid"
        passes = have > 0
        if rule.valid_parts_a_day is not None:
            share = Fraction(rule.valid_parts_a_day, len(members))
            passes = passes and Fraction(have, need) >= share
        if not self.day_rule:
            passes = self.covered(have, need)
        if passes:
            return "valid"
        return "invalid" if finish <= self.until else "open"

    def month_passes(self, members: list[Short]) -> bool:
        states = [self.state_of_day[day] for day in sorted({self.day(short) for short in members})]
        least = self.rule.valid_days_a_month
        assert least is not None
        if self.day(members[0]).month == 2 and self.rule.valid_days_in_february is not None:
            least = self.rule.valid_days_in_february
        operated = sum(state != "off" for state in states)
        good = states.count("valid")
        return good > 0 and Fraction(good, operated) >= Fraction(least, len(states))

    def discards(self) -> bool:
        if self.rule.statistic == "total" or self.rule.of != "exceeding":
            return False
        spans = [self.rule.average, *([self.rule.per] if self.rule.per else [])]
        return self.day_rule and any(beyond_a_day(span) for span in spans)

    def used(self, short: Short) -> bool:
        if self.discards() and self.state_of_day[self.day(short)] != "valid":
            return False
        return self.valid(short)

    # Values

    def validated(self, short: Short) -> Fraction:
        rule, mean = self.rule, self.mean_of(short)
        assert mean is not None
        if rule.uncertainty == "none":
            return mean
        if rule.uncertainty == "calibration":
            amount = Fraction(str(rule.uncertainty_amount))
        else:
            share = Fraction(str(rule.uncertainty_share))
            amount = share * short.limit
            if rule.uncertainty == "value":
                amount = min(share * mean, amount)
        return max(mean - amount, Fraction(0))

    def rounded(self, exact: Fraction) -> Decimal:
        return decimals(exact, self.rule.decimals)

    def threshold(self, limit: Fraction) -> Decimal:
        return nine_digits(limit * Fraction(self.rule.factor))

    def exceeds(self, value: Decimal, threshold: Decimal) -> bool:
        return value >= threshold if self.rule.reached else value > threshold

    def average(self, values: list[Fraction]) -> Decimal | None:
        if not values:
            return None
        if not self.rule.geometric:
            return self.rounded(sum(values, Fraction(0)) / len(values))
        if min(values) <= 0:
            return None  # only the mean before the uncertainty was subtracted comes to this
        logs = [EXACT.ln(EXACT.divide(one.numerator, one.denominator)) for one in values]
        total = sum(logs, Decimal(0))
        return self.rounded(Fraction(EXACT.exp(EXACT.divide(total, len(logs)))))

    # Means

    def means(self) -> list[Verdict]:
        rule = self.rule
        if rule.average == rule.short_term:
            return [self.mean(s.start, s.finish, [s], [s], "self") for s in self.shorts]
        if rule.average.endswith("operating_days"):
            return self.operating_days(int(rule.average.removesuffix("operating_days")))
        if rule.rolling and rule.average != "1month":  # each month, then: a block
            return [
                self.mean(*period, last, "rolling")
                for period, last in self.rolling(rule.average, self.shorts)
            ]
        kind = rule.average if rule.average in CALENDAR else "block"
        return [
            self.mean(*period, period[2], kind) for period in self.blocks(rule.average, self.shorts)
        ]

    def operating_days(self, number: int) -> list[Verdict]:
        found, operated = [], []
        for start, finish, members in self.days.values():
            ran = [s for s in members if s.stopped < s.expected and s.in_force]
            if not ran:
                found.append(Verdict(start, finish, finish <= self.until, "not_assessable", None))
                continue
            operated.append(members)
            window = [short for day in operated[-number:] for short in day]
            kind = "block" if len(operated) >= number else "too few"
            found.append(self.mean(start, finish, window, window, kind))
        return found

    def mean(
        self, start: int, finish: int, members: list[Short], last: list[Short], kind: str
    ) -> Verdict:
        used = [short for short in members if self.used(short)]
        # What a rolling period held before the limit was in force is missing from it.
        expects = self.operates if kind == "rolling" else self.expected
        expected = sum(expects(short) for short in members)
        if not any(short.in_force for short in last):
            expected = 0
        total = self.rule.statistic == "total"
        value = self.mass(used) if total else self.average([self.validated(s) for s in used])
        state = "not_assessable"
        if value is not None and expected:
            limit = sum((short.limit for short in used), Fraction(0)) / len(used)
            exceeds = self.exceeds(value, self.threshold(limit))
            if self.enough(kind, members, len(used), expected) or (total and exceeds):
                state = "exceeded" if exceeds else "compliant"
        return Verdict(
            start, finish, finish <= self.until, state, value,
            raw=value if total else self.average([self.mean_of(s) or Fraction(0) for s in used]),
            valid=len(used),
            expected=expected,
            substituted=sum(self.rests_on_substitutes(short) for short in used),
            methods=self.methods_of(used),
            replaced=self.mass([s for s in used if self.rests_on_substitutes(s)], Decimal(0))
            if total else None,
            estimate=self.estimate(members) if total else None,
        )  # fmt: skip

    def rests_on_substitutes(self, short: Short) -> bool:
        return short.marked > 0 or short.start in self.filled

    def methods_of(self, used: list[Short]) -> tuple[int, ...]:
        codes = [self.filled[short.start][1] for short in used if short.start in self.filled]
        return tuple(codes.count(code) for code in (6, 7, 8, 9, 10, 11, 12, 101))

    def hours(self, short: Short) -> Fraction:
        clock = Fraction(short.finish - short.start, HOUR)
        return clock * Fraction(short.expected - short.stopped, short.expected)

    def mass(self, used: list[Short], none: Decimal | None = None) -> Decimal | None:
        """Tonnes that mass flows [kg/h] make; a plant that stands still emits nothing."""
        if not used:
            return none
        return nine_digits(
            sum((self.validated(s) * self.hours(s) / 1000 for s in used), Fraction(0))
        )

    def estimate(self, members: list[Short]) -> Decimal | None:
        """What the hours without any value would have made at the rate of those measured."""
        known = [s for s in members if self.valid(s)]
        own = [s for s in known if not self.rests_on_substitutes(s)]
        without = sum(
            (self.hours(s) for s in members if s.in_force and s not in known), Fraction(0)
        )
        if without == 0:
            return Decimal(0)
        have = sum((self.hours(s) for s in own), Fraction(0))
        if have == 0:
            return None
        made = sum((self.validated(s) * self.hours(s) / 1000 for s in own), Fraction(0))
        return nine_digits(made / have * without)

    def enough(self, kind: str, members: list[Short], have: int, of: int) -> bool:
        if kind == "self":
            return have > 0
        if kind == "too few":
            return False
        if kind == "1d" and self.day_rule:
            return self.state_of_day[self.day(members[0])] == "valid"
        if kind == "1month" and self.rule.valid_days_a_month is not None:
            return self.month_passes(members)
        return self.covered(have, of)


def decimals(exact: Fraction, places: int | None) -> Decimal:
    """Half away from zero: to so many decimals, or to 9 significant digits."""
    if places is None:
        return nine_digits(exact)
    wide = EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return wide.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, EXACT)
