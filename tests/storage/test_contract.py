"""Storage on PostgreSQL with native partitions."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.storage.contract")

from tests.storage.contract.batches import *  # noqa: E402, F403 - the tests themselves
