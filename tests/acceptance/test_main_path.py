"""One unit's data on their way: stored, judged, announced, whatever comes late or twice.

Seen from outside only: raw messages in, the API's answers and signed notices out, on each broker.
"""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from storage.embedded import EmbeddedPostgres
from tests.acceptance import plants
from tests.acceptance.api import Api, Item, instant
from tests.acceptance.publishing import Plant, minutes, plant, retained, sample
from tests.acceptance.server import serving, until
from tests.acceptance.waiting import counted, seen, told
from tests.oracles import MINUTE, Limit, Reading, alert_history

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.acceptance.waiting import Where
    from tests.oracles import Alert

pytestmark = pytest.mark.timeout(400)
WINDOW = 20 * MINUTE
QUIET, HIGH = 50.0, 150.0


async def test_the_database_goes_away_and_comes_back(
    here: Path, broker_options: dict[str, str], start: datetime
) -> None:
    """The broker keeps what cannot be stored, readiness says why; then nothing is missing."""
    registry = plants.write(here, plants.registry())
    sent = minutes(start, [QUIET] * 40)
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(AsyncExitStack())
        url = await postgres.enter_async_context(EmbeddedPostgres(here / "pg"))
        server = await stack.enter_async_context(
            serving(here, registry=registry, database=url, **broker_options)
        )
        api = await stack.enter_async_context(server.api())
        unit = await stack.enter_async_context(plant(server.mqtt))
        for one in sent[:20]:
            await unit.send(one)
        await counted(api, stored=20)
        await postgres.aclose()

        async def not_ready() -> bool:
            return await api.status("/readyz") == 503

        for one in sent[20:]:
            await unit.send(one)
        await until(not_ready, "readiness to end")
        assert await api.status("/healthz") == 200
        await stack.enter_async_context(EmbeddedPostgres(here / "pg"))
        await counted(api, stored=40)
        entry = (await api.ledger())["ams-1"]
        assert entry["messages"]["received"] == entry["messages"]["stored"] == 40
        await server.stop()


async def test_an_alert_from_its_opening_to_its_end(where: Where, start: datetime) -> None:
    """Opened, raised, resolved, with a signed notice and the values behind it; acknowledged."""
    server, api, hook = where
    async with plant(server.mqtt) as unit:
        await unit.send(*minutes(start, [QUIET] * 30 + [HIGH] * 30))
        [alert] = await seen(api, lambda some: some and some[0]["severity"] == "exceedance")
        assert (alert["state"], alert["window"], alert["limit"]) == ("open", "20min", 100.0)
        await told(hook, alert["id"], ["opened"])
        event = hook.events[0]
        assert (event["specversion"], event["subject"]) == ("1.0", alert["id"])
        assert event["data"]["enterprise"] == "gres1"
        assert event["data"]["evidence"]["mean"] > 80
        body = {"by": "A. Operator", "reason": "start-up", "comment": "boiler 3"}
        answer = await api.post(f"alerts/{alert['id']}/acknowledge", body)
        assert answer["acknowledged"]["by"] == "A. Operator"
        await unit.send(*minutes(start + timedelta(minutes=60), [QUIET] * 60))
        [ended] = await seen(api, lambda some: some[0]["state"] == "resolved")
        assert ended["id"] == alert["id"]
        assert ended["acknowledged"]["comment"] == "boiler 3"
        await told(hook, alert["id"], ["opened", "resolved"])
    sent = [QUIET] * 30 + [HIGH] * 30 + [QUIET] * 60
    await as_the_twin(api, {start + timedelta(minutes=n): v for n, v in enumerate(sent)})
    full = await api.get(f"alerts/{alert['id']}")
    assert full["history"][0]["change"] == "opened"
    notices = await api.items("notices")
    assert [(one["type"], one["outcome"]) for one in notices] == [
        ("kz.ams.alert.opened", "delivered"),
        ("kz.ams.alert.resolved", "delivered"),
    ]
    await server.all_judged()
    blocks = await api.items("judgements", window="20min")
    states = [block["state"] for block in blocks]
    assert states[:5] == ["compliant", "compliant", "exceeded", "compliant", "compliant"]
    assert blocks[1]["mean"] == 100.0, "equal to the limit is not above it"


async def test_late_data_open_change_and_withdraw_alerts(where: Where, start: datetime) -> None:
    """Each with a notice; what remains is what the same readings in order would have made."""
    server, api, hook = where
    sent: dict[datetime, float] = {}
    async with plant(server.mqtt) as unit:

        async def send(first: int, values: Sequence[float]) -> None:
            samples = minutes(start + timedelta(minutes=first), values)
            sent.update({instant(one["time"]): one["values"]["so2"] for one in samples})
            await unit.send(*samples)

        await send(0, [QUIET] * 10)
        await send(70, [QUIET] * 50)
        await counted(api, stored=60)
        await server.all_judged()
        assert not await api.alerts()
        await send(10, [HIGH] * 60)  # late data open an alert
        [first] = await seen(api, lambda some: len(some) == 1 and some[0]["state"] == "resolved")
        assert first["late"]
        await as_the_twin(api, sent)
        await told(hook, first["id"], ["resolved"])
        await send(20, [4 * HIGH] * 5)  # revised data change its peak
        await seen(api, lambda some: some[0]["peak"] > first["peak"])
        await as_the_twin(api, sent)
        await told(hook, first["id"], ["resolved", "updated"])
        await send(10, [QUIET] * 60)  # revised data withdraw it
        [gone] = await seen(api, lambda some: some[0]["state"] == "withdrawn")
        assert (gone["id"], gone["replaced_by"]) == (first["id"], None)
        await told(hook, first["id"], ["resolved", "updated", "withdrawn"])
        await as_the_twin(api, sent)


async def test_episodes_that_become_one_keep_the_earliest_id(where: Where, start: datetime) -> None:
    """Late data join two alerts: the earlier one stays, the other says what replaced it."""
    server, api, hook = where
    async with plant(server.mqtt) as unit:
        await unit.send(*minutes(start, [HIGH] * 40 + [0.0] * 60 + [HIGH] * 40 + [0.0] * 40))
        two = await seen(api, lambda some: [one["state"] for one in some] == ["resolved"] * 2)
        await unit.send(*minutes(start + timedelta(minutes=40), [HIGH] * 60))
        ids = {one["id"] for one in two}
        after = await seen(
            api, lambda some: sorted(one["state"] for one in some) == ["resolved", "withdrawn"]
        )
        assert {one["id"] for one in after} == ids
        kept, replaced = sorted(after, key=lambda one: instant(one["opened_at"]))
        assert (kept["id"], kept["state"]) == (two[0]["id"], "resolved")
        assert (replaced["state"], replaced["replaced_by"]) == ("withdrawn", kept["id"])
        await told(hook, replaced["id"], ["resolved", "withdrawn"])


@pytest.mark.parametrize("broker_options", [{}], ids=["embedded"])  # a matter of the clock alone
async def test_a_silent_channel_keeps_its_alert_open(where: Where) -> None:
    """`silent_since` is the channel's last reading; a new reading takes it back."""
    server, api, _ = where
    first = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=40)
    async with plant(server.mqtt) as unit:
        await unit.send(*minutes(first, [HIGH] * 30))
        # two minutes without a word
        [alert] = await seen(api, lambda some: some and some[0]["silent_since"] is not None, 240)
        assert alert["state"] == "open"
        assert instant(alert["silent_since"]) == first + timedelta(minutes=29)
        await unit.send(*minutes(first + timedelta(minutes=30), [HIGH]))
        await seen(api, lambda some: some[0]["silent_since"] is None)


async def test_a_unit_its_receipts_and_its_last_will(where: Where, start: datetime) -> None:
    """Gaps are shown and closed, the receipt is retained, a lost connection is `offline`."""
    server, api, _ = where

    async def unit_shows(**wanted: object) -> None:
        last: Item = {}

        async def shown() -> bool:
            [item] = await api.items("units")
            last.update(item)
            return all(item[name] == one for name, one in wanted.items())

        try:
            await until(shown, f"the unit to show {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows {last}") from None

    async def receipt_says(seq: int) -> None:
        async def said() -> bool:
            receipt = await retained(server.mqtt, "ams/v1/gres1/ams-1/receipt")
            return (receipt["boot"], receipt["seq"]) == ("b1", seq)

        await until(said, f"the receipt to say {seq}")

    async with plant(server.mqtt, will=True) as unit:
        await unit.state("online")
        for seq in (0, 1, 4):
            await unit.send(sample(start + timedelta(minutes=seq), {"so2": 1.0}), seq=seq)
        await unit_shows(state="online", boot="b1", seq=4, gaps=[[2, 3]])
        await receipt_says(1)
        for seq in (2, 3):
            await unit.send(sample(start + timedelta(minutes=seq), {"so2": 1.0}), seq=seq)
        await unit_shows(gaps=[], seq=4)
        await receipt_says(4)
        lose(unit)
        await unit_shows(state="offline")


def lose(unit: Plant) -> None:
    """The unit's line is cut: no farewell reaches the broker."""
    connection: Any = unit.client._client.socket()
    connection.shutdown(socket.SHUT_RDWR)


async def test_kill_9_amid_a_backlog(where: Where, start: datetime) -> None:
    """Nothing is lost, nothing is announced twice, the books balance, the alerts are the twin's."""
    server, _, hook = where
    values = ([QUIET] * 40 + [HIGH] * 40 + [0.0] * 40) * 3
    half = len(values) // 2
    sent = {start + timedelta(minutes=n): v for n, v in enumerate(values)}
    async with plant(server.mqtt) as unit:
        for minute in range(half):
            await unit.send(*minutes(start + timedelta(minutes=minute), [values[minute]]))
    await server.kill()
    if "--broker" in server.options:  # the broker lives on and takes what the unit sends
        async with plant(server.mqtt, seq=half) as unit:
            await rest(unit, start, values, half)
    await server.start()
    async with server.api() as after:
        if "--broker" not in server.options:
            async with plant(server.mqtt, seq=half) as unit:
                await rest(unit, start, values, half)

        async def all_stored() -> bool:
            return int((await after.ledger())["ams-1"]["readings"]["stored"]) >= len(values)

        await until(all_stored, f"{len(values)} readings")
        await server.all_judged()
        await seen(after, lambda some: [one["state"] for one in some] == ["resolved"] * 3)
        await as_the_twin(after, sent)
        readings = await after.items("readings", channel="so2")
        assert {instant(one["time"]): one["value"] for one in readings} == sent
        entry = (await after.ledger())["ams-1"]
        assert entry["readings"]["stored"] == len(values)
        assert entry["readings"]["revised"] == entry["readings"]["quarantined"] == 0
        [unit_] = await after.items("units")
        assert (unit_["seq"], unit_["gaps"]) == (len(values) - 1, [])

        async def all_told() -> bool:
            return all("resolved" in hook.of(one["id"]) for one in await after.alerts())

        await until(all_told, "the end of every alert to be announced")
        assert set(hook.announced().values()) == {1}, hook.announced()


async def rest(unit: Plant, start: datetime, values: Sequence[float], first: int) -> None:
    for minute in range(first, len(values)):
        await unit.send(*minutes(start + timedelta(minutes=minute), [values[minute]]))


async def as_the_twin(api: Api, sent: dict[datetime, float]) -> None:
    """Wait until the alerts that stand are those of the same readings in order."""
    readings = [Reading(micros(time), sent[time]) for time in sorted(sent)]
    limit = Limit(plants.LIMIT, WINDOW, MINUTE)
    expected = [course(one) for one in alert_history(readings, limit, readings[-1].time)]

    def stand(alerts: list[Item]) -> bool:
        alerts = [one for one in alerts if one["state"] != "withdrawn"]
        return [shown(one) for one in alerts] == expected

    await seen(api, stand)


def micros(moment: datetime) -> int:
    return round(moment.timestamp()) * 1_000_000


def course(alert: Alert) -> tuple[Any, ...]:
    times = (alert.opened_at, alert.resolved_at, alert.peak_at)
    return (*times, alert.state, alert.severity, alert.worst, float(alert.peak))


def shown(item: Item) -> tuple[Any, ...]:
    times = (item["opened_at"], item["resolved_at"], item["peak_at"])
    known = (None if one is None else micros(instant(one)) for one in times)
    return (*known, item["state"], item["severity"], item["worst"], item["peak"])
