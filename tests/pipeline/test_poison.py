"""Messages made to be expensive: they are set aside like others, and hold up nobody meanwhile."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest

from ingest.reasons import Reason
from ingest.strict_json import BadJson, read
from tests.pipeline.test_pipeline import numbered

if TYPE_CHECKING:
    from ingest.draft import Draft
    from tests.pipeline.plant import Plant

KEYS = 40_000


def wide(keys: int, last: str = "last") -> bytes:
    """A message of one sample with so many keys that no registry knows, and one more."""
    values = ",".join(f'"{number:x}x":1' for number in range(keys))
    sample = f'{{"time":"2026-11-22T03:20:00Z","values":{{{values},"{last}":1}}}}'
    return f'{{"boot":"b","seq":1,"samples":[{sample}]}}'.encode()


async def beat(beats: list[float]) -> None:
    """Note that the event loop has its turn, again and again."""
    while True:
        beats.append(time.monotonic())
        await asyncio.sleep(0.005)


async def test_a_message_of_bad_values_holds_up_nobody(
    server: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The event loop goes on while they are judged; all are set aside, and once."""
    beats: list[float] = []
    turns: list[int] = []
    preparer = server.pipeline._preparer
    judge = preparer.judge

    def watched(draft: Draft) -> None:
        before = len(beats)
        judge(draft)
        turns.append(len(beats) - before)

    monkeypatch.setattr(preparer, "judge", watched)
    task = asyncio.create_task(beat(beats))
    payload = wide(KEYS)
    delivery = server.send(payload)
    async with asyncio.timeout(90):
        while delivery not in server.link.acknowledged:  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.1)
    task.cancel()
    assert turns[0] > 5
    [(items, values)] = await server.rows(
        "select count(*), (select count(*) from quarantine_values) from quarantine"
    )
    assert items == values == KEYS + 1
    assert await server.deliver(payload, numbered(1)) == ["duplicate", "stored"]


def test_a_key_repeated_among_many_is_found_in_one_pass() -> None:
    def seconds(payload: bytes) -> float:
        began = time.thread_time()
        try:
            read(payload)
        except BadJson as error:
            assert error.reason == Reason.REPEATED_KEY  # noqa: PT017 - half of them raise it
        return time.thread_time() - began

    twice = wide(20_000, last=f"{19_999:x}x")
    with pytest.raises(BadJson, match="is there twice"):
        read(twice)
    plain = wide(20_000)
    took = [min(seconds(payload) for _ in range(3)) for payload in (twice, plain)]
    assert took[0] < 10 * took[1]
