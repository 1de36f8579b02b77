"""One 20-minute mean from raw values to its judgement: the figures of docs/one-value.md.

``python -m tests.rules.one_value`` writes the page and its picture; the tests beside hold both to
the code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from alerts.core.conditions import ZERO_CELSIUS, to_dry, to_reference_oxygen, to_standard_state
from alerts.core.means import mean
from alerts.core.quantities import grams_per_second
from alerts.core.validated import of_limit, validated
from tests.rules.one_value_picture import staircase

if TYPE_CHECKING:
    from alerts.core.conditions import Floats

DOCS = Path(__file__).parents[2] / "docs"
TEMPLATE = Path(__file__).with_name("one_value.template.md")
START = "2026-03-02T12:00:00+05:00"
INTERCEPT, SLOPE = 3.2, 1.04
OXYGEN = 6.0
LIMIT, MASS_LIMIT, SHARE = 700.0, 60.0, 0.2

REGISTRY = """\
enterprises:
  - id: gres1
    reporting_zone: "+05:00"
    sources:
      - id: stack-1
        channels:
          - {id: so2, parameter: "0330", unit: mg/m3, period: 60s, range: [0, 3000],
             basis: {dry: false, standard: false},
             calibration: [{from: 2026-01-15, intercept: 3.2, slope: 1.04}]}
          - {id: t, parameter: temperature, unit: degC, period: 60s}
          - {id: p, parameter: pressure, unit: kPa, period: 60s}
          - {id: h2o, parameter: h2o, unit: "%", period: 60s}
          - {id: o2, parameter: o2, unit: "%", period: 60s, basis: {dry: false}}
          - {id: q, parameter: flow, unit: m3/h, period: 60s,
             basis: {dry: false, standard: false}}
    units:
      - {id: ams-1, channels: {so2: stack-1/so2, t: stack-1/t, p: stack-1/p,
         h2o: stack-1/h2o, o2: stack-1/o2, q: stack-1/q}}
permits:
  - number: P1
    enterprise: gres1
    valid: {from: 2026-01-01, until: 2030-12-31}
    limits:
      - {source: stack-1, channel: so2, value: 700, unit: mg/m3, average: 20min,
         rules: kz-20min, basis: {o2: 6},
         override: {uncertainty: {method: limit, shares: {"0330": 0.2}}}}
      - {source: stack-1, channel: so2, value: 60, unit: g/s, average: 20min, rules: kz-20min}
"""


class Minute(NamedTuple):
    """What the AMS sent for one minute, in the channels' own units."""

    so2: float
    t: float
    p: float
    h2o: float
    o2: float
    q: float
    status: str = "valid"


MINUTES = (
    Minute(381.4, 134.8, 98.62, 9.12, 8.21, 531_200),
    Minute(384.9, 134.9, 98.61, 9.14, 8.19, 531_600),
    Minute(390.2, 135.1, 98.61, 9.15, 8.17, 530_900),
    Minute(393.7, 135.2, 98.60, 9.17, 8.15, 530_400),
    Minute(388.1, 135.2, 98.60, 9.16, 8.18, 530_700),
    Minute(379.6, 135.0, 98.61, 9.13, 8.22, 531_500),
    Minute(374.3, 134.8, 98.62, 9.11, 8.26, 532_100),
    Minute(371.8, 134.7, 98.62, 9.10, 8.28, 532_300),
    Minute(376.5, 134.7, 98.62, 9.10, 8.25, 532_000),
    Minute(383.0, 134.9, 98.61, 9.12, 8.20, 531_400),
    Minute(386.7, 135.0, 98.61, 9.13, 8.19, 531_100),
    Minute(0.4, 135.0, 98.61, 9.13, 8.20, 531_000, "calibration"),
    Minute(1498.2, 135.1, 98.60, 9.14, 8.19, 530_900, "calibration"),
    Minute(391.3, 135.1, 98.60, 9.15, 8.16, 530_600),
    Minute(395.8, 135.3, 98.60, 9.17, 8.13, 530_200),
    Minute(398.2, 135.4, 98.59, 9.19, 8.11, 529_900),
    Minute(394.6, 135.3, 98.59, 9.18, 8.13, 530_100),
    Minute(388.9, 135.2, 98.60, 9.16, 8.17, 530_500),
    Minute(382.2, 135.0, 98.61, 9.14, 8.21, 531_000),
    Minute(377.4, 134.9, 98.62, 9.12, 8.24, 531_700),
)
VALID = np.array([one.status == "valid" for one in MINUTES])


class Steps(NamedTuple):
    """The value after each step, of the minutes that are valid; shape (18,)."""

    raw: Floats
    calibrated: Floats
    kelvin: Floats
    standard: Floats
    dry: Floats
    oxygen: Floats
    reference: Floats
    mass: Floats


def steps() -> Steps:
    """Return what the functions of alerts.core make of the minutes."""
    columns = np.array([one[:6] for one in MINUTES])[VALID].T
    raw, celsius, pressure, moisture, wet_oxygen, flow = columns
    calibrated = INTERCEPT + SLOPE * raw
    kelvin = celsius + ZERO_CELSIUS
    standard = to_standard_state(calibrated, kelvin, pressure)
    dry = to_dry(standard, moisture / 100)
    oxygen = to_dry(wet_oxygen, moisture / 100)
    reference = to_reference_oxygen(dry, oxygen, OXYGEN)
    mass = grams_per_second(calibrated, flow)
    return Steps(raw, calibrated, kelvin, standard, dry, oxygen, reference, mass)


def mean_of(values: Floats) -> float:
    """Return the mean as the server rounds it: 9 significant digits, half away from zero."""
    return float(mean(np.array([values.sum()]), np.array([len(values)]))[0])


def figures() -> dict[str, str]:
    """Return every number of the page by the name that the template has for it."""
    made, first = steps(), MINUTES[0]
    concentration, mass = mean_of(made.reference), mean_of(made.mass)
    amount = float(of_limit(LIMIT, SHARE))
    after = float(validated(np.array([concentration]), amount)[0])
    return {
        "registry": REGISTRY.rstrip(),
        "rows": _rows(made),
        **{f"first_{name}": f"{getattr(first, name):g}" for name in ("so2", "t", "p", "h2o", "o2")},
        "first_q": f"{first.q:.0f}",
        **{f"one_{name}": f"{values[0]:.4f}" for name, values in made._asdict().items()},
        "one_kelvin": f"{made.kelvin[0]:.2f}",
        "one_oxygen": f"{made.oxygen[0]:.6f}",  # a divisor: its digits count for more
        "intercept": f"{INTERCEPT:g}",
        "slope": f"{SLOPE:g}",
        "n": str(int(VALID.sum())),
        "of": str(len(MINUTES)),
        "coverage": f"{VALID.mean():g}",
        "sum": f"{made.reference.sum():.4f}",
        "mean": f"{concentration:.9g}",
        "mass_sum": f"{made.mass.sum():.4f}",
        "mass": f"{mass:.9g}",
        "share": f"{SHARE:g}",
        "limit": f"{LIMIT:g}",
        "mass_limit": f"{MASS_LIMIT:g}",
        "amount": f"{amount:g}",
        "validated": f"{after:.9g}",
        "state": "exceeded" if after > LIMIT else "compliant",
        "sign": ">" if after > LIMIT else "≤",
        "mass_state": "exceeded" if mass > MASS_LIMIT else "compliant",
        "mass_sign": ">" if mass > MASS_LIMIT else "≤",
        "raw_mean": f"{made.raw.mean():.1f}",
        "first_averaged": f"{averaged_first():.4f}",
    }


def averaged_first() -> float:
    """Return what comes of averaging each channel over its valid minutes and converting then."""
    _, celsius, pressure, moisture, oxygen, _ = np.array([one[:6] for one in MINUTES]).T
    share = moisture.mean() / 100
    standard = to_standard_state(
        np.array([INTERCEPT + SLOPE * steps().raw.mean()]),
        celsius.mean() + ZERO_CELSIUS,
        pressure.mean(),
    )
    dry = to_dry(standard, share)
    measured = to_dry(np.array([oxygen.mean()]), share)
    return float(to_reference_oxygen(dry, measured, OXYGEN)[0])


def _rows(made: Steps) -> str:
    places = iter(range(len(made.raw)))
    lines = []
    for number, one in enumerate(MINUTES):
        given = (
            f"{one.so2:.1f}", f"{one.t:.1f}", f"{one.p:.2f}", f"{one.h2o:.2f}", f"{one.o2:.2f}",
            f"{one.q:.0f}",
        )  # fmt: skip
        found = ["calibration"] + 5 * ["–"]
        if one.status == "valid":
            at = next(places)
            found = [f"{column[at]:.4f}" for column in (made.calibrated, made.standard, made.dry)]
            found += [f"{made.oxygen[at]:.6f}"]
            found += [f"{column[at]:.4f}" for column in (made.reference, made.mass)]
        lines.append(f"| 12:{number:02} | " + " | ".join([*given, *found]) + " |")
    return "\n".join(lines)


def page() -> str:
    """Return the page."""
    return TEMPLATE.read_text(encoding="utf-8").format_map(figures())


def picture() -> str:
    """Return the picture: the mean after each step, against the limit."""
    made = steps()
    found = [
        ("as sent", "wet and hot", mean_of(made.raw)),
        ("calibrated", "3.2 + 1.04 × raw", mean_of(made.calibrated)),
        ("standard state", "273.15 K, 101.325 kPa", mean_of(made.standard)),
        ("dry", "÷ (1 − moisture)", mean_of(made.dry)),
        ("at 6 % O2", "× 15 / (21 − O2)", mean_of(made.reference)),
        ("validated", "less 20 % of the limit", mean_of(made.reference) - LIMIT * SHARE),
    ]
    return staircase("One 20-minute mean of SO2, step by step", found, LIMIT, "mg/m³")


def main() -> None:
    """Write the page and its picture."""
    (DOCS / "one-value.md").write_text(page(), encoding="utf-8")
    (DOCS / "one-value.svg").write_text(picture(), encoding="utf-8")


if __name__ == "__main__":
    main()
