"""What the API takes and answers of invalidations, as models; see ``models``."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints
from pydantic import WithJsonSchema as Schema

from console.models import Model
from console.parameters import instant

InvalidStatus = Literal["malfunction", "calibration", "maintenance"]
State = Literal["waiting", "done", "restoring", "restored"]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Path = Annotated[str, StringConstraints(pattern=r"^[^/\s]{1,100}/[^/\s]{1,100}/[^/\s]{1,100}$")]


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("expected a time such as 2026-11-22T03:20:00Z")  # noqa: TRY004 - pydantic's
    return instant(value)


Moment = Annotated[
    datetime, BeforeValidator(_moment), Schema({"type": "string", "format": "date-time"})
]


class Invalidate(Model):
    """The body that asks for an invalidation: valid readings with start <= time < end."""

    channels: list[Path] = Field(
        min_length=1, max_length=500, description="Paths such as gres1/stack-1/so2."
    )
    start: Moment = Field(description="The last good check.")
    end: Moment = Field(description="The failed check, excluded.")
    reason: Words
    by: Name
    status: InvalidStatus = Field("malfunction", description="What the readings become.")


class Restore(Model):
    """The body that takes an invalidation back."""

    by: Name
    reason: Words


class Restored(Model):
    """Who took it back, why, when, and how many readings are as before."""

    by: str
    reason: str
    at: datetime
    readings: int


class Invalidation(Model):
    """A stretch of a channel that was found to be wrong afterwards."""

    id: int
    enterprise: str
    source: str
    channel: str
    start: datetime
    end: datetime
    status: InvalidStatus
    reason: str
    by: str
    requested_at: datetime
    state: State
    done_until: datetime = Field(description="Of its present work: all before is done.")
    readings: int = Field(description="That were valid and got a revision.")
    restored: Restored | None
    readings_from: datetime | None = Field(
        description="Readings before were dropped by retention and stay as they were; null: none."
    )


class Invalidations(Model):
    """What was asked for, an item for each channel."""

    items: list[Invalidation]
    next: None
