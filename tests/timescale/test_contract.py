"""Storage on TimescaleDB: the contract that holds on native partitions holds here too."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.storage.contract")

from tests.storage.contract.batches import *  # noqa: E402, F403 - the tests themselves
from tests.storage.contract.followers import *  # noqa: E402, F403
from tests.storage.contract.judging import *  # noqa: E402, F403
from tests.storage.contract.quarantine import *  # noqa: E402, F403
from tests.storage.contract.retention import *  # noqa: E402, F403
