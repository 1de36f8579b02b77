"""What the API answers, as models: the OpenAPI description is made of them.

Answers are built as plain values for speed; tests hold every one of them against its model.
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Annotated, Any, Literal
from uuid import UUID  # noqa: TC003 - pydantic reads the annotations at run time

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Gap = Annotated[list[int], Field(min_length=2, max_length=2, description="First and last.")]
StatusName = Literal[
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
FlagName = Literal["range", "negative", "stuck", "jump", "late", "clock", "revised", "gap_before"]
AlertState = Literal["pending", "open", "resolved", "withdrawn"]
SeverityName = Literal["warning", "exceedance"]
AlertKind = Literal["limit", "forecast", "disagreement"]

REVISION: Any = Field(
    description="0 is the first; each change is another. Null of means computed when asked."
)
KNOWN_AT: Any = Field(
    description="Since when this revision was known; null where nothing was ever stored."
)


class Model(BaseModel):
    """An object whose fields are all there, and no others."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What went wrong (RFC 9457); `parameter` names the query parameter that is not right."""

    model_config = ConfigDict(extra="allow")
    type: str
    title: str
    status: int
    detail: str
    parameter: str | None = None


class Status(Model):
    """The server's own word on itself."""

    status: Literal["ok", "ready"]


class Enterprise(Model):
    """An enterprise as the registry describes it."""

    enterprise: str
    name: Any = Field(description="By language.")
    bin: str | None
    region: str | None
    category: Any
    reporting_zone: str | None


class Source(Model):
    """A stationary source of emissions."""

    enterprise: str
    source: str
    number: str | None = Field(description="As in the permit; not unique.")
    name: Any
    position: list[float] | None = Field(description="WGS 84 latitude and longitude.")


class Channel(Model):
    """What is measured at a source, and the unit that reports it under `key`."""

    enterprise: str
    source: str
    channel: str
    parameter: str
    uom: str
    range: list[float | None] | None = Field(description="Lowest and highest; null is open.")
    period: str
    basis: Any
    missing: list[float] = Field(description="Values that mean there is none.")
    stuck_after: str | None
    max_step: float | None
    agreement: float = Field(
        description="The share of our mean by which one that the unit reports may differ."
    )
    unit: str | None
    key: str | None


class Limit(Model):
    """A limit of a permit in one of its versions; `valid_until` is excluded."""

    id: int
    enterprise: str
    source: str
    channel: str
    permit: str
    parameter: str
    average: str
    value: float
    uom: str
    version: int
    valid_from: datetime
    valid_until: datetime
    coverage: str
    warn_at: str
    clear_at: str
    open_after: str
    clear_after: str
    basis: str | None = Field(description="What is computed of the channel, null: as measured.")
    rule: dict[str, Any] | None = Field(
        description="The condition of its rule set, each setting by name; null without one."
    )


class EarlierGaps(Model):
    """What was never received of a unit's former start."""

    boot: str
    ranges: list[Gap]


class Unit(Model):
    """A unit: its state in its own words, its current start, the messages that are missing."""

    enterprise: str
    unit: str
    state: Literal["online", "offline", "unknown"]
    boot: str | None
    last_seen: datetime | None = Field(description="Receipt of its last message.")
    seq: int | None = Field(description="The highest one received of this boot.")
    gaps: list[Gap] = Field(description="Not yet received of this boot, both ends included.")
    earlier_gaps: list[EarlierGaps]
    firmware: str | None
    state_at: datetime | None


class Reading(Model):
    """A value at an instant; revision 0 is the first that was received."""

    enterprise: str
    source: str
    channel: str
    time: datetime
    value: float | None
    status: StatusName
    flags: list[FlagName] = Field(
        description="stuck and jump compare a valid reading with the valid one before it, unless"
        " that is older than 1 h and than two periods; of a reading's revisions only the current"
        " one has them."
    )
    revision: int
    received_at: datetime | None = Field(description="Null once retention removed the record.")


class Average(Model):
    """A mean over start <= t < end; null where no valid reading was there."""

    enterprise: str
    source: str
    channel: str
    basis: str | None = Field(description="What is computed of the channel, null: as measured.")
    start: datetime
    end: datetime
    mean: float | None
    count: int = Field(description="Slots of the channel's period with a valid reading.")
    expected: int
    coverage: float
    revision: int | None = REVISION
    known_at: datetime | None = KNOWN_AT


class Reported(Model):
    """A mean of a block as its unit reports it, beside ours of the same block as it is now."""

    enterprise: str
    source: str
    channel: str
    unit: str
    window: str
    start: datetime
    end: datetime
    value: float | None
    uom: str | None
    status: StatusName
    revision: int = Field(description="0 is the first that was received.")
    known_at: datetime = Field(description="Its receipt, or when it left quarantine.")
    ours: float | None = Field(description="Null where we have no valid reading, or no block yet.")
    difference: float | None = Field(description="Reported less ours.")
    tolerance: float | None = Field(description="By how much they may differ.")
    agrees: bool | None = Field(
        description="Null where they are not compared: the reported one is not valid, or ours"
        " rests on less than 2/3 of its readings."
    )


class Judgement(Model):
    """A block mean against a limit: the legal record."""

    enterprise: str
    source: str
    channel: str
    parameter: str
    window: str
    start: datetime
    end: datetime
    mean: float | None
    count: int
    expected: int
    coverage: float
    state: Literal["compliant", "exceeded", "not_assessable"]
    limit: float
    uom: str
    permit: str
    limit_version: int
    revision: int | None = REVISION
    known_at: datetime | None = KNOWN_AT


class Acknowledged(Model):
    """Who took note of an alert, and why that is enough."""

    by: str
    reason: str
    comment: str | None
    at: datetime


class Alert(Model):
    """An episode of a channel that recipients hear of."""

    id: UUID
    kind: AlertKind = Field(
        description="limit: a rolling mean over a limit or near it. forecast: a limit that will be"
        " broken if things go on as they do. disagreement: block means that the operator reports"
        " otherwise; it has no limit, and its value and peak are differences."
    )
    enterprise: str
    source: str
    channel: str
    basis: str | None = Field(description="What is computed of the channel, null: as measured.")
    parameter: str | None
    window: str
    limit: float | None
    uom: str | None = Field(description="Null for a forecast of a number: of hours, of days.")
    permit: str | None
    limit_version: int | None
    rules: str | None = Field(description="The rule set, null for a limit without one.")
    condition: str | None = Field(description="The condition of the rule set that it is about.")
    severity: SeverityName
    worst: SeverityName
    state: AlertState
    opened_at: datetime
    resolved_at: datetime | None
    peak: float = Field(description="The highest value; of a disagreement the largest.")
    peak_at: datetime
    value: float
    silent_since: datetime | None
    late: bool
    acknowledged: Acknowledged | None
    replaced_by: UUID | None


class HistoryEntry(Model):
    """A change of an alert: when it was so, when it was noted, what it rests on."""

    at: datetime
    recorded_at: datetime
    change: str
    state: AlertState
    severity: SeverityName
    value: float | None
    evidence: Any


class AlertWithHistory(Alert):
    """An alert and what became of it."""

    history: list[HistoryEntry]


class Acknowledgement(Model):
    """The body of an acknowledgement."""

    by: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    comment: Annotated[str, StringConstraints(max_length=10_000)] | None = None


class Notice(Model):
    """A notice to a recipient, and how its delivery went."""

    id: UUID
    alert: UUID
    enterprise: str
    source: str
    channel: str
    recipient: str
    type: str
    attempts: int
    outcome: Literal["waiting", "delivered", "expired"]
    created_at: datetime
    last_attempt_at: datetime | None
    last_answer: str | None


class MessageCounts(Model):
    """received = stored + duplicate + quarantined."""

    received: int
    stored: int
    duplicate: int
    quarantined: int


class ReadingCounts(Model):
    """received = stored + duplicate + revised + quarantined."""

    received: int
    stored: int
    duplicate: int
    revised: int
    quarantined: int


class LedgerEntry(Model):
    """What became of a unit's deliveries; unit null: of no known unit."""

    enterprise: str | None
    unit: str | None
    messages: MessageCounts
    readings: ReadingCounts


class QuarantineItem(Model):
    """A message, or the values of one unit, key and reason, set aside."""

    id: int
    topic: str
    enterprise: str | None
    unit: str | None
    key: str | None
    reason: str
    detail: str
    count: int
    first_at: datetime
    last_at: datetime
    state: Literal["waiting", "retrying", "stored"]
    payload: str = Field(
        description="The last seen.", json_schema_extra={"contentEncoding": "base64"}
    )
