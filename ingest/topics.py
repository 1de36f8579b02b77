"""The registry as messages meet it: the unit that a topic names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.careful import Refused
from ingest.reasons import Reason
from ingest.wire import unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from storage.registry import Registry, Unit


class Topics:
    """Units by readings topic, for one registry; topics of known units are kept once seen.

    ``find(topic)`` returns the unit that a topic names, None where the registry has none.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.find: Callable[[str], Unit | None] = _Known(registry.units).__getitem__
        self._enterprises = {unit.enterprise for unit in registry.units.values()}

    def explain(self, topic: str) -> Refused:
        """Return why messages on ``topic`` are set aside: the registry lacks what it names."""
        enterprise, unit = unit_of(topic, "readings") or ("", "")
        if enterprise not in self._enterprises:
            return Refused(Reason.UNKNOWN_ENTERPRISE, f"no unit of enterprise {enterprise!r}")
        return Refused(Reason.UNKNOWN_UNIT, f"no unit {unit!r} of enterprise {enterprise!r}")


class _Known(dict[str, "Unit | None"]):
    def __init__(self, units: Mapping[str, Unit]) -> None:
        super().__init__()
        self._units = units

    def __missing__(self, topic: str) -> Unit | None:
        names = unit_of(topic, "readings")
        unit = None if names is None else self._units.get("/".join(names))
        if unit is not None:
            self[topic] = unit
        return unit
