"""The registry as messages meet it: the unit that a topic names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.careful import Refused
from ingest.reasons import Reason
from ingest.wire import unit_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingest.wire import Kind
    from storage.registry import Registry, Unit


class Topics:
    """Units by topics of one kind, for one registry; topics of known units are kept once seen.

    ``find(topic)`` returns the unit that a topic names, None where the registry has none.
    """

    def __init__(self, registry: Registry, kind: Kind = "readings") -> None:
        self.registry = registry
        self._kind = kind
        self.find: Callable[[str], Unit | None] = _Known(registry.units, kind).__getitem__
        self._enterprises = {unit.enterprise for unit in registry.units.values()}

    def explain(self, topic: str) -> Refused:
        """Return why messages on ``topic`` are set aside: the registry lacks what it names."""
        enterprise, unit = unit_of(topic, self._kind) or ("", "")
        if enterprise not in self._enterprises:
            return Refused(Reason.UNKNOWN_ENTERPRISE, f"no unit of enterprise {enterprise!r}")
        return Refused(Reason.UNKNOWN_UNIT, f"no unit {unit!r} of enterprise {enterprise!r}")


class _Known(dict[str, "Unit | None"]):
    def __init__(self, units: Mapping[str, Unit], kind: Kind) -> None:
        super().__init__()
        self._units = units
        self._kind = kind

    def __missing__(self, topic: str) -> Unit | None:
        names = unit_of(topic, self._kind)
        unit = None if names is None else self._units.get("/".join(names))
        if unit is not None:
            self[topic] = unit
        return unit
