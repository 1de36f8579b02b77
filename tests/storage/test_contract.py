"""Storage on PostgreSQL with native partitions."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.storage.contract")

# ruff: noqa: E402, F403 - the tests themselves, after their asserts can speak
from tests.storage.contract.batches import *
from tests.storage.contract.followers import *
from tests.storage.contract.invalidating import *
from tests.storage.contract.judging import *
from tests.storage.contract.quarantine import *
from tests.storage.contract.retention import *
