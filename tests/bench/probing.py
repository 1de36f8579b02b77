"""Units of a bench's own beside the load: an enterprise `probes` in the registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SECRET_NAME, SECRET = "AMS_BENCH_SECRET", "of a bench"  # of a recipient that lives for a minute


def add_probes(registry: Path, number: int, limit: float, hook: str | None = None) -> None:
    """Add units p0, p1, … with a channel so2 and a 20-minute limit each, and a recipient."""
    known = json.loads(registry.read_text())
    names = [f"p{place}" for place in range(number)]
    channel = {"id": "so2", "parameter": "0330", "unit": "mg/m3", "range": [0, 5000]}
    permitted = {"channel": "so2", "value": limit, "unit": "mg/m3", "average": "20min"}
    known["enterprises"].append(
        {
            "id": "probes",
            "name": {"en": "Probes"},
            "sources": [{"id": name, "channels": [{**channel, "period": "60s"}]} for name in names],
            "units": [{"id": name, "channels": {"so2": f"{name}/so2"}} for name in names],
        }
    )
    known["permits"].append(
        {
            "number": "KZ00PROBES",
            "enterprise": "probes",
            "valid": {"from": "2020-01-01", "until": "2035-12-31"},
            "limits": [{"source": name, **permitted} for name in names],
        }
    )
    if hook is not None:
        recipient = {"id": "bench", "type": "webhook", "url": hook, "enterprises": ["probes"]}
        known["recipients"] = [{**recipient, "secret": {"env": SECRET_NAME}}]
    registry.write_text(json.dumps(known))
