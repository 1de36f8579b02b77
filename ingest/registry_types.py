"""The types of single values in a registry's entries: ids, numbers, days, units of measure."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from ingest.registry_values import (
    check_duration,
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
SUBSTANCE_PATTERN = r"^[0-9]{4}$"
CONDITION_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
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


def check_region(text: str) -> str:
    """Refuse what is no region of Kazakhstan."""
    if text not in REGIONS:
        raise ValueError(
            f'"{text}" is not a region of ISO 3166-2:KZ, such as KZ-55 or KZ-PAV (Pavlodar)'
        )
    return text


def check_range(pair: tuple[float, float]) -> tuple[float, float]:
    """Refuse a range that is empty."""
    if not pair[0] < pair[1]:
        raise ValueError(f"the lower end {pair[0]:g} is not below the upper end {pair[1]:g}")
    return pair


def _check_zone(text: str) -> str:
    parse_zone(text)
    return text


def _check_day(text: str) -> str:
    parse_day(text)
    return text


def check_effective(text: str) -> str:
    """Refuse what is no time with its offset."""
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
