"""The audit over what is judged by rule sets: blocks and verdicts that were tampered with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerts.core.vocabulary import DAY, HOUR
from storage.times import from_micros
from tests.compliance.test_whole import DAY as MIDNIGHT
from tests.pipeline.test_what_if_rules import ruled, two_days
from tests.pipeline.whole import whole

__all__ = ["ruled"]

if TYPE_CHECKING:
    import pytest


async def test_untouched_history_is_found_to_be_right(postgres_url: str, ruled: str) -> None:
    async with whole(postgres_url, ruled, MIDNIGHT) as server:
        await two_days(server)
        assert await server.pool.fetchval("select count(*) from compliance where over") > 0
        assert await server.audit(MIDNIGHT - DAY) == []


async def test_a_verdict_that_was_tampered_with_is_found(postgres_url: str, ruled: str) -> None:
    async with whole(postgres_url, ruled, MIDNIGHT) as server:
        await two_days(server)
        await server.pool.execute(
            "update compliance set state = 0 where state = 1 and over and finish = $1",
            from_micros(MIDNIGHT + DAY),
        )
        [line] = await server.audit(MIDNIGHT - DAY)
        assert line.startswith("verdict gres1/stack-1/so2 (dry, 6 % O2")
        assert "permit KZ1, to 2026-02-02T19:00:00Z: stored compliant (260" in line
        assert "recomputed exceeded (260" in line


async def test_a_verdict_that_is_missing_is_found(postgres_url: str, ruled: str) -> None:
    async with whole(postgres_url, ruled, MIDNIGHT) as server:
        await two_days(server)
        await server.pool.execute(
            "delete from compliance where over and finish = $1", from_micros(MIDNIGHT + DAY)
        )
        lines = await server.audit(MIDNIGHT - DAY)
        assert lines
        assert all("stored nothing, recomputed" in line for line in lines)


async def test_a_block_that_was_tampered_with_is_found(
    postgres_url: str, ruled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block against its readings, and the verdicts against the block."""
    async with whole(postgres_url, ruled, MIDNIGHT) as server:
        await two_days(server)
        await server.pool.execute(
            "update blocks set mean = mean + 240 where window_s = 3600 and start = $1"
            " and channel in (select id from channels where basis like 'dry%')",
            from_micros(MIDNIGHT + 5 * HOUR),
        )
        lines = await server.audit(MIDNIGHT - DAY)
        assert [line.split()[0] for line in lines] == ["block", "verdict"]
        assert "60 min from 2026-02-02T00:00:00Z: stored mean 540, 54/60, recomputed" in lines[0]
        assert "1d ied-lcp day@2013-01-07" in lines[1]
    capsys.readouterr()
