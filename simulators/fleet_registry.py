"""The registry that a fleet needs: its plants as enterprises, their limits as permits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.instants import duration_text

if TYPE_CHECKING:
    from simulators.plants import Plant
    from simulators.registry_out import Entry

VALID = {"from": "2020-01-01", "until": "2035-12-31"}
ZONE = "+05:00"
GAS = {"unit": "mg/m3", "missing": [-1], "stuck_after": "2h"}
# what each payload key means; a range keeps out what no healthy analyser shows
CHANNELS: dict[str, Entry] = {
    "so2": {"parameter": "0330", "range": [-5, 5000], "max_step": 1000, **GAS},
    "no2": {"parameter": "0301", "range": [-5, 2500], "max_step": 500, **GAS},
    "no": {"parameter": "0304", "range": [-5, 2500], "max_step": 500, **GAS},
    "co": {"parameter": "0337", "range": [-5, 3000], "max_step": 500, **GAS},
    "dust": {"parameter": "2908", "range": [-5, 5000], "max_step": 1500, **GAS},
    "o2": {"parameter": "o2", "unit": "%", "range": [0, 25]},
    "temperature": {"parameter": "temperature", "unit": "degC", "range": [-50, 400]},
    "pressure": {"parameter": "pressure", "unit": "kPa", "range": [80, 110]},
    "velocity": {"parameter": "velocity", "unit": "m/s", "range": [0, 60]},
    "flow": {"parameter": "flow", "unit": "m3/h", "range": [0, 2e7]},
    "h2o": {"parameter": "h2o", "unit": "%", "range": [0, 60]},
}


def enterprise_entry(plant: Plant, period: int) -> Entry:
    """Return a plant's enterprise with its stack, channels and unit; ``period`` in microseconds."""
    source: Entry = {
        "id": plant.source,
        "number": "0001",
        "position": list(plant.position),
        "channels": [_channel(plant, key, period) for key in plant.keys],
    }
    unit = {"id": plant.unit, "channels": {key: f"{plant.source}/{key}" for key in plant.keys}}
    entry: Entry = {"id": plant.enterprise, "name": dict(plant.name)}
    if plant.bin is not None:
        entry["bin"] = plant.bin
    entry |= {"region": plant.region, "category": 1, "reporting_zone": ZONE}
    return entry | {"sources": [source], "units": [unit]}


def permit_entry(plant: Plant) -> Entry:
    """Return a plant's permit with its limits."""
    limits = [
        {
            "source": plant.source,
            "channel": limit.key,
            "value": limit.value,
            "unit": CHANNELS[limit.key]["unit"],
            "average": limit.average,
        }
        for limit in plant.limits
    ]
    return {
        "number": plant.permit,
        "enterprise": plant.enterprise,
        "valid": VALID,
        "limits": limits,
    }


def _channel(plant: Plant, key: str, period: int) -> Entry:
    channel: Entry = {"id": key, **CHANNELS[key], "period": duration_text(period)}
    if key in plant.levels:
        reference = {} if plant.reference_o2 is None else {"o2": plant.reference_o2}
        channel["basis"] = {"dry": plant.dry, **reference}
    elif key == "o2":
        channel["basis"] = {"dry": plant.dry}
    elif key == "flow":
        channel["basis"] = {"dry": False, "standard": False}  # as it is in the stack
    return channel
