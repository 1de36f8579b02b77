"""What the server does on the side: the disk it must not fill, the sums it keeps up to date."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ingest.housekeeping import Housekeeping
from storage import disk
from tests.pipeline.test_pipeline import numbered

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.pipeline.plant import Plant

GIB = 2**30


def keeper(server: Plant, directories: list[Path]) -> Housekeeping:
    no_judge: Any = None
    return Housekeeping(
        server.pool, server.pipeline, server.pipeline._preparer, no_judge, server.metrics,
        retention_days=90, directories=directories, clock=lambda: server.now,
    )  # fmt: skip


async def test_a_disk_nearly_full_stops_the_intake_and_says_so(
    server: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is acknowledged meanwhile; when there is room again the intake goes on."""
    real = disk.room([tmp_path])
    assert real is not None
    left = replace(real, free=GIB // 2, total=100 * GIB)
    monkeypatch.setattr(disk, "room", lambda _: left)
    await keeper(server, [tmp_path])._disk()
    assert "disk nearly full" in server.pipeline.paused
    assert server.prometheus.get_sample_value("ams_intake_paused") == 1
    assert server.prometheus.get_sample_value("ams_disk_free_bytes") == GIB // 2
    waiting = server.send(numbered(1))

    monkeypatch.setattr(disk, "room", lambda _: replace(left, free=50 * GIB))
    await keeper(server, [tmp_path])._disk()
    assert server.pipeline.paused == ""
    await server.until(lambda: waiting in server.link.acknowledged)


async def test_hours_are_rolled_up_and_newest_times_kept(server: Plant, tmp_path: Path) -> None:
    await server.deliver(numbered(1))
    work = keeper(server, [tmp_path])
    await work._roll_up()
    await work._newest()
    [(stored,)] = await server.rows("select sum(messages_stored)::int from ledger")
    followers = dict(await server.rows("select follower, batch::int from progress"))
    assert stored == 1
    assert followers["ledger"] == followers["newest"] == server.pipeline.last_batch


async def test_partitions_are_made_ahead(server: Plant, tmp_path: Path) -> None:
    work = keeper(server, [tmp_path])
    await work._partitions()
    [(before,)] = await server.rows(
        "select count(*)::int from pg_inherits where inhparent = 'ams.readings'::regclass"
    )
    assert before > 8
