"""Hourly emissions as US EPA publishes them (Clean Air Markets): one AMS unit for each EPA unit.

Times are local standard time all year, so each plant has a fixed offset. An hour without operation
is sent as ``stopped``. Left out, for want of a unit of measure in the registry: OP_TIME, the steam
load and CO2_RATE (tons/mmBtu).
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from simulators.errors import UserError
from simulators.instants import HOUR, parse_instant
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

COLUMNS = (
    Column("GLOAD (MW)", "load", "load", "MW", 0, 1000),
    Column("SO2_MASS (lbs)", "so2-mass", "0330", "lb", 0, 10_000, "SO2_MASS_MEASURE_FLG"),
    Column("SO2_RATE (lbs/mmBtu)", "so2-rate", "0330", "lb/mmBtu", 0, 10, "SO2_RATE_MEASURE_FLG"),
    Column("NOX_RATE (lbs/mmBtu)", "nox-rate", "0301", "lb/mmBtu", 0, 10, "NOX_RATE_MEASURE_FLG"),
    Column("NOX_MASS (lbs)", "nox-mass", "0301", "lb", 0, 10_000, "NOX_MASS_MEASURE_FLG"),
    Column("CO2_MASS (tons)", "co2-mass", "co2", "short_ton", 0, 2000, "CO2_MASS_MEASURE_FLG"),
    Column("HEAT_INPUT (mmBtu)", "heat-input", "heat_input", "mmBtu", 0, 20_000),
)
NEEDED = ("ORISPL_CODE", "UNITID", "OP_DATE", "OP_HOUR", "OP_TIME")
STATUSES = {
    "": "valid",
    "Measured": "valid",
    "Calculated": "valid",
    "Substitute": "substituted",
    "Measured and Substitute": "substituted",
}
LIMITS = (PermitLimit("nox-rate", 0.06, "1h"), PermitLimit("nox-rate", 0.03, "1d"))
NAME = {"en": "Idaho turbines", "ru": "Турбины Айдахо", "kk": "Айдахо турбиналары"}
PACIFIC, MOUNTAIN = timezone(timedelta(hours=-8)), timezone(timedelta(hours=-7))
# plants of the sample data: their standard time, and where they are
PLANTS = {
    "7456": (PACIFIC, (47.804, -116.866)),  # Rathdrum, in Idaho's north
    "55179": (PACIFIC, (47.787, -116.919)),
    "55733": (MOUNTAIN, (43.144, -115.666)),
    "7953": (MOUNTAIN, (43.180, -115.733)),
    "57028": (MOUNTAIN, (43.904, -116.819)),
}

Unit = tuple[str, str]  # plant code, unit


def read_epa(files: Sequence[str], start: int | None, zone: timezone | None) -> Recording:
    """Return the files' hours as one unit for each EPA unit.

    ``start`` (microseconds) moves the first hour there and all others with it, None keeps the
    files' own times. ``zone`` is the standard time of plants that PLANTS does not know, and the
    enterprise's reporting zone. Raises UserError, naming file and line, for what is no such data.
    """
    hours: dict[Unit, list[Sample]] = defaultdict(list)
    for file in files:
        for unit, sample in _hours(file, zone):
            hours[unit].append(sample)
    if not hours:
        raise UserError(f"{', '.join(files)}: no rows")
    shift = 0 if start is None else start - min(s.time for rows in hours.values() for s in rows)
    units = [_unit(unit, rows, shift, zone) for unit, rows in sorted(hours.items())]
    return Recording(NAME, units, LIMITS, HOUR, zone or MOUNTAIN)


def _unit(unit: Unit, rows: list[Sample], shift: int, zone: timezone | None) -> RecordedUnit:
    name = re.sub("[^a-z0-9]+", "-", "-".join(unit).lower())
    offset, position = PLANTS.get(unit[0], (zone or UTC, None))
    samples = [Sample(row.time + shift, row.values, row.status) for row in rows]
    samples.sort(key=lambda sample: sample.time)
    return RecordedUnit(name, name, COLUMNS, samples, zone or offset, position)


def _hours(file: str, zone: timezone | None) -> Iterator[tuple[Unit, Sample]]:
    for member, text in _texts(file):
        reader = csv.DictReader(io.StringIO(text, newline=""))
        check_columns([*NEEDED, *(column.name for column in COLUMNS)], reader.fieldnames, member)
        for row in reader:
            place = f"{member}:{reader.line_num}"
            fields = {name: value or "" for name, value in row.items()}
            yield _hour(fields, place, zone)


def _texts(file: str) -> Iterator[tuple[str, str]]:
    """Yield the CSV files of an archive, or the file itself if it is none, with their names."""
    content = read_bytes(file)
    if not zipfile.is_zipfile(io.BytesIO(content)):
        yield file, content.decode("utf-8-sig", errors="replace")
        return
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in sorted(archive.namelist()):
            try:
                yield f"{file}/{member}", archive.read(member).decode("utf-8-sig", errors="replace")
            except (zipfile.BadZipFile, OSError) as error:
                raise UserError(f"{file}: damaged archive: {error}") from None


def _hour(row: dict[str, str], place: str, zone: timezone | None) -> tuple[Unit, Sample]:
    unit = (row["ORISPL_CODE"], row["UNITID"])
    offset = zone or PLANTS.get(unit[0], (None, None))[0]
    if offset is None:
        raise UserError(f"{place}: plant {unit[0]} is in no known zone; say --zone, as -07:00")
    time = _time(row, place, offset)
    running = number(row["OP_TIME"], f"{place}: OP_TIME")
    if not running:
        keys = [column.key for column in COLUMNS]
        return unit, Sample(time, dict.fromkeys(keys), dict.fromkeys(keys, "stopped"))
    values = {c.key: number(row[c.name], f"{place}: {c.name}") for c in COLUMNS}
    status = {}
    for column in COLUMNS:
        code = _status(row, column, place) if values[column.key] is not None else "malfunction"
        if code != "valid":
            status[column.key] = code
    return unit, Sample(time, values, status)


def _status(row: dict[str, str], column: Column, place: str) -> str:
    flag = row.get(column.flag, "") if column.flag else ""
    if flag not in STATUSES:
        raise UserError(f"{place}: {column.flag} {flag!r} is none of {', '.join(STATUSES)[2:]}")
    return STATUSES[flag]


def _time(row: dict[str, str], place: str, zone: timezone) -> int:
    try:
        day = datetime.strptime(row["OP_DATE"], "%m-%d-%Y").replace(tzinfo=zone)
        hour = int(row["OP_HOUR"])
    except ValueError:
        raise UserError(
            f"{place}: {row['OP_DATE']!r} {row['OP_HOUR']!r} are not a day mm-dd-yyyy and an hour"
        ) from None
    return parse_instant(day.isoformat()) + hour * HOUR
