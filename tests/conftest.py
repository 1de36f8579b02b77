"""Fixtures for every test: real databases and real brokers, started once and cleaned up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.brokers"]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failure: what it proves was not seen."""
    reporter: TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped"):
        reporter.write_line("skipped tests are failures in CI", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
