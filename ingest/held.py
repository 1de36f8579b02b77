"""Values set aside for their time, and when they first came: to be judged so when they come again.

A value from the future would pass its test if only it were delivered often enough.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256
from typing import TYPE_CHECKING

from ingest.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable

    from storage.received import AsideValue

MAX_HELD = 100_000  # values: about 20 MB; the oldest are forgotten first


class Held:
    """Receipts (us) of values by (unit number, digest), as ``careful.Context`` takes them.

    A digest, since a payload may have 4 MiB.
    """

    def __init__(self, known: Iterable[tuple[int, bytes, int]] = ()) -> None:
        # A plain dict would search for its first entry among all that were deleted.
        self.first: OrderedDict[tuple[int, bytes], int] = OrderedDict()
        self._units: set[int] = set()
        for unit, digest, received_at in known:
            self._hold(unit, digest, received_at)

    def concerns(self, unit: int) -> bool:
        """Tell whether a message of this unit may hold such a value."""
        return unit in self._units

    def note(self, values: Iterable[AsideValue], received_at: int) -> None:
        """Take note of what a delivery at ``received_at`` set aside."""
        for value in values:
            if value.reason == Reason.IN_THE_FUTURE:
                self._hold(value.unit_id, sha256(value.payload).digest(), received_at)

    def _hold(self, unit: int, digest: bytes, received_at: int) -> None:
        if len(self.first) >= MAX_HELD:
            self.first.popitem(last=False)
        self.first.setdefault((unit, digest), received_at)
        self._units.add(unit)
