"""Alerts of kind ``forecast``: opened before a condition is broken, and resolved when it is safe.

They are kept apart from legal judgements: a forecast is no exceedance. An alert opens when the
running period will break its condition at the present rate, or may exceed no more; it rises to
``exceedance`` when that has come, and resolves when the forecast is at most ``CLEAR_AT`` of what
is allowed, or with the period.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from alerts.core.records import FORECAST, Alert
from alerts.core.verdicts import NONE
from alerts.core.vocabulary import NEVER, Severity
from alerts.forecast import TENTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from alerts.journal import Journal

    Running = Mapping[int, np.void]

CLEAR_AT = 0.95
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def breaks(row: np.void, until: int) -> bool:
    """Tell whether a running period will break its condition, or has no allowance left.

    The rate of its first tenth is not relied on.
    """
    spent = row["allowed"] > 0 and row["exceeding"] >= row["allowed"]
    told = TENTH * (until - row["start"]) >= row["finish"] - row["start"]
    return bool((row["breaks_at"] != NEVER and told) or spent)


def broken(row: np.void) -> bool:
    """Tell whether the breach has come: nothing that the rest of the period does can mend it.

    A mean above its limit so far may come down yet; one for which zeroes to the end do not suffice
    may not, nor may a mass or a number that is too high.
    """
    counted = row["allowed"] != NONE
    return bool(row["exceeding"] > row["allowed"] if counted else row["rest"] < 0)


def record_forecasts(
    journal: Journal,
    running: Running,
    unresolved: Mapping[int, Alert],
    alternatives: Mapping[int, set[int]],
    until: int,
) -> None:
    """Put into the journal what forecasts change in alerts.

    ``running`` are rows of ``VERDICT`` that are not over, by limit; ``unresolved`` the open
    forecasts of the limits looked at, a limit with one and no running period included.
    ``alternatives`` names for each limit the others of its group: where one of them is safe, the
    whole group is.
    """
    for number, row in running.items():
        others = [running[one] for one in alternatives.get(number, set()) if one in running]
        threatened = all(breaks(one, until) for one in (row, *others))
        alert = unresolved.get(number)
        if alert is None and threatened and not broken(row):
            _open(journal, row, until)
        elif alert is not None:
            _go_on(journal, alert, row, until, threatened=threatened)
    for number, alert in unresolved.items():
        if number not in running:
            _resolve(journal, alert, None, until)


def _value(row: np.void) -> float:
    """Return what is forecast; what has come already where nothing is."""
    for name in ("forecast", "value", "exceeding"):
        if not math.isnan(row[name]):
            return float(row[name])
    return 0.0


def _open(journal: Journal, row: np.void, until: int) -> None:
    value, severity = _value(row), Severity.WARNING.label
    number, version = int(row["limit"]), int(row["version"])
    alert = Alert(
        uuid4(), number, version, "open", severity, severity, until, None, value, until, value,
        until, kind=FORECAST,
    )  # fmt: skip
    journal.put(None, alert)
    journal.note(alert, "opened", value, evidence(row))


def _go_on(journal: Journal, alert: Alert, row: np.void, until: int, *, threatened: bool) -> None:
    has_come = broken(row)
    clear = not row["forecast"] > CLEAR_AT * row["threshold"]
    another = alert.opened_at < row["start"] and alert.changed_at < row["start"]
    if not has_come and not threatened and (clear or another):
        _resolve(journal, alert, row, until)
        return
    value = _value(row)
    severity = (Severity.EXCEEDANCE if has_come else Severity.WARNING).label
    higher = value > alert.peak
    after = replace(
        alert,
        version=int(row["version"]),
        severity=severity,
        worst=Severity.EXCEEDANCE.label if has_come else alert.worst,
        value=value,
        peak=value if higher else alert.peak,
        peak_at=until if higher else alert.peak_at,
    )
    if severity != alert.severity:
        after = replace(after, changed_at=until)
        journal.put(alert, after)
        journal.note(after, "raised" if has_come else "lowered", value, evidence(row))
    elif after != alert:
        journal.put(alert, after)


def _resolve(journal: Journal, alert: Alert, row: np.void | None, until: int) -> None:
    value = alert.value if row is None else _value(row)
    after = replace(alert, state="resolved", resolved_at=until, changed_at=until, value=value)
    journal.put(alert, after)
    journal.note(after, "resolved", value, None if row is None else evidence(row))


def evidence(row: np.void) -> dict[str, Any]:
    """Return what a forecast rests on, ready for JSON."""

    def number(name: str) -> float | None:
        value = float(row[name])
        return None if math.isnan(value) else value

    def instant(name: str) -> str | None:
        if row[name] == NEVER:
            return None
        moment = _EPOCH + timedelta(microseconds=int(row[name]))
        return moment.isoformat().replace("+00:00", "Z")

    counted = int(row["allowed"]) >= 0
    return {
        "start": instant("start"),
        "end": instant("finish"),
        "value": number("value"),
        "forecast": number("forecast"),
        "threshold": number("threshold"),
        "rest_may_average": number("rest"),
        "breaks_at": instant("breaks_at"),
        "valid": int(row["valid"]),
        "expected": int(row["expected"]),
        "exceeding": int(row["exceeding"]) if counted else None,
        "allowed": int(row["allowed"]) if counted else None,
    }
