"""GET /api/v1/alerts · /alerts/{id} · /notices, POST /api/v1/alerts/{id}/acknowledge."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from console.models import Alert, AlertWithHistory, Notice
from storage.queries.alerts import alert_items
from tests.console.world import World, at

if TYPE_CHECKING:
    from tests.console.conftest import Server

Made = dict[str, int]
TWENTY = timedelta(minutes=20)
ACKNOWLEDGEMENT = {"by": "A. Serik", "reason": "filter change", "comment": "until noon"}


async def limit_on(world: World, channel: int) -> tuple[int, int]:
    return await world.limit(channel, 700, "20min", TWENTY)


@pytest_asyncio.fixture
async def alert(world: World, made: Made) -> UUID:
    return await world.alert(await limit_on(world, made["so2"]), at("03:20"))


async def test_an_alert_shows_its_limit_course_and_acknowledgement(
    server: Server, world: World, made: Made
) -> None:
    limit = await limit_on(world, made["so2"])
    alert = await world.alert(limit, at("03:20"))
    items = await server.items("alerts")
    assert items == [
        {
            "id": str(alert),
            "kind": "limit",
            "enterprise": "gres1",
            "source": "stack-1",
            "channel": "so2",
            "basis": None,
            "parameter": "0330",
            "window": "20min",
            "limit": 700.0,
            "uom": "mg/m3",
            "permit": "KZ28VDD00145762",
            "limit_version": limit[1],
            "rules": None,
            "condition": None,
            "severity": "exceedance",
            "worst": "exceedance",
            "state": "open",
            "opened_at": "2026-11-22T03:20:00Z",
            "resolved_at": None,
            "peak": 812.5,
            "peak_at": "2026-11-22T03:20:00Z",
            "value": 790.0,
            "silent_since": None,
            "late": False,
            "acknowledged": None,
            "replaced_by": None,
        }
    ]
    Alert.model_validate_json(_json(items[0]))
    assert await alert_items(world.db, [alert]) == items


async def test_alerts_are_chosen_by_state_severity_and_channel(
    server: Server, world: World, made: Made
) -> None:
    so2, nox = await limit_on(world, made["so2"]), await limit_on(world, made["nox"])
    await world.alert(so2, at("03:00"), severity="warning")
    await world.alert(so2, at("04:00"), state="resolved")
    await world.alert(nox, at("05:00"))
    opened = [item["opened_at"][11:16] for item in await server.items("alerts", state="open")]
    assert opened == ["03:00", "05:00"]
    assert len(await server.items("alerts", severity="exceedance")) == 2
    assert len(await server.items("alerts", state="open", severity="exceedance")) == 1
    assert len(await server.items("alerts", channel="gres1/stack-1/so2")) == 2
    assert len(await server.items("alerts", start="2026-11-22T04:00:00Z")) == 2
    assert len(await server.items("alerts", end="2026-11-22T04:00:00Z")) == 1


async def test_an_alert_without_a_limit_names_its_channel_and_average(
    server: Server, world: World, made: Made
) -> None:
    over = await world.alert(await limit_on(world, made["so2"]), at("03:00"))
    differs = await world.disagreement(made["so2"], at("03:20"), "20min")
    await world.notice(differs, at("03:21"))
    (item,) = await server.items("alerts", kind="disagreement", channel="so2", state="open")
    assert item["id"] == str(differs)
    assert (item["channel"], item["parameter"], item["uom"]) == ("so2", "0330", "mg/m3")
    assert (item["window"], item["value"], item["peak"]) == ("20min", 21.5, 30.25)
    assert (item["limit"], item["permit"], item["limit_version"]) == (None, None, None)
    Alert.model_validate_json(_json(item))
    assert [one["id"] for one in await server.items("alerts", kind="limit")] == [str(over)]
    assert [one["id"] for one in await server.items("alerts")] == [str(over), str(differs)]
    assert not await server.items("alerts", kind="disagreement", channel="nox")
    (notice,) = await server.items("notices", channel="so2")
    assert (notice["alert"], notice["channel"]) == (str(differs), "so2")


async def test_pages_of_alerts_join_over_ties(server: Server, world: World, made: Made) -> None:
    so2 = await limit_on(world, made["so2"])
    for n in range(5):
        await world.alert(so2, at("03:00") + n // 3 * TWENTY)
    whole = await server.items("alerts")
    keys = [(item["opened_at"], UUID(item["id"])) for item in whole]
    assert keys == sorted(keys)
    for limit in [1, 2, 4]:
        assert await server.joined("alerts", limit) == whole


async def test_one_alert_comes_with_its_history(server: Server, world: World, made: Made) -> None:
    alert = await world.alert(await limit_on(world, made["so2"]), at("03:20"))
    await world.history(alert, at("03:20"), "opened")
    await world.history(alert, at("03:41"), "exceedance")
    item = await server.get(f"alerts/{alert}")
    assert [entry["change"] for entry in item["history"]] == ["opened", "exceedance"]
    entry = item["history"][0]
    assert entry["at"] == "2026-11-22T03:20:00Z"
    assert entry["evidence"] == {"count": 20}
    AlertWithHistory.model_validate_json(_json(item))


@pytest.mark.parametrize("name", ["00000000-0000-4000-8000-000000000000", "x", "%00"])
async def test_an_alert_that_is_not_there_is_404(server: Server, name: str) -> None:
    await server.refused(f"alerts/{name}", 404)
    await server.post(f"alerts/{name}/acknowledge", 404, json=ACKNOWLEDGEMENT)


async def test_acknowledging_answers_the_alert_and_stays_in_its_history(
    server: Server, alert: UUID
) -> None:
    item = await server.post(f"alerts/{alert}/acknowledge", json=ACKNOWLEDGEMENT)
    said = {**ACKNOWLEDGEMENT, "at": "2026-11-22T12:00:00Z"}
    assert item["acknowledged"] == said
    assert item["state"] == "open"
    (entry,) = (await server.get(f"alerts/{alert}"))["history"]
    assert (entry["change"], entry["state"]) == ("acknowledged", "open")
    assert (entry["at"], entry["evidence"]) == (said["at"], said)
    assert server.changed == [str(alert)]


async def test_the_first_acknowledgement_stands(server: Server, world: World, made: Made) -> None:
    alert = await world.alert(await limit_on(world, made["so2"]), at("03:20"))
    await server.post(f"alerts/{alert}/acknowledge", json={"by": "A", "reason": "B"})
    problem = await server.post(f"alerts/{alert}/acknowledge", 409, json=ACKNOWLEDGEMENT)
    assert "A acknowledged" in problem["detail"]
    item = await server.get(f"alerts/{alert}")
    assert item["acknowledged"]["comment"] is None
    assert len(item["history"]) == 1
    assert server.changed == [str(alert)]


@pytest.mark.parametrize(
    ("sent", "status", "says"),
    [
        ({"json": {"reason": "x"}}, 400, "by"),
        ({"json": {"by": "x"}}, 400, "reason"),
        ({"json": {"by": "  ", "reason": "x"}}, 400, "by"),
        ({"json": {"by": 1, "reason": "x"}}, 400, "by"),
        ({"json": {"by": "x", "reason": "x", "coment": "x"}}, 400, "coment"),
        ({"json": {"by": "x\x00", "reason": "x"}}, 400, "by"),
        ({"json": {"by": "\ud800", "reason": "x"}}, 400, "by"),
        ({"json": []}, 400, "object"),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 400, "JSON"),
        ({"data": b"\xff", "headers": {"Content-Type": "application/json"}}, 400, "JSON"),
        ({"headers": {"Content-Type": "application/json"}}, 400, "JSON"),
        ({"data": {"by": "x", "reason": "y"}}, 415, "JSON"),
        ({"json": {"by": "x", "reason": "x" * 70_000}}, 413, "large"),
    ],
)
async def test_a_wrong_acknowledgement_is_refused(
    bare: Server, sent: dict[str, object], status: int, says: str
) -> None:
    problem = await bare.post(f"alerts/{uuid4()}/acknowledge", status, **sent)
    assert problem["status"] == status
    assert says in problem["detail"]


async def test_notices_show_recipient_attempts_and_outcome(
    server: Server, world: World, alert: UUID
) -> None:
    sent = await world.notice(
        alert,
        at("03:21"),
        state="delivered",
        attempts=2,
        last_attempt_at=at("03:22"),
        last_outcome="200",
    )
    await world.notice(alert, at("03:40"))
    items = await server.items("notices")
    assert items[0] == {
        "id": str(sent),
        "alert": str(alert),
        "enterprise": "gres1",
        "source": "stack-1",
        "channel": "so2",
        "recipient": "committee",
        "type": "kz.ams.alert.opened",
        "attempts": 2,
        "outcome": "delivered",
        "created_at": "2026-11-22T03:21:00Z",
        "last_attempt_at": "2026-11-22T03:22:00Z",
        "last_answer": "200",
    }
    Notice.model_validate_json(_json(items[0]))
    assert len(await server.items("notices", outcome="waiting", recipient="committee")) == 1
    assert len(await server.items("notices", alert=str(alert), enterprise="gres1")) == 2
    assert await server.items("notices", alert=str(uuid4())) == []
    assert await server.items("notices", channel="nox") == []
    page = await server.get("notices", limit="1")
    assert page["items"] == items[:1]
    assert (await server.get("notices", limit="1", cursor=page["next"]))["items"] == items[1:]


def _json(item: object) -> str:
    return json.dumps(item)
