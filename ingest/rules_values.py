"""The small notations of a rule set: windows of the calendar, factors.

Each function takes what the file says and raises ValueError in words for whoever mends the file.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from alerts.core.rounding import exact_fraction
from alerts.core.vocabulary import DAY, HOUR
from ingest.registry_values import canonical, check_average, microseconds

LIMIT_AVERAGE = "limit"  # the average that the limit itself names
# Calendar periods of the reporting zone, with a nominal length: their true one varies.
CALENDAR = {"1week": 7 * DAY, "1month": 30 * DAY, "1quarter": 91 * DAY, "1year": 365 * DAY}
_OPERATING_DAYS = re.compile(r"([1-9][0-9]{0,2})operating_days")
_WINDOWS = "an average such as 30min, 1h, 1d, 1month, 1year or 30operating_days"


@lru_cache(1024)
def window_text(text: str) -> str:
    """Return the one way to write a window: ``60min`` is ``1h``, ``24h`` is ``1d``."""
    if text in CALENDAR or text == LIMIT_AVERAGE or _OPERATING_DAYS.fullmatch(text):
        return text
    return canonical(text)


@lru_cache(1024)
def nominal(text: str) -> int:
    """Return the length [us] of a window, a nominal one for what has no fixed length."""
    if text in CALENDAR:
        return CALENDAR[text]
    days = _OPERATING_DAYS.fullmatch(text)
    return int(days[1]) * DAY if days else microseconds(text)


def is_fixed(text: str) -> bool:
    """Tell whether a window has a fixed length of at most a day, so that it can be followed."""
    return text not in CALENDAR and not _OPERATING_DAYS.fullmatch(text) and nominal(text) <= DAY


@lru_cache(1024)
def check_window(text: str) -> str:
    """Refuse what a condition cannot be judged over; "limit" is the limit's own average."""
    if text in CALENDAR or text == LIMIT_AVERAGE or _OPERATING_DAYS.fullmatch(text):
        return text
    if text.endswith(("month", "year", "week", "quarter", "operating_days")):
        raise ValueError(f'"{text}" is not {_WINDOWS}')
    return check_average(text)


@lru_cache(1024)
def check_per(text: str) -> str:
    """Refuse what a share or a count cannot be of."""
    if text in CALENDAR or _OPERATING_DAYS.fullmatch(text):
        return text
    try:
        whole = microseconds(text)
    except ValueError:
        raise ValueError(f'"{text}" is not a time such as 1d, 7d, 1month or 1year') from None
    if whole < DAY or whole % DAY:
        raise ValueError(f'"{text}": a share or count is of whole days, 1month, 1year …')
    return text


@lru_cache(1024)
def check_short_term(text: str) -> str:
    """Refuse short-term averages of more than an hour; "limit" is the limit's own average."""
    if text != LIMIT_AVERAGE and microseconds(check_average(text)) > HOUR:
        raise ValueError(f'short-term averages over "{text}": at most 1h')
    return text


@lru_cache(1024)
def check_limit_average(text: str) -> str:
    """Refuse what no limit can be over; months and years are for amounts (kg, t)."""
    return text if text in CALENDAR else check_average(text)


def decimal_text(value: object) -> str:
    """Return a factor above 0 as it is compared: a decimal such as ``1.1``, exactly."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("expected a factor such as 1.1")  # noqa: TRY004 - pydantic's own
    text = value if isinstance(value, str) else f"{Decimal(str(value)):f}"
    if exact_fraction(text) <= 0:
        raise ValueError(f"{text} is not a factor above 0")
    return text if "/" in text else f"{Decimal(text).normalize():f}"


def reference_oxygen(value: object) -> float | str:
    """Return a reference oxygen [%], or "limit" for the one that each limit names."""
    if value == LIMIT_AVERAGE:
        return LIMIT_AVERAGE
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError('expected a reference oxygen in %, such as 6, or "limit"')  # noqa: TRY004 - as above
    if not 0 <= value < 20.9:  # noqa: PLR2004 - the oxygen in air
        raise ValueError(f"a reference oxygen of {value:g} %: at least 0 and below 20.9 expected")
    return float(value)
