"""What a registry file may say: its entries as strict models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from ingest.registry_types import (
    BIN_PATTERN,
    KEY_PATTERN,
    LANGUAGE_PATTERN,
    RECIPIENT_PATTERN,
    REFERENCE_PATTERN,
    STRICT,
    TEXT_PATTERN,
    VARIABLE_PATTERN,
    Day,
    Duration,
    Id,
    Name,
    Number,
    Parameter,
    Positive,
    Share,
    Text,
    Uom,
    Zone,
    check_effective,
    check_range,
    check_region,
)
from ingest.registry_values import check_period, check_url, parse_day
from ingest.rules_model import ConditionId, RuleSet  # noqa: TC001 - pydantic reads them
from ingest.rules_values import CALENDAR, check_limit_average

USUAL_RULES = "kz-20min"  # of limits over a calendar period that name none


@dataclass(config=STRICT, slots=True)
class Basis:
    """State of the gas that a value is stated for: dry, at so much oxygen (%), at standard state.

    A stated oxygen implies that the value is dry and at the standard temperature and pressure.
    """

    dry: bool | None = None
    o2: Annotated[float, Field(ge=0, lt=20.9)] | None = None
    standard: bool | None = None


@dataclass(config=STRICT, slots=True)
class Auxiliary:
    """The channels of the source that tell the state of the gas, its flow, and the load."""

    o2: Name | None = None
    co2: Name | None = None
    h2o: Name | None = None
    temperature: Name | None = None
    pressure: Name | None = None
    flow: Name | None = None
    load: Name | None = None


@dataclass(config=STRICT, slots=True)
class Calibration:
    """A calibration function (EN 14181, QAL2) from a day on: intercept + slope x value.

    ``range`` is the valid one and ``uncertainty`` the one determined, in the unit and the state of
    the limits that are judged by them.
    """

    from_: Annotated[Day, Field(alias="from")]
    intercept: Number = 0.0
    slope: Positive = 1.0
    range: Annotated[tuple[Number, Number], AfterValidator(check_range)] | None = None
    uncertainty: Positive | None = None


@dataclass(config=STRICT, slots=True)
class NoxOf:
    """The channels of the source whose sum, as NO2, a channel is."""

    no: Name
    no2: Name


@dataclass(config=STRICT, slots=True)
class Channel:
    """A measured series of a source."""

    id: Name
    parameter: Parameter
    unit: Uom
    period: Annotated[str, AfterValidator(check_period)]
    range: Annotated[tuple[Number, Number], AfterValidator(check_range)] | None = None
    basis: Basis | None = None
    missing: list[Number] | None = None
    stuck_after: Duration | None = None
    max_step: Positive | None = None
    agreement: Annotated[float, Field(gt=0, le=1)] | None = None
    auxiliary: Auxiliary | None = None
    calibration: list[Calibration] | None = None
    nox_of: NoxOf | None = None


@dataclass(config=STRICT, slots=True)
class Source:
    """A stack or vent; at ``position`` (WGS 84 latitude, longitude), its mouth's ``area`` in m2.

    ``maximum_load``: of what stands behind it, in the unit of the channel that tells the load.
    """

    id: Name
    number: Text | None = None
    position: (
        tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]]
        | None
    ) = None
    area: Positive | None = None
    maximum_load: Positive | None = None
    auxiliary: Auxiliary | None = None
    channels: list[Channel] = Field(default_factory=list)


@dataclass(config=STRICT, slots=True)
class Unit:
    """A computer that reports; ``channels`` maps its payload keys to ``source/channel``."""

    id: Name
    channels: dict[
        Annotated[str, Field(pattern=KEY_PATTERN)], Annotated[str, Field(pattern=REFERENCE_PATTERN)]
    ] = Field(default_factory=dict)


@dataclass(config=STRICT, slots=True)
class Enterprise:
    """A plant with its sources and units."""

    id: Id
    name: (
        Annotated[dict[Annotated[str, Field(pattern=LANGUAGE_PATTERN)], Text], Field(min_length=1)]
        | None
    ) = None
    bin: Annotated[str, Field(pattern=BIN_PATTERN)] | None = None
    region: Annotated[str, AfterValidator(check_region)] | None = None
    category: Annotated[int, Field(ge=1, le=4)] | None = None
    reporting_zone: Zone | None = None
    sources: list[Source] = Field(default_factory=list)
    units: list[Unit] = Field(default_factory=list)


@dataclass(config=STRICT, slots=True)
class Validity:
    """The first and the last day of a permit."""

    from_: Annotated[Day, Field(alias="from")]
    until: Day

    def __post_init__(self) -> None:
        """Refuse an end before the beginning."""
        if parse_day(self.from_) > parse_day(self.until):
            raise ValueError(f"until {self.until} is before from {self.from_}")


@dataclass(config=STRICT, slots=True)
class Limit:
    """A permitted mean of one channel over one window, or what a rule set makes of a value.

    With ``rules`` the rule set's conditions name the windows, where ``average`` does not; ``basis``
    is the state that the value is written for, ``override`` changes fields of the rule set,
    ``conditions`` picks some of it and ``values`` gives some of them figures of their own. A limit
    over a week or longer that names none has the usual rules of Kazakhstan.
    """

    source: Name
    channel: Name
    value: Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e9)]
    unit: Uom
    average: Annotated[str, AfterValidator(check_limit_average)] | None = None
    coverage: Share | None = None
    warn_at: Share = "0.8"
    clear_at: Share = "0.95"
    open_after: Duration = "0s"
    clear_after: Duration = "5min"
    rules: Id | None = None
    basis: Basis | None = None
    override: dict[str, Any] | None = None
    conditions: Annotated[list[ConditionId], Field(min_length=1)] | None = None
    values: dict[ConditionId, Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e9)]] | None = (
        None
    )

    def __post_init__(self) -> None:
        """Name the rule set of a period that only rule sets judge."""
        if self.rules is None and self.average in CALENDAR:
            self.rules = USUAL_RULES


@dataclass(config=STRICT, slots=True)
class Permit:
    """An enterprise's permit and its limits."""

    number: Annotated[str, Field(pattern=TEXT_PATTERN, max_length=100)]
    enterprise: Id
    valid: Validity
    limits: list[Limit] = Field(default_factory=list)


@dataclass(config=STRICT, slots=True)
class Secret:
    """Where the recipient's signing key is: an environment variable of the server."""

    env: Annotated[str, Field(pattern=VARIABLE_PATTERN)]


def _listed(value: object) -> object:
    return [value] if value == "*" else value


@dataclass(config=STRICT, slots=True)
class Recipient:
    """Who is told of alerts, of which enterprises ("*": of all)."""

    id: Name
    type: Literal["webhook"]
    url: Annotated[str, AfterValidator(check_url)]
    secret: Secret
    enterprises: Annotated[
        list[Annotated[str, Field(pattern=RECIPIENT_PATTERN)]],
        Field(min_length=1),
        BeforeValidator(_listed),
    ]


@dataclass(config=STRICT, slots=True)
class Document:
    """One registry file. ``effective`` is the time from which its changes apply (RFC 3339)."""

    enterprises: list[Enterprise] | None = None
    permits: list[Permit] = Field(default_factory=list)
    recipients: list[Recipient] = Field(default_factory=list)
    effective: Annotated[str, AfterValidator(check_effective)] | None = None
    rule_sets: list[RuleSet] = Field(default_factory=list)


DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)
