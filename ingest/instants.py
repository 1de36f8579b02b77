"""RFC 3339 texts and int64 microseconds since 1970 UTC: the one reader of times in messages."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

from alerts.core.vocabulary import DAY, HOUR, MINUTE, SECOND

CACHE_SIZE = 65_536  # times seen lately: about 10 MB
LONGEST_CACHED = 40  # characters; a fraction may have a million digits
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS_TO_1970 = date(1970, 1, 1).toordinal()
_RFC3339 = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]"
    r"([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)


def parse_time(text: str) -> int:
    """Return the instant of an RFC 3339 ``text`` in microseconds since 1970 UTC.

    Digits beyond microseconds are cut. A leap second (23:59:60 in UTC) is the second after it.

    Raises:
        ValueError: the text is not a time with an offset, or names a day that does not exist.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time with an offset, such as 2026-11-22T03:20:00Z")
    year, month, day, hour, minute, second, fraction, sign, off_hour, off_minute = match.groups()
    instant = _midnight(int(year), int(month), int(day))
    instant += int(hour) * HOUR + int(minute) * MINUTE + int(second) * SECOND
    if sign is not None:
        offset = int(off_hour) * HOUR + int(off_minute) * MINUTE
        instant += offset if sign == "-" else -offset
    if second == "60" and instant % DAY:
        raise ValueError("a 60th second that is not 23:59:60 in UTC")
    if fraction is not None:
        instant += int(fraction[:6].ljust(6, "0"))
    return instant


def format_time(instant: int) -> str:
    """Return ``instant`` as RFC 3339 in UTC, with as many digits as it needs.

    Only for instants of the years 1 to 9999.
    """
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.replace(tzinfo=None).isoformat() + "Z"


class Instants(dict[str, int]):
    """Times parsed lately, by their text: ``instants[text]`` parses what it does not hold.

    Units report at the same round times, so nearly every text has been seen before. Bounded: a
    full cache starts afresh, and long texts are not kept.
    """

    def __missing__(self, text: str) -> int:
        instant = parse_time(text)
        if len(self) >= CACHE_SIZE:
            self.clear()
        if len(text) <= LONGEST_CACHED:
            self[text] = instant
        return instant


def _midnight(year: int, month: int, day: int) -> int:
    # RFC 3339 has a year 0000, which datetime has not: it is like 0400, one cycle of 400 years on.
    cycles = 1 if year == 0 else 0
    ordinal = date(year + 400 * cycles, month, day).toordinal() - 146_097 * cycles
    return (ordinal - _DAYS_TO_1970) * DAY
