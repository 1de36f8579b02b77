"""The UCI data set "Gas Turbine CO and NOx Emission" (Kaya, Tüfekci and Uzun 2019), as one unit.

Its rows have no time: each is the next hour. Pressures (AP, AFDP, GTEP, CDP, in mbar) and the
ambient humidity AH are left out: the registry has no unit of measure or parameter for them, and
converting would change the file's numbers.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from simulators.errors import UserError
from simulators.message import Sample
from simulators.recording import (
    Column,
    PermitLimit,
    RecordedUnit,
    Recording,
    check_columns,
    number,
    read_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import timezone

COLUMNS = (
    Column("CO", "co", "0337", "mg/m3", -5, 500),
    # the sum of nitrogen oxides, counted as NO2
    Column("NOX", "nox", "0301", "mg/m3", -5, 500),
    Column("AT", "at", "temperature", "degC", -60, 60),
    Column("TIT", "tit", "temperature", "degC", -60, 1500),
    Column("TAT", "tat", "temperature", "degC", -60, 1000),
    # MWh of an hour, so the hour's mean load in MW
    Column("TEY", "tey", "load", "MW", 0, 300),
)
LIMITS = (
    PermitLimit("nox", 75, "1h"),
    PermitLimit("nox", 70, "1d"),
    PermitLimit("co", 10, "1h"),
    PermitLimit("co", 5, "1d"),
)
NAME = {"en": "Gas turbine", "ru": "Газовая турбина", "kk": "Газ турбинасы"}


def read_uci(
    files: Sequence[str], start: int, spacing: int, reporting_zone: timezone | None
) -> Recording:
    """Return the files' rows, one after the other, as samples ``spacing`` apart from ``start``.

    Times are microseconds. Raises UserError, naming file and line, for what is no such data.
    """
    rows = (row for file in files for row in _rows(file))
    samples = [Sample(start + place * spacing, row) for place, row in enumerate(rows)]
    if not samples:
        raise UserError(f"{', '.join(files)}: no rows")
    unit = RecordedUnit("ams-1", "turbine-1", COLUMNS, samples)
    return Recording(NAME, [unit], LIMITS, spacing, reporting_zone)


def _rows(file: str) -> Iterator[dict[str, float | None]]:
    text = io.StringIO(read_bytes(file).decode("utf-8-sig", errors="replace"), newline="")
    reader = csv.DictReader(text)
    check_columns([column.name for column in COLUMNS], reader.fieldnames, file)
    for row in reader:
        yield {column.key: _value(row, column, f"{file}:{reader.line_num}") for column in COLUMNS}


def _value(row: dict[str, str | None], column: Column, place: str) -> float:
    value = number(row[column.name] or "", f"{place}: {column.name}")
    if value is None:
        raise UserError(f"{place}: {column.name} is empty")
    return value
