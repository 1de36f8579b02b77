"""What a registry file may say: its entries as strict models."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from ingest.registry_values import (
    check_average,
    check_duration,
    check_period,
    check_url,
    parse_day,
    parse_effective,
    parse_zone,
    share,
)

STRICT = ConfigDict(strict=True, extra="forbid")

ID_PATTERN = r"^[a-z0-9-]{1,40}$"
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"
REFERENCE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}/[A-Za-z0-9][A-Za-z0-9._-]{0,39}$"
TEXT_PATTERN = r"^[^\x00-\x1f\x7f]+$"
KEY_PATTERN = r"^[^\x00-\x1f\x7f]{1,64}$"
BIN_PATTERN = r"^[0-9]{12}$"
PARAMETERS = (
    "o2", "co2", "h2o", "temperature", "pressure", "velocity", "flow", "load", "heat_input",
)  # fmt: skip
PARAMETER_PATTERN = rf"^([0-9]{{4}}|{'|'.join(PARAMETERS)})$"
VARIABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]*$"
LANGUAGE_PATTERN = r"^[a-z]{2,3}$"
RECIPIENT_PATTERN = r"^(\*|[a-z0-9-]{1,40})$"

# ISO 3166-2:KZ: the codes of 2022, then those before, which documents still use.
REGIONS = frozenset(
    f"KZ-{code}"
    for code in (
        "10", "11", "15", "19", "23", "27", "31", "33", "35", "39", "43", "47", "55", "59", "61",
        "62", "63", "71", "75", "79",
        "AKM", "AKT", "ALA", "ALM", "AST", "ATY", "BAY", "KAR", "KUS", "KZY", "MAN", "PAV", "SEV",
        "SHY", "VOS", "YUZ", "ZAP", "ZHA",
    )
)  # fmt: skip


def _check_region(text: str) -> str:
    if text not in REGIONS:
        raise ValueError(
            f'"{text}" is not a region of ISO 3166-2:KZ, such as KZ-55 or KZ-PAV (Pavlodar)'
        )
    return text


def _check_range(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError(f"the lower end {pair[0]:g} is not below the upper end {pair[1]:g}")
    return pair


def _check_zone(text: str) -> str:
    parse_zone(text)
    return text


def _check_day(text: str) -> str:
    parse_day(text)
    return text


def _check_effective(text: str) -> str:
    parse_effective(text)
    return text


def _share(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("expected a share such as 0.8 or 2/3")  # noqa: TRY004 - pydantic's own
    return share(value if isinstance(value, str) else f"{Decimal(str(value)):f}")


Id = Annotated[str, Field(pattern=ID_PATTERN)]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Text = Annotated[str, Field(pattern=TEXT_PATTERN, max_length=500)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(allow_inf_nan=False, gt=0)]
Duration = Annotated[str, AfterValidator(check_duration)]
Share = Annotated[str, BeforeValidator(_share)]
Day = Annotated[str, AfterValidator(_check_day)]
Zone = Annotated[str, AfterValidator(_check_zone)]
Parameter = Annotated[str, Field(pattern=PARAMETER_PATTERN)]
Uom = Literal[
    "mg/m3", "ug/m3", "ppm", "%", "degC", "K", "kPa", "Pa", "m/s", "m3/h", "m3/s", "MW", "t/h",
    "kg/h", "g/s", "kg", "t", "lb", "lb/h", "lb/mmBtu", "mmBtu", "short_ton",
]  # fmt: skip


@dataclass(config=STRICT, slots=True)
class Basis:
    """State of the gas that a concentration is stated for: dry, at so much oxygen (%)."""

    dry: bool | None = None
    o2: Annotated[float, Field(ge=0, lt=20.9)] | None = None


@dataclass(config=STRICT, slots=True)
class Channel:
    """A measured series of a source."""

    id: Name
    parameter: Parameter
    unit: Uom
    period: Annotated[str, AfterValidator(check_period)]
    range: Annotated[tuple[Number, Number], AfterValidator(_check_range)] | None = None
    basis: Basis | None = None
    missing: list[Number] | None = None
    stuck_after: Duration | None = None
    max_step: Positive | None = None


@dataclass(config=STRICT, slots=True)
class Source:
    """A stack or vent; ``position`` is WGS 84 latitude and longitude."""

    id: Name
    number: Text | None = None
    position: (
        tuple[Annotated[float, Field(ge=-90, le=90)], Annotated[float, Field(ge=-180, le=180)]]
        | None
    ) = None
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
    region: Annotated[str, AfterValidator(_check_region)] | None = None
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
    """A permitted mean of one channel over one window."""

    source: Name
    channel: Name
    value: Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e9)]
    unit: Uom
    average: Annotated[str, AfterValidator(check_average)]
    coverage: Share = "2/3"
    warn_at: Share = "0.8"
    clear_at: Share = "0.95"
    open_after: Duration = "0s"
    clear_after: Duration = "5min"


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
    effective: Annotated[str, AfterValidator(_check_effective)] | None = None


DOCUMENT: TypeAdapter[Document] = TypeAdapter(Document)
