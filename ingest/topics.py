"""The registry as messages meet it: the unit that a topic names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.careful import Refused
from ingest.reasons import Reason
from ingest.wire import unit_of

if TYPE_CHECKING:
    from storage.registry import Registry, Unit


class Topics:
    """Units by readings topic, for one registry; topics of known units are kept once seen."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._known: dict[str, Unit] = {}
        self._enterprises = {unit.enterprise for unit in registry.units.values()}

    def find(self, topic: str) -> Unit | None:
        """Return the unit that ``topic`` names, None where the registry has none."""
        unit = self._known.get(topic)
        if unit is None and (names := unit_of(topic, "readings")) is not None:
            unit = self.registry.units.get("/".join(names))
            if unit is not None:
                self._known[topic] = unit
        return unit

    def explain(self, topic: str) -> Refused:
        """Return why messages on ``topic`` are set aside: the registry lacks what it names."""
        enterprise, unit = unit_of(topic, "readings") or ("", "")
        if enterprise not in self._enterprises:
            return Refused(Reason.UNKNOWN_ENTERPRISE, f"no unit of enterprise {enterprise!r}")
        return Refused(Reason.UNKNOWN_UNIT, f"no unit {unit!r} of enterprise {enterprise!r}")
