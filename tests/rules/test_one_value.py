"""docs/one-value.md: what it says is what comes of it, by hand, in the core and in the server."""

from __future__ import annotations

import json
import re
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from alerts.core.conditions import to_reference_oxygen
from alerts.core.means import assessable
from alerts.core.rules import Rule
from alerts.core.shortterm import ShortTerm
from alerts.core.statistics import judge
from alerts.core.vocabulary import DAY, MINUTE, SECOND, Judgement
from alerts.track import iso
from ingest.compliance import SETTLED, Follower
from storage.times import from_micros
from tests.pipeline.whole import ZONE, Whole, prepared, whole
from tests.rules.given import channels_of, limits_of
from tests.rules.one_value import (
    DOCS,
    LIMIT,
    MINUTES,
    OXYGEN,
    REGISTRY,
    VALID,
    figures,
    mean_of,
    page,
    picture,
    steps,
)
from tests.rules.one_value import START as BEGIN
from tests.rules.scenario import converted

if TYPE_CHECKING:
    from pathlib import Path

START = int(datetime.fromisoformat(BEGIN).timestamp()) * SECOND
PAGE = (DOCS / "one-value.md").read_text(encoding="utf-8")
AT_6 = "dry, 6 % O2, 273.15 K, 101.325 kPa"


# ---- the page


def test_the_page_and_its_picture_are_what_the_code_makes() -> None:
    """Written anew by: python -m tests.rules.one_value."""
    assert page() == PAGE
    assert picture() == (DOCS / "one-value.svg").read_text(encoding="utf-8")


def cells() -> list[list[str]]:
    return [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", PAGE, re.MULTILINE)]


def calculated(text: str) -> Decimal:
    """What a calculator says of the numbers as they are printed."""
    plain = text.replace("×", "*").replace("−", "-")
    assert re.fullmatch(r"[\d.()*/+\- ]+", plain), text
    whole = re.sub(r"[\d.]+", r"Decimal('\g<0>')", plain)
    found: Decimal = eval(whole, {"Decimal": Decimal})  # noqa: S307 - digits and signs only
    return found


SUMS = [row for row in cells() if len(row) == 4 and re.search(r"\d [+×/−] ", row[1])]


@pytest.mark.parametrize("row", SUMS, ids=lambda row: row[0])
def test_a_calculator_comes_to_the_same(row: list[str]) -> None:
    printed = Decimal(row[2].split(" ")[0])
    last = Decimal(1).scaleb(min(0, int(printed.as_tuple().exponent)))
    # What is printed above is itself rounded to four decimals: that is in its last digits.
    assert abs(calculated(row[1]) - printed) <= max(2 * last, Decimal("0.0002"))


def test_all_steps_are_there() -> None:
    assert len(SUMS) == 12


def test_each_minute_follows_from_its_own_row() -> None:
    rows = [[Decimal(cell) for cell in row[1:]] for row in cells()
            if re.match(r"12:\d\d$", row[0]) and "calibration" not in row]  # fmt: skip
    assert len(rows) == 18
    for so2, t, p, h2o, o2, q, calibrated, standard, dry, oxygen, reference, mass in rows:
        warm = (t + Decimal("273.15")) / Decimal("273.15")
        share = 1 - h2o / 100
        by_hand = (
            Decimal("3.2") + Decimal("1.04") * so2,
            calibrated * warm * Decimal("101.325") / p,
            standard / share,
            o2 / share,
            dry * 15 / (21 - oxygen),
            calibrated * q / 3600000,
        )
        for said, found in zip(
            (calibrated, standard, dry, oxygen, reference, mass), by_hand, strict=True
        ):
            assert abs(said - found) < Decimal("2e-4")


def test_the_judgements_are_those_of_the_printed_numbers() -> None:
    rows = [row for row in cells() if row[-1] in {"exceeded", "compliant"}]
    assert len(rows) == 2
    for _, comparison, said in rows:
        value, sign, limit = comparison.split(" ")
        exceeds = Decimal(value) > Decimal(limit)
        assert (sign, said) == ((">", "exceeded") if exceeds else ("≤", "compliant"))


def test_what_the_text_says_besides() -> None:
    enough = assessable(np.array([13, 14]), 20, 2, 3)
    assert enough.tolist() == [False, True]
    assert mean_of(steps().reference) > 2 * mean_of(steps().raw)
    value, oxygen = np.array([100.0, 200.0]), np.array([5.0, 15.0])
    each = to_reference_oxygen(value, oxygen, OXYGEN).mean()
    first = to_reference_oxygen(np.array([value.mean()]), oxygen.mean(), OXYGEN)[0]
    assert f"{each:.3f}" == "296.875"
    assert f"{first:.3f}" == "204.545"
    assert "296.875 one way and 204.545 the other" in PAGE


# ---- the same by the rule set's recipes and conditions


def test_the_registry_of_the_page_makes_these_chains() -> None:
    assert f"```yaml\n{REGISTRY}```" in PAGE
    raw = [dict(zip(("so2", "t", "p", "h2o", "o2", "q"), one[:6], strict=True)) for one in MINUTES]
    valid = [one for one, counts in zip(raw, VALID, strict=True) if counts]
    rows = channels_of(REGISTRY)
    for basis, expected in ((AT_6, steps().reference), ("g/s", steps().mass)):
        recipe = json.loads(rows["so2", basis].recipe or "")
        found = [converted(recipe, one, START) for one in valid]
        assert found == pytest.approx(expected.tolist(), rel=1e-12)


@pytest.mark.parametrize(
    ("basis", "value", "state"),
    [(AT_6, "validated", "state"), ("g/s", "mass", "mass_state")],
)
@pytest.mark.parametrize(("minutes", "assessed"), [(18, True), (14, True), (13, False)])
def test_the_conditions_of_the_rule_set_judge_so(
    basis: str, value: str, state: str, minutes: int, *, assessed: bool
) -> None:
    [row] = [one for one in limits_of(REGISTRY) if one.basis == basis and "@" in one.condition]
    made = steps()
    mean = mean_of(made.reference if basis == AT_6 else made.mass)
    rule = Rule.of_json(json.loads(row.rule or ""))
    short = ShortTerm(
        start=np.array([START]),
        finish=np.array([START + 20 * MINUTE]),
        mean=np.array([[mean]]),
        count=np.array([[minutes]], np.int32),
        expected=np.array([[len(MINUTES)]], np.int32),
    )
    found = judge(rule, rule.limit, short, ZONE, START + DAY)
    if not assessed:
        assert found.state[0, 0] == Judgement.NOT_ASSESSABLE
        return
    assert found.value[0, 0] == float(figures()[value])
    assert found.raw[0, 0] == mean
    assert Judgement(found.state[0, 0]).label == figures()[state]


# ---- the same through the server


def message() -> bytes:
    samples: list[dict[str, Any]] = []
    for number, one in enumerate(MINUTES):
        sample: dict[str, Any] = {
            "time": iso(START + number * MINUTE),
            "values": dict(zip(("so2", "t", "p", "h2o", "o2", "q"), one[:6], strict=True)),
        }
        if one.status != "valid":
            sample["status"] = {"so2": one.status}
        samples.append(sample)
    return json.dumps({"boot": "b1", "seq": 0, "samples": samples}).encode()


async def judged(server: Whole) -> list[tuple[Any, ...]]:
    """(basis, value, raw, judgement) of each condition over the 20 minutes."""
    follower = Follower(server.judge._store, server.metrics, ZONE, lambda: server.now)
    await follower.work()
    return await server.rows(
        "select c.basis, v.value, v.raw, judgement_name(v.state) from current_compliance v"
        ' join limits l on l.id = v."limit" join channels c on c.id = l.channel'
        " where v.over and v.start = $1 order by c.basis",
        from_micros(START),
    )


async def test_the_server_comes_to_the_same(postgres_url: str, tmp_path: Path) -> None:
    registry = tmp_path / "registry.yaml"
    registry.write_text(REGISTRY)
    async with (
        prepared(postgres_url, registry, START - 10 * DAY) as template,
        whole(postgres_url, template, START) as server,
    ):
        server.now = START + 20 * MINUTE
        await server.deliver(message())
        server.now += 30 * MINUTE + SETTLED
        await server.sweep()
        await server.judge.engine.flush()
        blocks = await server.rows(
            "select c.basis, b.mean, b.count::int, b.expected::int from current_blocks b"
            " join channels c on c.id = b.channel"
            " where b.window_s = 1200 and b.samples > 0 and c.basis in ($1, $2) order by c.basis",
            AT_6,
            "g/s",
        )
        made = figures()
        mean, mass, after = (float(made[name]) for name in ("mean", "mass", "validated"))
        assert blocks == [(AT_6, mean, 18, 20), ("g/s", mass, 18, 20)]
        assert await judged(server) == [
            (AT_6, after, mean, made["state"]),
            ("g/s", mass, mass, made["mass_state"]),
        ]
    assert mean - LIMIT * 0.2 == pytest.approx(after)
