"""What the console reads of readings, averages and judgements, on TimescaleDB."""

from __future__ import annotations

from tests.console import test_averages, test_course_flags, test_judgements, test_readings
from tests.console.conftest import made, server, watched, world

__all__ = ["made", "server", "watched", "world"]  # fixtures

for module in (test_averages, test_course_flags, test_judgements, test_readings):
    tests = {name: test for name, test in vars(module).items() if name.startswith("test_")}
    assert not tests.keys() & globals().keys(), "two tests of one name: one would not run"
    globals().update(tests)
del module, tests
del test_averages, test_course_flags, test_judgements, test_readings
