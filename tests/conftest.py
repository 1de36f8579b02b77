"""Fixtures for every test: real databases and real brokers, started once and cleaned up."""

pytest_plugins = ["tests.fixtures.database", "tests.fixtures.brokers"]
