"""GET /healthz, /readyz, /metrics and the first page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from console.app import Health

if TYPE_CHECKING:
    from tests.console.conftest import Server


async def test_healthz_says_that_the_process_is_alive(bare: Server) -> None:
    bare.health = Health(("database: away",))
    assert await bare.get("/healthz") == {"status": "ok"}


async def test_readyz_is_200_while_nothing_is_wrong(bare: Server) -> None:
    assert await bare.get("/readyz") == {"status": "ready"}


async def test_readyz_is_503_with_the_reasons(bare: Server) -> None:
    bare.health = Health(("database: no answer", "broker: not subscribed"))
    problem = await bare.refused("/readyz", 503)
    assert problem["reasons"] == ["database: no answer", "broker: not subscribed"]
    assert problem["detail"] == "database: no answer; broker: not subscribed"


async def test_metrics_are_prometheus_text(bare: Server) -> None:
    async with bare.http.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=1.0.0; charset=utf-8"
        assert await answer.text() == "ams_channels 3\n"


async def test_the_first_page_needs_nothing_from_elsewhere(bare: Server) -> None:
    async with bare.http.get("/") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        page = await answer.text()
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=", page)
    files = re.findall(r"(?:src|href)=\"([^\"]+)\"", page)
    assert files
    for path in files:
        if path.startswith("#"):
            continue
        assert path.startswith("/"), path
        async with bare.http.get(path) as answer:
            assert answer.status == 200, path
            assert "http://" not in re.sub(r"http://www\.w3\.org/\S+", "", await answer.text())


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/static/page.css", "/static/icon.svg"])
async def test_an_unchanged_file_is_not_sent_again(bare: Server, path: str) -> None:
    async with bare.http.get(path) as answer:
        tag = answer.headers["ETag"]
    async with bare.http.get(path, headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304
        assert await answer.read() == b""
