"""Reads tests/scenarios/rules/*.toml and runs them: the format is described in the README there.

The path is the server's own: the rule set's file, the registry's limit expanded by it, the recipe
of a derived channel where raw values are given, the judge.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass, replace
from datetime import datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.core.chain import Role
from alerts.core.converted import derived
from alerts.core.periods import day_on_grid, duration
from alerts.core.rules import Rule
from alerts.core.shortterm import Made, ShortTerm
from alerts.core.statistics import either, judge
from alerts.core.verdicts import METHODS
from alerts.core.vocabulary import MINUTE, SECOND, Judgement
from alerts.core.zones import zone_info
from ingest.registry_file import parse_source
from ingest.registry_read import parse_registry_text
from ingest.registry_rows import registry_rows
from storage.registry_derived import chains_of, members_of
from tests.rules.shorthand import Average, averages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alerts.core.verdicts import Verdicts
    from storage.registry_rows import ChannelRow, LimitRow

FOLDER = Path(__file__).parent.parent / "scenarios" / "rules"
PLANT = parse_source("plant.yaml", (FOLDER / "plant.yaml").read_bytes(), is_json=False)[0]
ALWAYS = {"number": "P1", "from": "2000-01-01", "until": "2099-12-31"}


@dataclass(frozen=True)
class Case:
    """One case of a file, with what the file says for all of them."""

    name: str
    said: dict[str, Any]

    @property
    def rules(self) -> str:
        return str(self.said["rules"])

    @property
    def conditions(self) -> list[str]:
        condition = self.said["condition"]
        return [condition] if isinstance(condition, str) else list(condition)

    @property
    def zone(self) -> str:
        return str(self.said.get("zone", "+05:00"))


@dataclass(frozen=True)
class Judged:
    """What became of one limit: of a condition of one permit, or of several that are one group."""

    permit: str
    rule: Rule
    short: ShortTerm
    until: int
    in_force: np.ndarray[Any, np.dtype[np.bool_]]
    verdicts: Verdicts


def all_cases() -> list[Case]:
    return [
        Case(f"{path.stem} {number}", {**_without_cases(text), **case})
        for path in sorted(FOLDER.glob("*.toml"))
        for text in [tomllib.loads(path.read_text(encoding="utf-8"))]
        for number, case in enumerate(text["case"], 1)
    ]


def _without_cases(text: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in text.items() if key != "case"}


def run(case: Case) -> list[Judged]:
    """Judge a case: by permit, and a group's conditions together."""
    channels, limits = _expanded(case)
    found: list[Judged] = []
    for permit in dict.fromkeys(row.permit for row in limits):
        mine = [_judged(case, row, channels) for row in limits if row.permit == permit]
        together = mine[0] if len(mine) == 1 else _together(mine)
        found.append(together)
    return found


def _expanded(case: Case) -> tuple[dict[tuple[str, str], ChannelRow], list[LimitRow]]:
    document = registry_rows(
        parse_registry_text("plant.json", json.dumps(_registry(case)), is_json=True), "+05:00"
    )
    wanted = [f"{name}@" for name in case.conditions]
    limits = [row for row in document.limits if row.condition.startswith(tuple(wanted))]
    return {(row.channel, row.basis): row for row in document.channels}, limits


def _registry(case: Case) -> dict[str, Any]:
    assert PLANT is not None
    document: dict[str, Any] = json.loads(PLANT.json)
    document["enterprises"][0]["reporting_zone"] = case.zone
    permits = case.said.get("permits", [ALWAYS])
    limit = {"source": "stack", "unit": "mg/m3", **case.said["limit"], "rules": case.rules}
    limit["conditions"] = case.conditions
    document["permits"] = [
        {
            "number": permit["number"],
            "enterprise": "plant",
            "valid": {"from": str(permit["from"]), "until": str(permit["until"])},
            "limits": [{**limit, **permit.get("limit", {})}],
        }
        for permit in permits
    ]
    return document


def _judged(case: Case, row: LimitRow, channels: dict[tuple[str, str], ChannelRow]) -> Judged:
    rule = Rule.of_json(json.loads(row.rule or ""))
    text = case.said["averages"]
    given = averages(text if isinstance(text, str) else text[rule.condition])
    begin = instant(case.said["start"], case.zone)
    recipe = None
    if any(one.raw for one in given):
        text = channels[row.channel, row.basis].recipe
        recipe = {"measured": row.channel} if text is None else json.loads(text)
    raw, made = case.said.get("raw", {}), _Made(recipe, channels, begin)
    short = _short_term(rule, given, begin, raw, made)
    if rule.apart:
        short = replace(short, made=_members_of(recipe, [raw[one.raw[0]] for one in given]))
    until = instant(case.said["until"], case.zone) if "until" in case.said else short.finish[-1]
    grid = duration(rule.short_term).grid
    since, end = (
        day_on_grid(case.zone, _micros(one), grid) for one in (row.valid_from, row.valid_until)
    )
    in_force = ((short.finish > since) & (short.finish <= end))[:, None]
    limit = np.array([rule.limit])
    verdicts = judge(rule, limit, short, case.zone, int(until), in_force)
    return Judged(row.permit, rule, short, int(until), in_force, verdicts)


def _together(mine: list[Judged]) -> Judged:
    first = mine[0]
    verdicts = either([one.verdicts for one in mine])
    return Judged(first.permit, first.rule, first.short, first.until, first.in_force, verdicts)


def _short_term(
    rule: Rule, given: list[Average], begin: int, raw: dict[str, Any], made: _Made
) -> ShortTerm:
    window = duration(rule.short_term).exact
    slots = window // MINUTE
    start = begin + np.arange(len(given), dtype=np.int64) * window
    for one in given:
        assert one.of in {None, slots}, f"averages over {rule.short_term} have {slots} slots"

    def column(numbers: list[int]) -> Any:
        return np.array([slots if number == -1 else number for number in numbers], np.int32)[
            :, None
        ]

    known: dict[tuple[str, ...], float] = {}
    for one in given:
        if one.raw and one.raw not in known:
            parts = [raw[name] for name in one.raw]
            known[one.raw] = made.average(parts, window)
    mean = [known[one.raw] if one.raw else one.value for one in given]
    value = np.array([np.nan if one is None else one for one in mean])[:, None]
    counts = [-1 if one.count is None else one.count for one in given]
    return ShortTerm(
        start=start,
        finish=start + window,
        mean=value,
        count=np.where(np.isnan(value), 0, column(counts)).astype(np.int32),
        expected=np.full((1, 1), slots, np.int32),
        idle=column([one.idle for one in given]),
        stopped=column([one.stopped for one in given]),
        quarters=column([one.quarters for one in given]).astype(np.int8),
        marked=column([one.marked for one in given]),
        serviced=column([one.serviced for one in given]),
        load=np.array([[np.nan if one.load is None else one.load] for one in given]),
    )


def _members_of(recipe: Any, raw: list[dict[str, float]]) -> Made:
    """Return the members of hours that raw values make, which are filled apart."""
    chains, means = chains_of([recipe]), {}
    for role, member in members_of(recipe):
        chains.member[role, 0] = role
        means[Role(role)] = np.array([[one.get(member["channel"], np.nan)] for one in raw])
    counts = {role: np.where(np.isnan(one), 0, 60).astype(np.int32) for role, one in means.items()}
    return Made(chains, means, counts)


@dataclass(frozen=True)
class _Made:
    """How the judged channel is made of raw values: its recipe, and the channels that are there."""

    recipe: Any
    channels: dict[tuple[str, str], ChannelRow]
    begin: int

    def average(self, parts: list[dict[str, Any]], window: int) -> float:
        """Return a short-term average of raw values, in equal parts, through the recipe's chain.

        Each is converted and then averaged, or the other way round where the recipe's step is the
        whole short-term average.
        """
        if "measured" in self.recipe:
            return float(np.mean([one[self.recipe["measured"]] for one in parts]))
        if self.recipe["step_us"] < window:
            return float(np.mean([self.step([one]) for one in parts]))
        return self.step(parts)

    def step(self, parts: list[dict[str, Any]]) -> float:
        """Return what the chain makes of a step that holds these raw values."""
        chains, sums = chains_of([self.recipe]), {}
        chains.required[:] = 1
        for role, member in members_of(self.recipe):
            chains.member[role, 0] = role
            name, statuses = member["channel"], self._statuses(member)
            taken = [
                one[name] for one in parts if name in one and one.get("status", "valid") in statuses
            ]
            sums[Role(role)] = np.array([sum(taken, 0.0)]), np.array([len(taken)], np.int32)
        return float(derived(chains, np.array([self.begin]), sums)[0])

    def _statuses(self, member: dict[str, Any]) -> list[str]:
        if not member["basis"]:
            return ["valid"]
        select = self.channels[member["channel"], member["basis"]].recipe
        found: list[str] = json.loads(select or "")["statuses"]
        return found


def converted(recipe: Any, raw: dict[str, float], begin: int) -> float:
    """Return what a recipe's chain makes of valid raw values, by channel; NaN for what lacks."""
    return _Made(recipe, {}, begin).step([raw])


def shown(judged: Judged, zone: str) -> Iterator[dict[str, Any]]:
    """Yield each period that there was anything to judge in, as scenarios write it."""
    found = judged.verdicts
    for period in np.flatnonzero(found.expected[:, 0] > 0):
        numbers = {
            name: int(getattr(found, name)[period, 0])
            for name in ("exceeding", "allowed", "left", "substituted")
        }
        yield {
            "permit": judged.permit,
            "at": local(int(found.label[period]), zone),
            "until": local(int(found.finish[period]), zone),
            "value": _number(found.value[period, 0]),
            "raw": _number(found.raw[period, 0]),
            "threshold": _number(found.threshold[period, 0]),
            "state": Judgement(found.state[period, 0]).label,
            "valid": f"{found.valid[period, 0]}/{found.expected[period, 0]}",
            "over": bool(found.over[period]),
            "replaced": _number(found.replaced[period, 0]),
            "estimate": _number(found.estimate[period, 0]),
            "methods": {
                f"{code:02d}": int(number)
                for code, number in zip(METHODS, found.methods[:, period, 0], strict=True)
                if number
            },
            **numbers,
        }


def _number(value: float) -> float | str:
    return "-" if np.isnan(value) else float(value)


def instant(local_time: Any, zone: str) -> int:
    """Return the instant [us] of a TOML date, of a date and time in the zone, or with an offset."""
    if not isinstance(local_time, datetime):
        local_time = datetime.combine(local_time, time())
    if local_time.tzinfo is None:
        local_time = local_time.replace(tzinfo=zone_info(zone))
    return int(local_time.timestamp()) * SECOND


def local(at: int, zone: str) -> str:
    """Return ``2026-03-01``, or ``2026-03-01 12:30`` where that is no midnight, in the zone."""
    moment = datetime.fromtimestamp(at // SECOND, zone_info(zone))
    return f"{moment:%Y-%m-%d}" if moment.time() == time() else f"{moment:%Y-%m-%d %H:%M}"


def _micros(moment: datetime) -> int:
    return round(moment.timestamp()) * SECOND
