"""The JSON Schema of the MQTT payloads, for those who write units."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from ingest.wire import Readings, Receipt, UnitStatus
from ingest.wire_averages import Averages


def json_schema() -> dict[str, Any]:
    """Return one JSON Schema (2020-12) that every payload of version 1 satisfies."""
    references, definitions = models_json_schema(
        [(model, "validation") for model in (Readings, Averages, UnitStatus, Receipt)],
        title="AMS MQTT payloads, version 1",
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "anyOf": list(references.values()),
        **definitions,
    }
