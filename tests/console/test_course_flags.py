"""GET /api/v1/readings: stuck and jump, which tell of a value among those before it.

They follow from the readings that are stored, whatever came first and whichever page is asked for.
"""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from storage.times import from_micros, to_micros
from tests.console.world import MINUTE, World, at
from tests.oracle_flags import Allowed, stuck_and_jumping
from tests.oracles import HOUR, Reading

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
ALLOWED = Allowed(60_000_000, 2 * HOUR, 500.0)


async def flags(server: Server, **query: str) -> list[list[str]]:
    """Return the flags of a list, which is the same in pages of one reading each."""
    whole = await server.items("readings", **query)
    assert await server.joined("readings", 1, **query) == whole
    return [item["flags"] for item in whole]


async def test_a_late_reading_gets_its_flags_and_changes_its_neighbours(
    server: Server, world: World, watched: Made
) -> None:
    so2 = watched["so2"]
    await world.readings(so2, [(at("03:00"), 100.0), (at("03:02"), 1200.0)])
    assert await flags(server) == [[], ["jump"]]
    await world.readings(so2, [(at("03:01"), 700.0)], received_at=at("04:00"), flags=16 + 128)
    assert await flags(server) == [[], ["jump", "late", "gap_before"], []]
    assert await flags(server, as_known_at=at("03:30").isoformat()) == [[], ["jump"]]


async def test_a_late_change_ends_what_was_stuck_until_it_is_corrected(
    server: Server, world: World, watched: Made
) -> None:
    so2 = watched["so2"]
    times = [at("03:00") + n * 40 * MINUTE for n in range(5)]
    await world.readings(so2, [(time, 7.0) for time in times])
    assert await flags(server) == [[], [], [], [], ["stuck"]]
    await world.readings(so2, [(at("03:50"), 8.0)], received_at=at("06:00"))
    assert await flags(server) == [[]] * 6
    await world.revision(so2, at("03:50"), 7.0, at("07:00"), 1)
    assert await flags(server) == [[], [], ["revised"], [], [], ["stuck"]]


async def test_what_is_not_valid_has_no_flags_and_is_no_neighbour(
    server: Server, world: World, watched: Made
) -> None:
    so2 = watched["so2"]
    await world.readings(so2, [(at("03:00"), 100.0), (at("03:04"), 100.0), (at("03:05"), 900.0)])
    await world.readings(so2, [(at("03:01"), 9000.0)], status=1)
    await world.readings(so2, [(at("03:02"), None)], status=3)
    await world.readings(so2, [(at("03:06"), 6000.0)], flags=1)  # out of range, and yet a value
    assert await flags(server) == [[], [], [], [], ["jump"], ["range", "jump"]]


async def test_of_all_revisions_the_current_one_is_flagged_wherever_a_page_ends(
    server: Server, world: World, watched: Made
) -> None:
    so2 = watched["so2"]
    times = [at("03:00") + n * MINUTE for n in range(3)]
    await world.readings(so2, zip(times, (1.0, 900.0, 901.0), strict=True))
    for number, value in enumerate((902.0, 903.0, 100.0), start=1):
        await world.revision(so2, times[1], value, at(f"0{3 + number}:00"), number)
    every = [[], [], ["revised"], ["revised"], ["revised"], ["jump"]]
    assert await flags(server, revisions="all") == every
    for limit in range(2, 6):
        joined = await server.joined("readings", limit, revisions="all")
        assert [item["flags"] for item in joined] == every, limit
    assert await flags(server) == [[], ["revised"], ["jump"]]
    early = {"as_known_at": at("05:30").isoformat()}
    assert await flags(server, **early) == [[], ["jump", "revised"], []]
    assert await flags(server, **early, revisions="all") == [
        [], [], ["revised"], ["jump", "revised"], [],
    ]  # fmt: skip


async def test_the_first_reading_that_is_left_begins_anew(
    server: Server, world: World, watched: Made
) -> None:
    """So it is with the first of a channel, and once retention has dropped those before it."""
    so2 = watched["so2"]
    await world.readings(so2, [(at("03:00"), 1.0), (at("03:01"), 900.0), (at("03:02"), 1.0)])
    assert await flags(server, start=at("03:01").isoformat()) == [["jump"], ["jump"]]
    await world.db.execute("delete from readings where time < $1", at("03:01"))
    assert await flags(server) == [[], ["jump"]]


async def test_a_channel_is_held_to_what_it_allowed_at_the_time(
    server: Server, world: World, watched: Made
) -> None:
    so2 = watched["so2"]
    await world.channel_version(so2, effective=at("03:03"), max_step=5)
    await world.channel_version(so2, effective=at("03:02"), max_step=50)  # replaces the one above
    await world.channel_version(so2, effective=at("03:04"))
    values = (100.0, 200.0, 300.0, 340.0, 940.0)
    await world.readings(so2, [(at(f"03:0{n}"), value) for n, value in enumerate(values)])
    assert await flags(server) == [[], [], ["jump"], [], []]


async def test_what_is_older_than_its_channel_is_held_to_what_that_allowed_first(
    server: Server, world: World, watched: Made
) -> None:
    await world.readings(watched["so2"], [(at("02:59"), 1.0)])
    co = await world.channel("gres1/stack-1/co", effective=at("03:05"), max_step=50)
    await world.channel_version(co, effective=at("03:06"))
    await world.readings(co, [(at("03:00"), 0.0), (at("03:01"), 100.0), (at("03:06"), 900.0)])
    assert await flags(server) == [[], [], ["jump"], []]


async def readings_of_a_day(world: World, numbers: list[int]) -> dict[tuple[str, int], list[str]]:
    """Write what channels sent, in an order of its own; return the flags of each of them.

    The key is (time, number), as the list is sorted.
    """
    dice = Random(3)
    expected, rows = {}, []
    for number in numbers:
        time, value, sent = to_micros(at("03:00")), 100.0, []
        for _ in range(30):
            value = dice.choice([value, value, value, 100.0, 900.0])
            status = dice.choice(["valid"] * 9 + ["calibration"])
            sent.append(Reading(time, value, status))
            time += dice.choice([1, 1, 30, 61]) * ALLOWED.period
        names = stuck_and_jumping((reading, ALLOWED) for reading in sent)
        for reading, flagged in zip(sent, names, strict=True):
            expected[from_micros(reading.time).isoformat(), number] = flagged
            rows.append((number, reading))
    dice.shuffle(rows)
    for number, reading in rows:
        await world.readings(
            number,
            [(from_micros(reading.time), reading.value)],
            status=0 if reading.status == "valid" else 1,
        )
    return expected


@pytest.mark.parametrize("at_once", [500_000, 1])
async def test_every_page_shows_the_flags_of_the_whole(
    server: Server,
    world: World,
    made: Made,
    at_once: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("storage.queries.course._AT_ONCE", at_once)
    for name in ("so2", "nox"):
        await world.channel_version(made[name], max_step=ALLOWED.max_step)
    await world.channel_version(made["o2"], stuck_after=timedelta(0))
    expected = await readings_of_a_day(world, [made["so2"], made["nox"]])
    await world.readings(made["o2"], [(at("03:00") + n * 30 * MINUTE, 7.0) for n in range(20)])
    whole: list[dict[str, Any]] = await server.items("readings")
    found = {
        (at(item["time"]).isoformat(), made[item["channel"]]): item["flags"]
        for item in whole
        if item["channel"] != "o2"
    }
    assert found == expected
    assert sorted({tuple(names) for names in found.values()}) == [
        (), ("jump",), ("stuck",),
    ]  # fmt: skip
    assert all(item["flags"] == [] for item in whole if item["channel"] == "o2")
    for limit in (2, 7, 40):
        assert await server.joined("readings", limit) == whole, limit
    for item in whole[::15]:
        shown = await server.items("readings", start=item["time"])
        assert shown == whole[-len(shown) :]
