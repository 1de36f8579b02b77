"""The slow twin of rule sets: one channel, plain loops, exact fractions, written from the rules.

What a compliance engineer would do with a printed list of hourly averages and a pencil.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.oracles import DAY, EXACT, HOUR, MINUTE, _zone, block_edges, instant, nine_digits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from alerts.core.rules import Rule

LENGTHS = {"min": MINUTE, "h": HOUR, "d": DAY}
CALENDAR: dict[str, Callable[[date], object]] = {
    "1d": lambda day: day,
    "1week": lambda day: day.isocalendar()[:2],
    "1month": lambda day: (day.year, day.month),
    "1quarter": lambda day: (day.year, (day.month - 1) // 3),
    "1year": lambda day: day.year,
}


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


class Part(NamedTuple):
    """An hour or a day of which so many may exceed."""

    start: int
    finish: int
    over: bool
    expected: bool
    counts: bool
    exceeds: bool
    marked: int


Period = tuple[int, int, list[Any]]


class Judge:
    """One rule, one channel's averages that had ended by ``until``."""

    def __init__(self, rule: Rule, shorts: Sequence[Short], zone: str, until: int) -> None:
        self.rule, self.zone, self.until = rule, zone, until
        self.shorts = [short for short in shorts if short.finish <= until]
        self.day_rule = rule.invalid_parts_a_day is not None or rule.valid_parts_a_day is not None
        self.days = {
            self.day(members[0]): (start, finish, members)
            for start, finish, members in self.blocks("1d", self.shorts)
        }
        self.state_of_day = {day: self.day_state(day) for day in self.days}

    def verdicts(self) -> list[Verdict]:
        return {"mean": self.means, "share": self.shares, "count": self.counts}[
            self.rule.statistic
        ]()

    # Periods

    def day(self, item: Short | Verdict) -> date:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=item.start)
        return moment.astimezone(_zone(self.zone)).date()

    def blocks(self, length: str, items: Sequence[Any]) -> list[Period]:
        """The items of each block; (start, finish, items)."""
        if length not in CALENDAR:
            return self.blocks_within_a_day(micros(length), items)
        key = CALENDAR[length]
        found = []
        for _, group in groupby(items, lambda item: key(self.day(item))):
            members = list(group)
            first = last = self.day(members[0])
            while key(first - timedelta(days=1)) == key(first):
                first -= timedelta(days=1)
            while key(last) == key(first):
                last += timedelta(days=1)
            found.append((instant(first, self.zone), instant(last, self.zone), members))
        return found

    def blocks_within_a_day(self, length: int, items: Sequence[Any]) -> list[Period]:
        if not items:
            return []
        found, rest = [], list(items)
        for start, finish in block_edges(length, self.zone, items[0].start):
            members = [item for item in rest if start <= item.start < finish]
            rest = rest[len(members) :]
            if members:
                found.append((start, finish, members))
            if not rest:
                return found
        return found

    def rolling(self, length: str, items: Sequence[Any]) -> list[tuple[Period, list[Any]]]:
        """The periods at each step, each with what its last step holds."""
        number, unit = split(length)
        bases: list[Period]
        if unit in {"month", "year"}:
            bases = self.blocks("1month", items)
            number *= 12 if unit == "year" else 1
        elif unit == "d" and number > 1:
            bases = self.blocks("1d", items)
        else:
            bases = [(item.start, item.finish, [item]) for item in items]
            number = micros(length) // (items[0].finish - items[0].start) if items else 1
        found = []
        for end in range(number, len(bases) + 1):
            window = bases[end - number : end]
            members = [item for base in window for item in base[2]]
            found.append(((window[0][0], window[-1][1], members), window[-1][2]))
        return found

    # Validity

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

    def valid(self, short: Short) -> bool:
        if short.mean is None or short.count == 0 or not self.expected(short):
            return False
        if self.rule.geometric and self.validated(short) <= 0:
            return False
        slots = self.operating_slots(short)
        if self.rule.quadrants:
            all_of_them = Fraction(short.finish - short.start, 15 * MINUTE)
            if short.quarters < all_of_them * Fraction(slots, short.expected):
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
        rule, mean = self.rule, short.mean
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
        value = self.average([self.validated(short) for short in used])
        state = "not_assessable"
        if value is not None and expected and self.enough(kind, members, len(used), expected):
            limit = sum((short.limit for short in used), Fraction(0)) / len(used)
            state = "exceeded" if self.exceeds(value, self.threshold(limit)) else "compliant"
        return Verdict(
            start, finish, finish <= self.until, state, value,
            raw=self.average([short.mean for short in used if short.mean is not None]),
            valid=len(used),
            expected=expected,
            substituted=sum(short.marked > 0 for short in used),
        )  # fmt: skip

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

    # Shares and counts: the parts, each (start, finish, over, expected, counts, exceeds, marked)

    def parts(self) -> list[Part]:
        if self.rule.of == "invalid_days":
            return [self.invalid_day(day, *self.days[day]) for day in self.days]
        if self.rule.of == "out_of_calibration":
            top = nine_digits(Fraction("1.1") * Fraction(str(self.rule.calibration_range)))
            return [
                self.part_of(s, exceeds=s.mean is not None and self.rounded(s.mean) > top)
                for s in self.shorts
            ]
        if self.rule.average != self.rule.short_term:
            return [
                Part(
                    one.start, one.finish, one.over,
                    one.over and one.expected > 0,
                    one.over and one.state != "not_assessable",
                    one.over and one.state == "exceeded",
                    one.substituted if one.over else 0,
                )
                for one in self.means()
            ]  # fmt: skip
        return [
            self.part_of(
                short,
                exceeds=short.mean is not None
                and self.exceeds(self.rounded(self.validated(short)), self.threshold(short.limit)),
            )
            for short in self.shorts
        ]

    def part_of(self, short: Short, *, exceeds: bool) -> Part:
        used = self.used(short)
        expects = self.operates if self.rule.rolling_per else self.expected
        return Part(
            short.start,
            short.finish,
            over=True,
            expected=expects(short),
            counts=used,
            exceeds=used and exceeds,
            marked=int(used and short.marked > 0),
        )

    def invalid_day(self, day: date, start: int, finish: int, _members: list[Short]) -> Part:
        state = self.state_of_day[day]
        over = finish <= self.until
        known = state != "off" and (over or state == "invalid")
        return Part(start, finish, over, known, known, state == "invalid", 0)

    def periods(self, parts: list[Part]) -> list[Period]:
        per = self.rule.per
        assert per is not None
        if self.rule.rolling_per:
            return [period for period, _ in self.rolling(per, parts)]
        return self.blocks(per, parts)

    def to_come(self, finish: int, members: list[Part]) -> int:
        """The parts that the rest of a period in progress is made of."""
        if finish <= self.until or self.rule.rolling_per or not self.shorts[-1].in_force:
            return 0
        rule = self.rule
        step = rule.short_term if rule.rolling else rule.average
        ended = [part.finish for part in members if part.over]
        since = ended[-1] if ended else members[0].start
        number = 0
        for start, _ in self.block_edges(step, since):
            if start >= finish:
                return number
            number += start >= since
        return number

    def block_edges(self, length: str, since: int) -> Any:
        return block_edges(micros(length), self.zone, since)

    def shares(self) -> list[Verdict]:
        share = Fraction(str(self.rule.share))
        found = []
        for period in self.periods(self.parts()):
            _, finish, members = period
            counted = [part for part in members if part.counts]
            exceeding = sum(part.exceeds for part in members)
            whole = len(counted) + self.to_come(finish, members)
            allowed = int(whole * (1 - share))
            expected = sum(part.expected for part in members)
            state = "exceeded" if exceeding > allowed else "compliant"
            if not expected or not self.covered(len(counted), expected):
                state = "not_assessable"
            value = (
                nine_digits(Fraction(len(counted) - exceeding, len(counted)))
                if counted and expected
                else None
            )
            found.append(self.counted(period, (state, value), exceeding, allowed))
        return found

    def counts(self) -> list[Verdict]:
        rule, parts = self.rule, self.parts()
        run, runs = 0, {}
        for part in parts:
            run = run + 1 if part.exceeds else 0
            runs[part.start] = run
        found = []
        for period in self.periods(parts):
            members = period[2]
            number = sum(part.exceeds for part in members)
            longest = max(runs[part.start] for part in members)
            expected = sum(part.expected for part in members)
            enough = self.covered(sum(part.counts for part in members), expected)
            state = "compliant" if enough else "not_assessable"
            if (rule.at_most is not None and number > rule.at_most) or (
                rule.at_most_in_a_row is not None and longest > rule.at_most_in_a_row
            ):
                state = "exceeded"
            if not expected:
                state = "not_assessable"
            shown = longest if rule.at_most is None else number
            allowed = rule.at_most_in_a_row if rule.at_most is None else rule.at_most
            assert allowed is not None
            value = Decimal(shown) if expected else None
            found.append(self.counted(period, (state, value), shown, allowed))
        return found

    def counted(
        self, period: Period, answer: tuple[str, Decimal | None], exceeding: int, allowed: int
    ) -> Verdict:
        start, finish, members = period
        return Verdict(
            start,
            finish,
            finish <= self.until,
            *answer,
            valid=sum(part.counts for part in members),
            expected=sum(part.expected for part in members),
            exceeding=exceeding,
            allowed=allowed,
            substituted=sum(part.marked for part in members),
        )


def decimals(exact: Fraction, places: int | None) -> Decimal:
    """Half away from zero: to so many decimals, or to 9 significant digits."""
    if places is None:
        return nine_digits(exact)
    wide = EXACT.divide(Decimal(exact.numerator), Decimal(exact.denominator))
    return wide.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, EXACT)


def split(length: str) -> tuple[int, str]:
    digits = "".join(one for one in length if one.isdigit())
    return int(digits), length[len(digits) :]


def micros(length: str) -> int:
    number, unit = split(length)
    return number * LENGTHS[unit]


def beyond_a_day(length: str) -> bool:
    number, unit = split(length)
    return unit not in {"min", "h"} and (number, unit) != (1, "d")
