"""Through the whole server: derived channels after a start that goes on from a checkpoint.

The plant of ``test_derived``; of its selected channels some are warm at the start and some cold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from alerts.core.vocabulary import HOUR, MINUTE, SECOND
from storage.times import from_micros
from tests.pipeline.streams import FIRST, START, Reading
from tests.pipeline.test_derived import OF_DERIVED, select, template
from tests.pipeline.test_order import assert_as_in_order, follow, followed
from tests.pipeline.test_recipes import Change, assert_as_if_announced
from tests.pipeline.whole import whole

if TYPE_CHECKING:
    from collections.abc import Iterable

    Part = tuple[int, tuple[Reading, ...], str, int]

__all__ = ["template"]  # a fixture


def each_minute(
    key: str, minutes: Iterable[int], value: float, then: str = "", pause: int = 0
) -> list[Part]:
    """Calibrations of a channel that arrive as they are measured, and what comes after the last."""
    *before, last = [
        (Reading(key, START + minute * MINUTE, value, "calibration"),) for minute in minutes
    ]
    parts: list[Part] = [(some[0].time + SECOND, some, "", 0) for some in before]
    return [*parts, (last[0].time + SECOND, last, then, pause)]


async def test_a_selected_channel_of_which_an_alert_opened_since_is_judged_to_its_end(
    postgres_url: str, template: str
) -> None:
    """It is cold, what it selects from is warm, and nothing more is heard of both."""
    stream = followed(
        *each_minute("so2", range(10), 50.0, "stop"),
        *each_minute("so2", range(10, 40), 150.0, "kill", HOUR),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    assert {one["peak"] for one in found["alerts"]} == {150.0}


CORRECTED = tuple(Reading("so2", START + n * MINUTE, 150.0, "calibration") for n in range(20))


@pytest.mark.parametrize("also", [(), ("nox",)], ids=["alone", "with one of the present member's"])
@pytest.mark.parametrize("begin", [30, 5 * 24 * 60], ids=["at once", "days later"])
async def test_what_is_corrected_of_a_former_member_counts_where_it_was_one(
    postgres_url: str, template: str, begin: int, also: Iterable[str]
) -> None:
    """Whether the present member is in memory at the start, or is read back for its own sake."""
    change = Change({"in calibration": select("nox", "calibration")}, START + 30 * MINUTE)
    last = START + (begin + 29) * MINUTE
    more = tuple(Reading(key, last, 51.0, "calibration") for key in also)
    stream = followed(
        *each_minute("so2", range(30), 50.0),
        *each_minute("nox", range(begin, begin + 20), 50.0, "stop"),
        *each_minute("nox", range(begin + 20, begin + 30), 50.0),
        (last + MINUTE, (*CORRECTED, *more), "kill unjudged", HOUR),
    )
    found = await assert_as_if_announced(postgres_url, template, stream, [change])
    own = [one for one in found[OF_DERIVED] if one["basis"] == "in calibration"]
    assert (from_micros(START), 150.0) in {(one["start"], one["mean"]) for one in own}


async def test_an_alert_of_a_channel_that_is_long_silent_is_judged_to_its_end(
    postgres_url: str, template: str
) -> None:
    """All its blocks are closed, its mean over a day still rises: what was low leaves the day."""
    parts = []
    for hour in range(12, 19):
        level, minutes = 40.0 if hour < 14 else 150.0, range(60 * hour, 60 * hour + 60)
        some = [Reading("so2", START + n * MINUTE, level, "calibration") for n in minutes]
        parts.append((some[-1].time + SECOND, tuple(some), "", 0))
    valid = (Reading("so2", START + 19 * HOUR, 10.0, None),)
    oxygen = (Reading("nox", START + 21 * HOUR, 10.0, None),)
    stream = followed(
        *parts,
        (START + 19 * HOUR + SECOND, valid, "sweep", 65 * MINUTE),
        (START + 21 * HOUR, oxygen, "kill forgetful", 30 * HOUR),
    )
    found = await assert_as_in_order(postgres_url, template, stream, START)
    [day] = [
        one for one in found["alerts"] if (one["basis"], one["window"]) == ("in calibration", "1d")
    ]
    assert day["peak_at"] > "2025-06-02T12:00:00Z"


async def test_it_is_silent_where_the_member_of_now_is(postgres_url: str, template: str) -> None:
    """What is heard of a former member tells nothing of a selected channel."""
    change = Change({"in calibration": select("nox", "calibration")}, START + 30 * MINUTE)
    stream = followed(
        *each_minute("so2", range(30), 150.0),
        *each_minute("nox", range(30, 60), 150.0),
        *each_minute("so2", range(60, 90), 150.0, "sweep", MINUTE),
    )

    async def taken(number: int) -> None:
        if number == 31:
            await change.take(server)

    async with whole(postgres_url, template, FIRST) as server:
        await follow(server, stream, taken)
        found = (await server.answers(START))["alerts"]
    silent = {one["silent_since"] for one in found if one["basis"] == "in calibration"}
    assert silent == {"2025-06-01T00:59:00Z"}
