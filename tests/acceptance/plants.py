"""A small registry for the server: one unit, a few channels, a limit and a recipient."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LIMIT = 100.0  # mg/m3 of so2, over 20 minutes
SECRET_VARIABLE = "AMS_TEST_HOOK_SECRET"  # noqa: S105 - the name of one


def registry(
    keys: Sequence[str] = ("so2", "nox"),
    *,
    enterprise: str = "gres1",
    hook: str | None = None,
    limit: float = LIMIT,
    average: str = "20min",
) -> dict[str, Any]:
    """Channels of these keys at stack-1, all of unit ams-1; so2 has a limit."""
    document: dict[str, Any] = {
        "enterprises": [
            {
                "id": enterprise,
                "name": {"en": "Power plant", "ru": "Электростанция", "kk": "Электр станциясы"},
                "sources": [
                    {
                        "id": "stack-1",
                        "number": "0001",
                        "channels": [
                            {
                                "id": key,
                                "parameter": "0330",
                                "unit": "mg/m3",
                                "range": [-5, 5000],
                                "period": "60s",
                            }
                            for key in keys
                        ],
                    }
                ],
                "units": [{"id": "ams-1", "channels": {key: f"stack-1/{key}" for key in keys}}],
            }
        ],
        "permits": [
            {
                "number": "KZ00TEST",
                "enterprise": enterprise,
                "valid": {"from": "2026-01-01", "until": "2035-12-31"},
                "limits": [
                    {
                        "source": "stack-1",
                        "channel": "so2",
                        "value": limit,
                        "unit": "mg/m3",
                        "average": average,
                    }
                ],
            }
        ],
    }
    if hook:
        document["recipients"] = [
            {
                "id": "committee",
                "type": "webhook",
                "url": hook,
                "secret": {"env": SECRET_VARIABLE},
                "enterprises": ["*"],
            }
        ]
    return document


def write(directory: Path, document: Mapping[str, Any], name: str = "registry.json") -> Path:
    file = directory / name
    file.write_text(json.dumps(document))
    return file
