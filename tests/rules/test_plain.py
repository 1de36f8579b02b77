"""A limit without a rule set is what it always was, whatever stands beside it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from storage.registry_rows import LimitRow
from tests.rules.given import limits_of, permit, registry

AVERAGES = {
    "1min": ("1min", 60), "20min": ("20min", 1200), "60min": ("1h", 3600), "8h": ("8h", 28_800),
    "24h": ("1d", 86_400),
}  # fmt: skip
SHARES = st.sampled_from(["2/3", "0.75", "1"])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "coverage": SHARES,
        "warn_at": SHARES,
        "clear_at": SHARES,
        "open_after": st.sampled_from(["0s", "5min"]),
        "clear_after": st.sampled_from(["0s", "1h"]),
    },
)
BESIDE = "channel: dry, value: 200, unit: mg/m3, rules: ied-lcp"
DURATIONS = {"0s": 0, "5min": 300, "1h": 3600}


@given(
    average=st.sampled_from(sorted(AVERAGES)),
    value=st.floats(1e-3, 1e6),
    options=OPTIONS,
    beside=st.booleans(),
)
def test_a_limit_without_rules_expands_to_what_it_did(
    average: str, value: float, options: dict[str, str], beside: Any
) -> None:
    words = "".join(f', {key}: "{text}"' for key, text in options.items())
    limit = f"channel: bare, value: {value!r}, unit: mg/m3, average: {average}{words}"
    rows = limits_of(registry(limit, *[BESIDE] * beside))
    name, seconds = AVERAGES[average]
    assert rows[0] == LimitRow(
        "P1", "gres1", "stack-1", "bare", name, seconds * 1_000_000,
        datetime(2025, 12, 31, 19, tzinfo=UTC), datetime(2030, 12, 31, 19, tzinfo=UTC),
        value, "mg/m3", options.get("coverage", "2/3"), options.get("warn_at", "0.8"),
        options.get("clear_at", "0.95"),
        DURATIONS[options.get("open_after", "0s")] * 1_000_000,
        DURATIONS[options.get("clear_after", "5min")] * 1_000_000,
        basis="", condition="", rule=None,
    )  # fmt: skip
    assert [row.condition == "" for row in rows].count(True) == 1
    assert len(rows) == 1 or beside


def test_the_same_limit_by_kz_20min_is_judged_on_the_same_channel() -> None:
    plain, by_rules, record = limits_of(
        registry(
            "channel: bare, value: 700, unit: mg/m3, average: 20min",
            "channel: bare, value: 700, unit: mg/m3, average: 20min, rules: kz-20min",
        )
    )
    told = by_rules._replace(condition="", rule=None)
    assert told == plain
    assert (record.basis, record.average, record.value) == ("", "20min", float("inf"))


def test_a_permit_without_limits_is_a_permit() -> None:
    assert limits_of(registry() + permit("P2", "2026-01-01", "2026-12-31")) == []
