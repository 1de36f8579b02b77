"""Hours that US EPA's files hold substitutes for, against what part 75 makes of the hours around.

The files flag substitutes and name no method. What they cannot tell is the maximum load of a unit,
which is chosen here so that it fits, and the years before, which look-backs reach into: so few
hours come out exactly, and those of units that ran little not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from alerts.core.part75 import THREE_YEARS, Tiers, availabilities, load_ranges, part75
from alerts.core.substitution import Clock, neighbours
from alerts.core.vocabulary import HOUR
from tests.data.idaho import zones

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOX_FLAG = "NOX_RATE_MEASURE_FLG"


class Course(NamedTuple):
    """A year of one unit's NOx rates [lb/mmBtu], each (T, 1); ``given`` are the substitutes."""

    rate: NDArray[np.float64]
    given: NDArray[np.bool_]
    operating: NDArray[np.bool_]
    load: NDArray[np.float64]
    clock: Clock

    @property
    def measured(self) -> NDArray[np.float64]:
        return np.where(self.operating & ~self.given, self.rate, np.nan)


def course(unit: str) -> Course:
    [(zone, at)] = [(one, one.units.index(unit)) for one in zones() if unit in one.units]

    def column(values: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return values[:, [at]]

    operating = column(zone.operating > 0)
    return Course(
        zone.column("NOX_RATE (lbs/mmBtu)")[:, [at]],
        column(zone.substituted(NOX_FLAG)) & operating,
        operating,
        zone.column("GLOAD (MW)")[:, [at]],
        Clock(zone.start, zone.start + HOUR, THREE_YEARS),
    )


def by_range(one: Course, maximum: float) -> NDArray[np.float64]:
    """What the tiers of NOx make of the hours that the files hold substitutes for."""
    availability = availabilities(one.clock, ~one.given & one.operating, one.operating)
    ranges, tiers = load_ranges(one.load, maximum), Tiers(9.9, 2160, by_load=True)
    found = part75(one.measured, one.operating, availability, tiers, one.clock, ranges)
    return found.value[one.given]


@pytest.mark.parametrize(
    ("unit", "maximum", "near", "of", "by_neighbours"),
    [("57028-ct1", 348, 19, 19, 19), ("55733-ct01", 203, 9, 21, 0)],
)
def test_rates_that_are_the_mean_of_their_range_of_load(
    unit: str, maximum: float, near: int, of: int, by_neighbours: int
) -> None:
    """To 0.001, as the files have them. The mean of the hours around is not what EPA's files use.

    The first unit ran all year at one rate, so that both are it; of the second none is.
    """
    one = course(unit)
    theirs = one.rate[one.given]
    beside = neighbours(one.measured, one.operating, one.clock).value[one.given]
    assert len(theirs) == of
    assert (np.abs(np.round(by_range(one, maximum), 3) - theirs) < 0.00101).sum() == near
    assert (np.abs(np.round(beside, 3) - theirs) < 0.00101).sum() == by_neighbours


def test_a_unit_that_ran_all_year_has_every_substitute_exactly() -> None:
    one = course("57028-ct1")
    assert np.round(by_range(one, 348.0), 3).tolist() == one.rate[one.given].tolist()


def test_hours_of_one_gap_and_range_have_one_value_until_the_tier_changes() -> None:
    """Unit 7456-2, May to July: 63 hours of operation without a measured one between them.

    From 24 June 17:00 on the values are others, as where each hour goes by its own availability.
    """
    one = course("7456-2")
    at = np.flatnonzero(one.given[:, 0] & (one.load[:, 0] > 0))
    at = at[(at >= 24 * 121) & (at < 24 * 212)]  # from May to July
    ranges = load_ranges(one.load, 100.0)
    june_24 = (31 + 28 + 31 + 30 + 31 + 23) * 24 + 17
    for part, expected in (
        (at[at < june_24], {1: 0.282, 2: 0.246, 4: 0.155, 5: 0.148, 6: 0.116, 7: 0.116, 8: 0.116}),
        (at[at >= june_24], {1: 0.305, 3: 0.231, 4: 0.157, 6: 0.103, 7: 0.181}),
    ):
        found: dict[int, set[float]] = {}
        for row in part.tolist():
            found.setdefault(int(ranges[row, 0]), set()).add(float(one.rate[row, 0]))
        assert found == {number: {value} for number, value in expected.items()}
