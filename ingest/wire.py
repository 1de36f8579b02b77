"""The MQTT payloads, version 1: what units and the server say to each other.

The models are the contract: ``ams-server schema`` prints their JSON Schema, the careful decoder
validates with them. What is wrong with a single value is no matter of the schema: that value is
set aside and the rest of its message stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ingest.instants import parse_time

if TYPE_CHECKING:
    from pydantic.config import JsonDict

MAX_MESSAGE = 4 * 1024 * 1024  # bytes
MAX_SAMPLES = 10_000
MAX_BOOT = 64  # characters
MAX_SEQ = 2**63 - 1
STATUS_FILTER = "ams/v1/+/+/status"
AVERAGES_FILTER = "ams/v1/+/+/averages"

Kind = Literal["readings", "status", "receipt", "averages"]

StatusCode = Literal[
    "valid",
    "calibration",
    "maintenance",
    "malfunction",
    "out_of_range",
    "start_up",
    "shut_down",
    "stopped",
    "substituted",
]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]

ValueT = TypeVar("ValueT")
CodeT = TypeVar("CodeT")


def topic(enterprise: str, unit: str, kind: Kind) -> str:
    """Return the topic of a unit's messages of one kind."""
    return f"ams/v1/{enterprise}/{unit}/{kind}"


def unit_of(text: str, kind: Kind) -> tuple[str, str] | None:
    """Return (enterprise, unit) that the topic ``text`` names, or None if it is no such topic."""
    parts = text.split("/")
    if len(parts) != 5 or parts[:2] != ["ams", "v1"] or parts[4] != kind:  # noqa: PLR2004 - levels of the topic
        return None
    return parts[2], parts[3]


def _check_time(text: str) -> str:
    parse_time(text)
    return text


def _check_boot(text: str) -> str:
    if "\0" in text:
        raise ValueError("a boot must not hold the character U+0000")
    return text


Time = Annotated[
    str,
    AfterValidator(_check_time),
    Field(
        description="RFC 3339 with offset; digits beyond microseconds are cut",
        json_schema_extra={"format": "date-time"},
    ),
]
Boot = Annotated[
    str,
    AfterValidator(_check_boot),
    Field(min_length=1, max_length=MAX_BOOT, description="changes at each restart of the unit"),
]
Seq = Annotated[
    int, Field(ge=0, le=MAX_SEQ, description="one more with each message within a boot")
]
_EITHER: JsonDict = {
    "anyOf": [
        {"required": ["values"], "properties": {"values": {"minProperties": 1}}},
        {"required": ["status"], "properties": {"status": {"minProperties": 1}}},
    ]
}


class AnySample(BaseModel, Generic[ValueT, CodeT]):
    """The values of one instant. There is at least one entry in ``values`` or ``status``."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, title="Sample", json_schema_extra=_EITHER
    )

    time: Time
    values: dict[str, ValueT] = Field(
        default_factory=dict,
        description="key of the unit's registry entry to number in the registry's unit of "
        "measure, magnitude at most 1e9; null means no value and needs a status",
    )
    status: dict[str, CodeT] = Field(
        default_factory=dict,
        description="only for values that are not valid; "
        "a status without a value is stored as null with that status",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.values and not self.status:
            raise ValueError("a sample needs an entry in values or in status")
        return self


class Sample(AnySample[Number | None, StatusCode]):
    """The values of one instant. There is at least one entry in ``values`` or ``status``."""


class LooseSample(AnySample[Any, Any]):
    """The same, with values and status codes left to be judged one by one."""


SampleT = TypeVar("SampleT", bound=AnySample[Any, Any])


class AnyReadings(BaseModel, Generic[SampleT]):
    """Readings of one unit: QoS 1, topic ``ams/v1/{enterprise}/{unit}/readings``."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        title="Readings",
        json_schema_extra={
            "examples": [
                {
                    "boot": "7f3c9a",
                    "seq": 48211,
                    "samples": [
                        {
                            "time": "2026-11-22T03:20:00Z",
                            "values": {"so2": 384.2, "nox": 210.0, "o2": 6.1},
                            "status": {"nox": "calibration"},
                        }
                    ],
                }
            ]
        },
    )

    boot: Boot
    seq: Seq
    samples: list[SampleT] = Field(min_length=1, max_length=MAX_SAMPLES, description="in any order")


class Readings(AnyReadings[Sample]):
    """Readings of one unit: QoS 1, topic ``ams/v1/{enterprise}/{unit}/readings``."""


class Envelope(AnyReadings[LooseSample]):
    """The same, with values and status codes left to be judged one by one."""


class Fragment(BaseModel):
    """Values set aside, kept for a retry: a message's samples without its boot and seq."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    samples: list[LooseSample]


class UnitStatus(BaseModel):
    """State of a unit: retained and its last will, topic ``ams/v1/{enterprise}/{unit}/status``."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        json_schema_extra={"examples": [{"state": "online", "boot": "7f3c9a", "firmware": "2.4"}]},
    )

    state: Literal["online", "offline"]
    boot: Boot | None = None
    firmware: str | None = None


class Receipt(BaseModel):
    """Word of the server: every message of ``boot`` up to ``seq`` is committed.

    Retained, topic ``ams/v1/{enterprise}/{unit}/receipt``.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={
            "examples": [{"boot": "7f3c9a", "seq": 48211, "time": "2026-11-22T03:20:01Z"}]
        },
    )

    boot: Boot
    seq: Seq
    time: Time
