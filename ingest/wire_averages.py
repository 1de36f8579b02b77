"""The MQTT payload of means that a unit formed itself: its own averages of its channels."""

from __future__ import annotations

from typing import Annotated, Generic

from pydantic import BaseModel, ConfigDict, Field

from ingest.wire import MAX_SAMPLES, Boot, LooseSample, Sample, SampleT, Seq

Period = Annotated[
    str,
    Field(
        pattern=r"^[1-9][0-9]{0,4}(s|min|h|d)$",
        description="length of the blocks: a whole multiple of the channel's period, at most 1d",
    ),
]


class AnyAverages(BaseModel, Generic[SampleT]):
    """A unit's own block means: QoS 1, topic ``ams/v1/{enterprise}/{unit}/averages``.

    Each is of one block that begins at ``time`` and is over: the mean of the channel as measured.
    """

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        title="Averages",
        json_schema_extra={
            "examples": [
                {
                    "boot": "7f3c9a",
                    "seq": 118,
                    "period": "20min",
                    "averages": [
                        {"time": "2026-11-22T03:20:00Z", "values": {"so2": 384.2, "nox": 210.0}}
                    ],
                }
            ]
        },
    )

    boot: Boot
    seq: Seq
    period: Period
    averages: list[SampleT] = Field(
        min_length=1, max_length=MAX_SAMPLES, description="by the start of the block, in any order"
    )


class Averages(AnyAverages[Sample]):
    """A unit's own block means: QoS 1, topic ``ams/v1/{enterprise}/{unit}/averages``.

    Each is of one block that begins at ``time`` and is over: the mean of the channel as measured.
    """


class AveragesEnvelope(AnyAverages[LooseSample]):
    """The same, with values and status codes left to be judged one by one."""


class AveragesFragment(BaseModel):
    """Block means set aside, kept for a retry: a message without its boot and seq."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    period: Period
    averages: list[LooseSample]
