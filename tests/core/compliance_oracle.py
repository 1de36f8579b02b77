"""Shares and counts for the slow twin of rule sets, and all that it judges."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from tests.core.oracle_events import Events
from tests.core.oracle_means import Short, Verdict
from tests.core.oracle_periods import micros
from tests.oracles import nine_digits

if TYPE_CHECKING:
    from datetime import date

    from tests.core.oracle_periods import Period


class Part(NamedTuple):
    """An hour or a day of which so many may exceed."""

    start: int
    finish: int
    over: bool
    expected: bool
    counts: bool
    exceeds: bool
    marked: int
    methods: tuple[int, ...] = (0,) * 8


class Judge(Events):
    """One rule, one channel's averages that had ended by ``until``."""

    def verdicts(self) -> list[Verdict]:
        events = {
            "abatement_failure": self.failures,
            "calibration_weeks": self.calibration_weeks,
            "special_class": self.special_class,
            "failure_up_to": self.failure_class,
            "failure_above": self.failure_class,
        }
        if self.rule.of in events:
            return events[self.rule.of]()
        statistics = {"share": self.shares, "count": self.counts}
        return statistics.get(self.rule.statistic, self.means)()

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
                    one.methods if one.over else (0,) * 8,
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
        for start, _ in self.blocks_from(micros(step), since):
            if start >= finish:
                return number
            number += start >= since
        return number

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
            methods=tuple(sum(part.methods[code] for part in members) for code in range(8)),
        )
