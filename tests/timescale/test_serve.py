"""The whole server on TimescaleDB: plants send, readings are kept, judged and shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from simulators.plants import KZ_OFFSET
from storage.pool import connect
from tests.acceptance.publishing import rfc3339
from tests.acceptance.server import run, serving

if TYPE_CHECKING:
    from pathlib import Path

LENGTH = timedelta(hours=2)  # of what is looked at


def afternoon() -> datetime:
    """The plant's latest noon that is long enough ago; analysers are calibrated at night."""
    local = datetime.now(UTC) - 2 * LENGTH + timedelta(microseconds=KZ_OFFSET)
    noon = local.replace(hour=12, minute=0, second=0, microsecond=0)
    if noon > local:
        noon -= timedelta(days=1)
    return noon - timedelta(microseconds=KZ_OFFSET)


async def test_the_server_stores_judges_and_shows_what_plants_send(
    empty_database_url: str, tmp_path: Path
) -> None:
    registry, begin = tmp_path / "registry.json", afternoon()
    plants = ("fleet", "--plants", "1", "--registry-out", registry)
    assert (await run("ams-simulator", *plants)).code == 0
    async with (
        serving(tmp_path, database=empty_database_url, registry=registry) as server,
        server.api() as api,
    ):
        # a minute more than is looked at: the reading after a block says that it is complete
        hours = ("--speed", "max", "--start", rfc3339(begin), "--duration", "121min")
        said = await run("ams-simulator", *plants, *hours, "--broker", server.mqtt)
        assert said.code == 0, said.all
        await server.all_judged()
        during = {"channel": "so2", "start": rfc3339(begin), "end": rfc3339(begin + LENGTH)}
        messages = (await api.ledger())["ams-1"]["messages"]
        assert messages["received"] == messages["stored"] == 121
        assert len(await api.items("readings", **during)) == 120
        blocks = await api.items("averages", window="20min", kind="block", **during)
        assert [block["count"] for block in blocks] == [20] * 6
        judgements = await api.items("judgements", window="20min", **during)
        assert [judgement["mean"] for judgement in judgements] == [one["mean"] for one in blocks]
        assert await api.status("/readyz") == 200
    conn = await connect(empty_database_url)
    tables = await conn.fetch(
        "select hypertable_name from timescaledb_information.chunks"
        " where hypertable_schema = 'ams' group by 1 order by 1"
    )
    await conn.close()
    assert [row[0] for row in tables] == ["blocks", "judgements", "readings"]
