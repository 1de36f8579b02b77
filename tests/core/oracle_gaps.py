"""Gaps for the slow twin of rule sets: each filled by searching the list up and down."""

from __future__ import annotations

from abc import abstractmethod
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from tests.core.oracle_periods import Calendar
from tests.oracles import DAY, EXACT, HOUR, nine_digits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alerts.core.rules import Rule
    from tests.core.oracle_means import Short

Fill = tuple[Fraction, int]  # value, method
LONG = 92 * DAY
YEARS = 1095 * DAY


class Gaps(Calendar):
    """What missing averages are filled with, by their start."""

    rule: Rule
    shorts: Sequence[Short]
    lesser = False  # moisture: the lower value is the careful one

    @abstractmethod
    def measured(self, short: Short) -> bool:
        """Whether the average is valid as it was measured."""

    @abstractmethod
    def operates(self, short: Short) -> bool:
        """Whether the plant was in operation."""

    def fill(self) -> dict[int, Fill]:
        rule = self.rule
        if rule.substitution == "none" or rule.of != "exceeding" or rule.average == rule.short_term:
            return {}
        list_of_hours = [
            s for s in self.shorts if self.operates(s) and (s.in_force or self.measured(s))
        ]
        found = {}
        for place, short in enumerate(list_of_hours):
            if not self.measured(short):
                value = self.filled_with(list_of_hours, place)
                if value is not None:
                    found[short.start] = value
        return found

    def filled_with(self, hours: list[Short], place: int) -> Fill | None:
        first = last = place
        while first > 0 and not self.measured(hours[first - 1]):
            first -= 1
        while last + 1 < len(hours) and not self.measured(hours[last + 1]):
            last += 1
        begin, rule = hours[first].start, self.rule
        back = LONG if rule.substitution == "neighbours" else YEARS
        before = [
            s.mean for s in hours[:first]
            if self.measured(s) and s.mean is not None and s.start >= begin - back
        ]  # fmt: skip
        beside = None
        if before and last + 1 < len(hours) and hours[last + 1].start - begin <= LONG:
            after = hours[last + 1].mean
            assert after is not None
            beside = (before[-1] + after) / 2
        match rule.substitution:
            case "neighbours":
                return None if beside is None else (beside, 6)
            case "maximum":
                length = hours[first].finish - begin
                return (max(before[-(rule.look_back * HOUR // length) :]), 10) if before else None
            case "mean_two_sigma":
                return self.two_sigma(hours[place])
        long = hours[last].finish - begin > LONG
        if rule.by_load:
            held = [s for s in hours[:first] if self.measured(s) and s.start >= begin - back]
            return self.load_tier(hours, (first, place, last), held, beside, long=long)
        return self.tier(hours, (first, place, last), before, beside, long=long)

    def tier(  # noqa: PLR0911 - a table
        self,
        hours: list[Short],
        gap: tuple[int, int, int],
        before: list[Fraction],
        beside: Fraction | None,
        *,
        long: bool,
    ) -> Fill | None:
        """40 CFR 75.33(b), as its table says it, for one hour of a gap; 75.37 turned round."""
        rule, length = self.rule, gap[2] - gap[0] + 1
        assert rule.potential is not None
        utmost = Fraction(str(rule.potential)), 12
        if not before:
            return utmost
        if len(before) < rule.look_back:
            return None if beside is None else (beside, 7)
        available = self.available(hours, gap[1])
        if long or available < 80:
            return utmost
        recent = sorted(before[-rule.look_back :], reverse=self.lesser)
        if available < 90:
            return recent[-1], 10
        if beside is None:
            return None
        if length <= (24 if available >= 95 else 8):
            return beside, 6
        percent = 90 if available >= 95 else 95
        return self.careful(self.ranked(recent, percent), beside), 8 if percent == 90 else 9

    def careful(self, *values: Fraction) -> Fraction:
        return min(values) if self.lesser else max(values)

    def ranked(self, recent: list[Fraction], percent: int) -> Fraction:
        """The least value that so many percent do not exceed; turned round: 10 % and 5 %."""
        ascending = sorted(recent)
        share = 100 - percent if self.lesser else percent
        return ascending[-(-len(ascending) * share // 100) - 1]

    def load_tier(  # noqa: PLR0911 - a table
        self,
        hours: list[Short],
        gap: tuple[int, int, int],
        held: list[Short],
        beside: Fraction | None,
        *,
        long: bool,
    ) -> Fill | None:
        """40 CFR 75.33(c), 75.31(c): by tenths of the maximum load; all in one without load."""
        rule, length = self.rule, gap[2] - gap[0] + 1
        assert rule.potential is not None
        utmost = Fraction(str(rule.potential)), 12
        own = self.tenth(hours[gap[1]])
        if own is None:
            return utmost
        known = [s for s in held if (self.tenth(s) or 0) >= own]
        if not known:
            return utmost
        nearest = min(self.tenth(s) or 0 for s in known)
        values = [s.mean for s in known if self.tenth(s) == nearest and s.mean is not None]
        recent = values[-rule.look_back :]
        mean = sum(recent, Fraction(0)) / len(recent)
        if len(held) < rule.look_back:
            return mean, 7
        available = self.available(hours, gap[1])
        if long or available < 80:
            return utmost
        if available < 90 or nearest != own:
            return max(recent), 10
        if length <= (24 if available >= 95 else 8):
            return mean, 11
        if beside is None:
            return None
        percent = 90 if available >= 95 else 95
        return max(self.ranked(recent, percent), beside), 8 if percent == 90 else 9

    def tenth(self, short: Short) -> int | None:
        """1 up to 10 % of the maximum load, 10 above 90 %."""
        if self.rule.load is None or self.rule.maximum_load is None:
            return 1
        if short.load is None:
            return None
        share = short.load / Fraction(str(self.rule.maximum_load))
        for edge in range(1, 10):
            if share <= Fraction(edge, 10):
                return edge
        return 10

    def available(self, hours: list[Short], last: int) -> Decimal:
        """Percent of the last 8,760 hours of operation within three years, to a tenth."""
        window = [s for s in hours[: last + 1] if s.start >= hours[last].finish - YEARS][-8760:]
        exact = 100 * Fraction(sum(self.measured(s) for s in window), len(window))
        return Decimal(int(exact * 10 + Fraction(1, 2))) / 10

    def two_sigma(self, short: Short) -> Fill | None:
        """Mean and two deviations of the year up to the end of the period that is averaged."""
        [period] = [p for p in self.blocks(self.rule.average, self.shorts) if short in p[2]]
        year = self.day(period[2][0]).year
        values = [
            s.mean for s in self.shorts
            if self.day(s).year >= year and s.start < period[1] and self.measured(s)
            and s.mean is not None
        ]  # fmt: skip
        if len(values) < 2:
            return None
        mean = sum(values, Fraction(0)) / len(values)
        variance = sum(((one - mean) ** 2 for one in values), Fraction(0)) / (len(values) - 1)
        root = EXACT.sqrt(EXACT.divide(Decimal(variance.numerator), Decimal(variance.denominator)))
        return Fraction(nine_digits(mean + 2 * Fraction(root))), 101
