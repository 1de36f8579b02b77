"""Through the whole server: recipes that change, whatever comes late and whenever it is stopped.

The plant of ``test_derived``; from some time on its derived channels are made otherwise.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from alerts.core.vocabulary import HOUR, MINUTE
from storage.registry_load import load_registry
from storage.times import from_micros
from tests.pipeline.streams import FIRST, START, Reading, Stream, streams
from tests.pipeline.test_derived import DERIVED, OXYGEN, chain, member, select, template
from tests.pipeline.test_order import arriving, follow, minutes, run_in_order
from tests.pipeline.whole import ZONE, Answers, Whole, assert_equal, of_event_time, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from storage.registry import Registry

__all__ = ["template"]  # a fixture

EXAMPLES = int(os.environ.get("ORDER_EXAMPLES", "8"))

CALIBRATED = member("so2", calibrations=[{"from_us": 0, "intercept": 2.0, "slope": 1.1}])
LATER = [
    {"from_us": 0, "intercept": 2.0, "slope": 1.1},
    {"from_us": START + 90 * MINUTE, "intercept": 0.0, "slope": 0.5},
]
AUXILIARY = {"temperature": member("nox", offset=273.15)}  # was that of dust
CHANGES = {
    "at 6 % O2": chain(MINUTE, CALIBRATED, **OXYGEN),
    "at 6 % O2, mark": dict(DERIVED)["at 6 % O2, mark"]
    | {"oxygen": member("nox", scale=0.05, wet=False)},  # without a substitute
    "at 0 °C": chain(20 * MINUTE, member("so2", required=9, calibrations=LATER), **AUXILIARY),
    "idle": select("so2", "malfunction", value="idle"),
    "in repair": select("so2", "calibration"),
}
_VERSION = """
with made as (
    insert into ams.registry_versions (id, effective, source, digest) overriding system value
    select max(id) + 1, $1, 'test', '' from ams.registry_versions returning id, effective)
insert into ams.channel_versions (channel, version, effective, ended, parameter, uom, period_us,
                                  recipe)
select c.id, made.id, made.effective, w.recipe is null, v.parameter, v.uom, v.period_us,
       coalesce(w.recipe::jsonb, v.recipe)
from made, unnest($2::text[], $3::text[]) as w (basis, recipe)
join ams.channels c using (basis)
join ams.channel_versions v on v.channel = c.id and v.version = 1
"""


class Change(NamedTuple):
    """Recipes by basis (None: it ends) from ``effective`` on, applied before a batch comes."""

    recipes: Mapping[str, dict[str, Any] | None]
    effective: int
    batch: int = 0
    stopped: bool = False

    async def apply(self, server: Whole) -> Registry:
        """Write it to the database, as another program does; return the registry."""
        texts = [None if one is None else json.dumps(one) for one in self.recipes.values()]
        await server.pool.execute(_VERSION, from_micros(self.effective), list(self.recipes), texts)
        async with server.pool.acquire() as conn:
            return await load_registry(conn, server.now, ZONE)

    async def take(self, server: Whole) -> None:
        """Apply it to a server that runs, or is stopped meanwhile."""
        if not self.stopped:
            await server.judge.follow(await self.apply(server))
            return
        await server.stop()
        await server.judge.finish()
        await self.apply(server)
        await server.begin()


async def reloaded(server: Whole) -> None:
    """Let a version come into force, as the server takes note of it."""
    async with server.pool.acquire() as conn:
        await server.judge.follow(await load_registry(conn, server.now, ZONE))


async def assert_as_if_announced(
    postgres_url: str, template: str, stream: Stream, changes: list[Change]
) -> Answers:
    """All is as if it had been known before, and readings had come in order."""

    async def before(number: int) -> None:
        for change in changes:
            if change.batch == number:
                await change.take(server)

    async with (
        whole(postgres_url, template, FIRST) as server,
        whole(postgres_url, template, FIRST) as calm,
    ):
        await follow(server, stream, before)
        for change in changes:
            await calm.judge.follow(await change.apply(calm))
        await run_in_order(calm, stream, server.now)
        await reloaded(calm)
        found = await server.answers(START)
        assert_equal(of_event_time(found), of_event_time(await calm.answers(START)))
        assert await calm.audit(FIRST) == []
        assert await server.audit(FIRST) == []
    return found


@st.composite
def changed_streams(draw: st.DrawFn) -> tuple[Stream, list[Change]]:
    """A stream with one or two changes, applied anywhere in it and effective at any time."""
    stream = draw(streams())
    final = stream.final
    found = []
    for _ in range(draw(st.integers(1, 2))):
        chosen = draw(st.sets(st.sampled_from(sorted(CHANGES)), min_size=1))
        place = draw(st.floats(0, 1))
        found.append(
            Change(
                {basis: CHANGES[basis] for basis in sorted(chosen)},
                final[int(place * (len(final) - 1))].time + draw(st.sampled_from([0, 1, 7 * HOUR])),
                draw(st.integers(0, len(stream.batches))),
                draw(st.booleans()),
            )
        )
    return stream, sorted(found, key=lambda one: one.batch)


@pytest.mark.timeout(60 + 60 * EXAMPLES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes too long to shrink
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(found=changed_streams())
async def test_order_of_arrival_and_of_changes_decides_nothing(
    postgres_url: str, template: str, found: tuple[Stream, list[Change]]
) -> None:
    """Delayed, shuffled, revised, cut and restarted, with recipes that change anywhere in it."""
    await assert_as_if_announced(postgres_url, template, *found)


async def test_what_comes_late_is_computed_by_the_recipe_of_its_time(
    postgres_url: str, template: str
) -> None:
    """Before and after the change, and of a member that the recipe has no more."""

    def oxygen(first: int, last: int) -> tuple[Reading, ...]:
        return tuple(one._replace(key="nox") for one in minutes(first, last, 100.0))

    def temperature(slot: int) -> tuple[Reading, ...]:
        return (Reading("dust", START + slot * 20 * MINUTE, 50.0, None),)

    parts = (
        *(minutes(0, 19, 95.0), oxygen(0, 9), minutes(20, 179, 95.0), oxygen(30, 179)),
        *(oxygen(10, 29), temperature(0), temperature(5)),
    )
    stream = arriving(*((START + (3 + n) * HOUR, one) for n, one in enumerate(parts)))
    change = Change(CHANGES, START + 70 * MINUTE, batch=4)
    found = await assert_as_if_announced(postgres_url, template, stream, [change])
    means = {
        (one["basis"], one["start"]): one["mean"]
        for one in found["blocks of derived channels"]
        if one["window_s"] == 1200
    }
    start = from_micros(START)
    assert means["at 0 °C", start] == pytest.approx(95.0 * (273.15 + 50) / 273.15)
    assert means["at 6 % O2", start] == pytest.approx(95.0 * 15 / 16)
    later = from_micros(START + 80 * MINUTE)
    assert means["at 6 % O2", later] == pytest.approx((2 + 1.1 * 95.0) * 15 / 16)
