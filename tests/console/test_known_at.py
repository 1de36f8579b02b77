"""as_known_at and revisions=all on averages and judgements: what was published stays readable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from alerts.core.vocabulary import Judgement as State
from console.models import Average, Judgement
from tests.console.world import MINUTE, World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
TWENTY = 20 * MINUTE
NOON = "2026-11-22T12:00:00Z"


def shown(items: list[dict[str, Any]]) -> list[tuple[str, float | None, int]]:
    """Return start (time of day), mean and revision of each."""
    return [(item["start"][11:16], item["mean"], item["revision"]) for item in items]


async def revised_blocks(world: World, made: Made) -> None:
    """Blocks 03:00 … 03:40; that of 03:20 is corrected at 05:00 and emptied at 06:00."""
    await world.readings(made["so2"], [(at("03:00") + n * MINUTE, 1.0) for n in range(60)])
    for start, mean in (("03:00", 1.0), ("03:20", 2.0), ("03:40", 3.0)):
        await world.block(made["so2"], at(start), mean)
    await world.block(made["so2"], at("03:20"), 2.5, revision=1, known_at=at("05:00"))
    await world.block(made["so2"], at("03:20"), None, filled=0, revision=2, known_at=at("06:00"))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("03:20", []),
        ("03:21", [("03:00", 1.0, 0)]),
        ("04:59", [("03:00", 1.0, 0), ("03:20", 2.0, 0), ("03:40", 3.0, 0)]),
        ("05:30", [("03:00", 1.0, 0), ("03:20", 2.5, 1), ("03:40", 3.0, 0)]),
        ("07:00", [("03:00", 1.0, 0), ("03:20", None, 2), ("03:40", 3.0, 0)]),
    ],
)
async def test_blocks_are_shown_as_they_were_known(
    server: Server, world: World, made: Made, time: str, expected: list[Any]
) -> None:
    await revised_blocks(world, made)
    asked = {"as_known_at": at(time).isoformat(), "end": "2026-11-22T04:00:00Z"}
    items = await server.items("averages", **asked)
    assert shown(items) == expected
    assert await server.joined("averages", 1, **asked) == items


async def test_the_present_names_the_revision_of_a_block_that_was_emptied(
    server: Server, world: World, made: Made
) -> None:
    await revised_blocks(world, made)
    items = await server.items("averages", end="2026-11-22T04:00:00Z")
    assert items[1] == {
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "basis": None,
        "start": "2026-11-22T03:20:00Z",
        "end": "2026-11-22T03:40:00Z",
        "mean": None,
        "count": 0,
        "expected": 20,
        "coverage": 0.0,
        "revision": 2,
        "known_at": "2026-11-22T06:00:00Z",
    }
    Average.model_validate(items[1])


async def test_every_revision_of_a_block_is_listed(
    server: Server, world: World, made: Made
) -> None:
    await revised_blocks(world, made)
    await world.block(made["nox"], at("03:20"), 7.0)
    items = await server.items("averages", channel="so2", revisions="all")
    assert shown(items) == [
        ("03:00", 1.0, 0),
        ("03:20", 2.0, 0),
        ("03:20", 2.5, 1),
        ("03:20", None, 2),
        ("03:40", 3.0, 0),
    ]
    assert [item["known_at"][11:16] for item in items][1:4] == ["03:41", "05:00", "06:00"]
    for item in items:
        Average.model_validate(item)
    every = await server.items("averages", revisions="all")
    assert len(every) == 6
    for limit in (1, 2, 5):
        assert await server.joined("averages", limit, revisions="all") == every
    then = {"revisions": "all", "as_known_at": "2026-11-22T05:30:00Z", "channel": "so2"}
    assert len(await server.items("averages", **then)) == 4
    some = {"revisions": "all", "start": "2026-11-22T03:20:00Z", "end": "2026-11-22T03:40:00Z"}
    assert len(await server.items("averages", **some)) == 4
    assert await server.items("averages", window="1h", revisions="all") == []


async def test_empty_blocks_are_shown_as_far_as_was_known(
    server: Server, world: World, made: Made
) -> None:
    """The channel was silent from 03:20 on, and sent later what it had measured meanwhile."""
    await world.block(made["so2"], at("03:00"), 1.0)
    early = [(at("03:00") + n * MINUTE, 1.0) for n in range(20)]
    await world.readings(made["so2"], early)
    late = [(at("03:20") + n * MINUTE, 2.0) for n in range(60)]
    await world.readings(made["so2"], late, received_at=at("08:00"))
    for start in ("03:20", "03:40", "04:00"):
        await world.block(made["so2"], at(start), 2.0, known_at=at("08:01"))
    items = await server.items("averages", as_known_at="2026-11-22T04:02:00Z")
    assert shown(items) == [("03:00", 1.0, 0), ("03:20", None, 0), ("03:40", None, 0)]
    assert items[1]["known_at"] is None
    now = await server.items("averages", end="2026-11-22T04:20:00Z")
    assert [mean for _, mean, _ in shown(now)] == [1.0, 2.0, 2.0, 2.0]


async def test_judgements_are_shown_as_they_were_known(
    server: Server, world: World, made: Made
) -> None:
    limit = await world.limit(made["so2"], 700, "20min", TWENTY)
    await world.db.execute("update registry_versions set applied_at = $1", at("01:00"))
    await world.readings(made["so2"], [(at("03:00") + n * MINUTE, 1.0) for n in range(60)])
    await world.judgement(limit, at("03:00"), 1.0, State.COMPLIANT)
    await world.judgement(limit, at("03:20"), 701.0, State.EXCEEDED)
    await world.judgement(limit, at("03:40"), 1.0, State.COMPLIANT)
    again = {"revision": 1, "known_at": at("05:00"), "filled": 0}
    await world.judgement(limit, at("03:20"), None, State.NOT_ASSESSABLE, **again)

    async def states(**asked: str) -> list[tuple[str, int]]:
        items = await server.items("judgements", end="2026-11-22T04:00:00Z", **asked)
        for item in items:
            Judgement.model_validate(item)
        return [(item["state"], item["revision"]) for item in items]

    assert await states(as_known_at="2026-11-22T03:10:00Z") == []
    first = [("compliant", 0), ("exceeded", 0), ("compliant", 0)]
    assert await states(as_known_at="2026-11-22T04:59:59Z") == first
    now = [("compliant", 0), ("not_assessable", 1), ("compliant", 0)]
    assert await states(as_known_at="2026-11-22T05:00:00Z") == now
    assert await states() == now
    every = await states(revisions="all")
    assert every == [
        *(("compliant", 0), ("exceeded", 0)),
        *(("not_assessable", 1), ("compliant", 0)),
    ]
    whole = await server.items("judgements", revisions="all")
    assert await server.joined("judgements", 1, revisions="all") == whole
    assert await server.items("judgements", revisions="all", window="1h") == []


async def test_a_limit_that_was_not_known_judged_nothing(
    server: Server, world: World, made: Made
) -> None:
    await world.limit(made["so2"], 700, "20min", TWENTY)
    await world.db.execute("update registry_versions set applied_at = $1", at("05:00"))
    await world.readings(made["so2"], [(at("03:00"), 1.0)], status=1)
    asked = {"end": "2026-11-22T04:00:00Z"}
    assert await server.items("judgements", as_known_at="2026-11-22T04:59:00Z", **asked) == []
    assert len(await server.items("judgements", as_known_at=NOON, **asked)) == 3


async def test_rolling_means_rest_on_the_readings_known_then(
    server: Server, world: World, made: Made
) -> None:
    samples = [(at("03:00") + n * MINUTE, 1.0) for n in range(60)]
    await world.readings(made["so2"], samples[:20], received_at=at("03:20"))
    await world.readings(made["so2"], samples[20:], received_at=at("04:00"))
    await world.revision(made["so2"], at("03:05"), 21.0, at("06:00"), 1)
    asked = {"kind": "rolling", "window": "20min", "channel": "so2"}

    async def mean(start: str, **then: str) -> float | None:
        bounds = {"start": at(start).isoformat(), "end": (at(start) + MINUTE).isoformat()}
        items = await server.items("averages", **asked, **bounds, **then)
        return items[0]["mean"] if items else None

    assert await mean("03:00") == 2.0
    assert await mean("03:00", as_known_at="2026-11-22T06:00:00Z") == 2.0
    assert await mean("03:00", as_known_at="2026-11-22T05:59:59Z") == 1.0
    # At 03:25 nothing of 03:20 and later had come: windows end by the clock, a minute before.
    then = {"as_known_at": "2026-11-22T03:25:00Z"}
    assert await mean("03:04", **then) == 1.0
    assert await mean("03:05", **then) is None
    whole = await server.items("averages", **asked, **then)
    assert whole[-1]["end"] == "2026-11-22T03:24:00Z"
    assert whole[-1]["count"] == 16
    assert (whole[0]["revision"], whole[0]["known_at"]) == (None, None)
    Average.model_validate(whole[0])
    assert await server.joined("averages", 7, **asked, **then) == whole


async def test_rolling_means_have_no_revisions(bare: Server, server: Server) -> None:
    problem = await server.refused("averages", 400, kind="rolling", revisions="all")
    assert problem["parameter"] == "revisions"
    problem = await bare.refused("averages", 400, as_known_at="yesterday")
    assert problem["parameter"] == "as_known_at"
