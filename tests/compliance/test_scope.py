"""What has to be judged again, and from how far back, without a database."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from alerts.compliance import changed, combine
from alerts.core.compliance import FIGURES, VERDICT, WITHDRAWN
from alerts.core.vocabulary import HOUR, MINUTE, Judgement
from alerts.matrix import NO_ROWS, short_term, windows
from alerts.scope import merged, reach
from storage.times import from_micros
from tests.compliance.plant import DAY_MEAN, HOURS_A_YEAR, MONTH_MEAN, at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.rules import Rule

ZONE = "+05:00"


@pytest.mark.parametrize(
    ("rule", "start", "end"),
    [
        (DAY_MEAN, "2026-02-09T19:00", "2026-02-10T19:00"),
        (MONTH_MEAN, "2026-01-31T19:00", "2026-02-28T19:00"),
        (HOURS_A_YEAR, "2025-12-31T19:00", "2026-12-31T19:00"),
        # a day back for the means, a day on for those that hold it
        (replace(DAY_MEAN, rolling=True), "2026-02-08T19:00", "2026-02-11T10:00"),
        # the months of a rolling year, whole ones
        (
            replace(HOURS_A_YEAR, per="12months", rolling_per=True),
            "2025-01-31T19:00",
            "2027-02-28T19:00",
        ),
        # a week reaches over the edges of the year
        (replace(HOURS_A_YEAR, average="1week"), "2025-12-28T19:00", "2027-01-03T19:00"),
        (replace(HOURS_A_YEAR, at_most_in_a_row=3), "2025-11-30T19:00", "2026-12-31T19:00"),
        # weeks since a calibration: a year and a week before this one
        (
            replace(DAY_MEAN, statistic="count", of="calibration_weeks", per="1week"),
            "2025-02-01T19:00",
            "2026-02-15T19:00",
        ),
    ],
)
def test_how_far_a_change_reaches(rule: Rule, start: str, end: str) -> None:
    first = at("2026-02-10T10:00")
    low, high = reach(rule, ZONE, first, first)
    assert (from_micros(low), from_micros(high)) == (from_micros(at(start)), from_micros(at(end)))


def test_spans_that_are_near_are_one() -> None:
    spans = [(50, 60), (0, 10), (15, 20), (100, 110), (5, 8)]
    assert merged(spans, 5) == [(0, 20), (50, 60), (100, 110)]


def rows(*each: tuple[int, int, int, int]) -> NDArray[np.void]:
    """Verdicts: (limit, start, finish, state), in hours."""
    found = np.zeros(len(each), VERDICT)
    for row, (limit, start, finish, state) in zip(found, each, strict=True):
        row["limit"], row["start"], row["finish"] = limit, start * HOUR, finish * HOUR
        row["state"] = row["alone"] = state
        row["over"] = True
    return found


def test_alternatives_meet_where_they_end_or_ended_before() -> None:
    fine, bad, unknown = Judgement.COMPLIANT, Judgement.EXCEEDED, Judgement.NOT_ASSESSABLE
    verdicts = rows(
        (1, 0, 24, bad), (1, 1, 25, bad), (1, 24, 48, bad), (1, 60, 84, bad), (1, 90, 114, bad),
        (2, 0, 24, fine), (2, 24, 48, unknown), (2, 60, 84, bad),
        (3, 0, 24, bad),
    )  # fmt: skip
    found = combine(verdicts, {1: "a", 2: "a"})
    # 25 h: its counterpart is that of 24 h; 114 h: the last one ended before it began
    assert found["state"].tolist() == [fine, fine, unknown, bad, bad, fine, unknown, bad, bad]
    assert found["alone"].tolist() == verdicts["alone"].tolist()


def test_only_what_differs_is_stored_and_what_is_gone_withdrawn() -> None:
    stored = np.zeros(3, [*VERDICT.descr, ("revision", "i4")])
    for name in VERDICT.names or ():
        stored[name] = rows((1, 0, 24, 0), (1, 24, 48, 0), (2, 0, 24, WITHDRAWN))[name]
    stored["revision"] = [4, 0, 1]
    new = rows((1, 0, 24, 1), (3, 0, 24, 0))
    found, revision = changed(new, stored, FIGURES)
    told = sorted(
        zip(found["limit"].tolist(), found["finish"].tolist(), found["state"].tolist(),
            revision.tolist(), strict=True)
    )  # fmt: skip
    assert told == [(1, 24 * HOUR, 1, 5), (1, 48 * HOUR, WITHDRAWN, 1), (3, 24 * HOUR, 0, 0)]


def test_a_slot_is_what_value_and_standstill_have_in_common() -> None:
    def blocks(channel: int, count: int, expected: int, total: float) -> NDArray[np.void]:
        found = np.zeros(1, NO_ROWS.dtype)
        found[0] = (channel, 0, total / max(count, 1), total, count, expected)
        return found

    columns = {name: np.array([n], np.int32) for name, n in
               (("value", 1), ("idle", 2), ("mark", 3), ("serviced", 4), ("main", 0))}  # fmt: skip
    # each minute of a value that is measured every 10 s; 20 min idle, of these 5 of start-up
    found = short_term(
        *windows(HOUR, "UTC", 0, 2 * HOUR), columns,
        {"value": blocks(1, 40, 60, 400.0), "idle": blocks(2, 120, 360, 30.0),
         "mark": blocks(3, 6, 60, 6.0), "serviced": blocks(4, 12, 360, 12.0)},
    )  # fmt: skip
    assert found.start.tolist() == [0, HOUR]
    assert found.mean[0].tolist() == [10.0]
    assert np.isnan(found.mean[1]).all()
    figures = ("count", "expected", "idle", "stopped", "marked", "serviced")
    assert [getattr(found, name)[0, 0] for name in figures] == [240, 360, 120, 90, 36, 12]
    assert [getattr(found, name)[1, 0] for name in figures][:3] == [0, 60, 0]


def test_values_that_lack_what_they_are_computed_from_do_not_count() -> None:
    def blocks(channel: int, count: int, expected: int) -> NDArray[np.void]:
        found = np.zeros(1, NO_ROWS.dtype)
        found[0] = (channel, 0, 10.0, 10.0 * count, count, expected)
        return found

    columns = {name: np.array([n], np.int32) for name, n in
               (("value", 1), ("idle", 0), ("mark", 0), ("serviced", 0), ("main", 2))}  # fmt: skip
    counted = {}
    # of 20 min one value (first averaged, then normalised), or two each 10 min; 20 are behind them
    for count, expected in ((1, 1), (1, 2)):
        rows = {"value": blocks(1, count, expected), "main": blocks(2, 20, 20)}
        found = short_term(*windows(20 * MINUTE, "UTC", 0, 20 * MINUTE), columns, rows)
        counted[expected] = (int(found.count[0, 0]), int(found.expected[0, 0]))
    assert counted == {1: (20, 20), 2: (1, 2)}


def test_short_term_averages_of_minutes() -> None:
    columns = {name: np.array([int(name == "value")], np.int32) for name in
               ("value", "idle", "mark", "serviced", "main")}  # fmt: skip
    found = short_term(*windows(10 * MINUTE, "UTC", 0, HOUR), columns, {"value": NO_ROWS})
    assert found.rows == 6
    assert found.expected.min() == 1
