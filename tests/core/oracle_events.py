"""Events for the slow twin of rule sets: failures on end, calibration weeks, a special class."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.core.oracle_means import Means, Short, Verdict
from tests.oracles import HOUR, nine_digits

if TYPE_CHECKING:
    from tests.core.oracle_periods import Period


class Events(Means):
    """What lasts beyond a period, or counts from one check to the next."""

    def is_above(self, short: Short) -> bool:
        return (
            self.used(short)
            and short.mean is not None
            and self.exceeds(self.rounded(self.validated(short)), self.threshold(short.limit))
        )

    def failures(self) -> list[Verdict]:
        """Walk through the averages with a stopwatch that runs while one is above."""
        running, watch = 0, {}
        for short in self.shorts:
            if self.is_above(short):
                running += short.finish - short.start
            elif self.used(short) or not self.operates(short):
                running = 0
            watch[short.start] = running
        rule = self.rule
        assert rule.per is not None
        found = []
        for start, finish, members in self.blocks(
            "1d" if rule.rolling_per else rule.per, self.shorts
        ):
            since, within = start, members
            if rule.rolling_per:
                since = self.before(finish, 12 if rule.per == "1year" else 1)
                within = [s for s in self.shorts if since <= s.start < finish]
            hours = sum(s.finish - s.start for s in within if self.is_above(s))
            longest = max(watch[short.start] for short in members)
            expected = sum(self.expected(short) for short in within)
            if not any(short.in_force for short in members):
                expected = 0
            valid = sum(self.used(short) for short in within)
            too_long = (rule.at_most is not None and hours > rule.at_most * HOUR) or (
                rule.at_most_in_a_row is not None and longest > rule.at_most_in_a_row * HOUR
            )
            counted, most = hours, rule.at_most
            if most is None:
                counted, most = longest, rule.at_most_in_a_row
            assert most is not None
            length = members[0].finish - members[0].start
            state = "exceeded" if too_long else "compliant"
            if not expected or not (too_long or self.covered(valid, expected)):
                state = "not_assessable"
            found.append(
                Verdict(
                    since, finish, finish <= self.until, state,
                    in_hours(counted) if expected else None,
                    raw=in_hours(watch[members[-1].start]) if expected else None,
                    valid=valid,
                    expected=expected,
                    exceeding=counted // length,
                    allowed=most * HOUR // length,
                )
            )  # fmt: skip
        return found

    def before(self, finish: int, months: int) -> int:
        """The same midnight so many months earlier, the last one of a shorter month."""
        day = self.day(Short(finish, finish, None, 0, 1, Fraction(0)))
        year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
        for number in range(day.day, 0, -1):
            try:
                return self.midnight(date(year, month + 1, number))
            except ValueError:
                continue
        raise AssertionError

    def calibration_weeks(self) -> list[Verdict]:
        rule = self.rule
        assert rule.calibrated_from is not None
        assert rule.at_most is not None
        since = self.midnight(date.fromisoformat(rule.calibrated_from))
        weeks = self.blocks("1week", self.shorts)
        found = []
        for place, (start, finish, _) in enumerate(weeks):
            counted = [week for week in weeks[max(0, place - 52) : place + 1] if week[0] >= since]
            over = [week for week in counted if week[1] <= self.until]
            number = sum(self.is_mild(week) for week in over)
            valid = sum(self.week_counts(week) for week in over)
            expected = sum(any(self.expected(s) for s in week[2]) for week in counted)
            state = "exceeded" if number > rule.at_most else "compliant"
            if not expected or not (state == "exceeded" or self.covered(valid, expected)):
                state = "not_assessable"
            found.append(
                Verdict(
                    start, finish, finish <= self.until, state,
                    Decimal(number) if expected else None,
                    valid=valid, expected=expected, exceeding=number, allowed=rule.at_most,
                )
            )  # fmt: skip
        return found

    def is_mild(self, week: Period) -> bool:
        """More than 5 % of the week's valid averages are more than 10 % above the range."""
        top = nine_digits(Fraction("1.1") * Fraction(str(self.rule.calibration_range)))
        used = [short for short in week[2] if self.used(short)]
        outside = [s for s in used if s.mean is not None and self.rounded(s.mean) > top]
        return len(outside) > Fraction(5, 100) * len(used)

    def week_counts(self, week: Period) -> bool:
        expected = sum(self.expected(short) for short in week[2])
        return expected > 0 and self.covered(sum(self.used(s) for s in week[2]), expected)

    def special_class(self) -> list[Verdict]:
        assert self.rule.per is not None
        found = []
        for start, finish, members in self.blocks(self.rule.per, self.shorts):
            starts = [
                s for s in members
                if self.operating_slots(s) == 0 and s.idle > s.stopped and s.in_force
            ]  # fmt: skip
            known = [
                s for s in starts
                if s.mean is not None and self.covered(s.count, s.idle - s.stopped)
            ]  # fmt: skip
            number = sum(
                self.exceeds(self.rounded(self.validated(s)), self.threshold(s.limit))
                for s in known
            )
            found.append(
                Verdict(
                    start, finish, finish <= self.until, "not_assessable",
                    Decimal(number) if starts else None,
                    valid=len(known), expected=len(starts), exceeding=number,
                )
            )  # fmt: skip
        return found

    def failure_class(self) -> list[Verdict]:
        rule = self.rule
        assert rule.per is not None
        bound = Decimal(str(rule.bound))
        found = []
        for start, finish, members in self.blocks(rule.per, self.shorts):
            failing = [self.rounded(self.validated(s)) for s in members if self.is_above(s)]
            above = sum(value > bound for value in failing)
            number = above if rule.of == "failure_above" else len(failing) - above
            expected = sum(self.expected(s) for s in members)
            found.append(
                Verdict(
                    start, finish, finish <= self.until, "not_assessable",
                    Decimal(number) if expected else None,
                    valid=sum(self.used(s) for s in members), expected=expected, exceeding=number,
                )
            )  # fmt: skip
        return found


def in_hours(microseconds: int) -> Decimal:
    return Decimal(repr(microseconds / HOUR))
