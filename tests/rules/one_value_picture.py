"""Bars that rise step by step towards a limit, as an SVG picture for light and dark pages."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from tests.bench.chart import STYLE, WIDTH, step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEFT, RIGHT, TOP, HEIGHT, FOOT = 60, 30, 70, 260, 62
MORE = """
.bar { fill: #0969da } .last { fill: #bc4c00 } .limit { stroke: #cf222e; stroke-width: 1.6;
  stroke-dasharray: 6 4 } text.value { font-weight: 600; fill: #ffffff }
text.of { fill: #cf222e } .rise { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) {
  .bar { fill: #58a6ff } .last { fill: #f0883e } .limit { stroke: #ff7b72 }
  text.value { fill: #0d1117 } text.of { fill: #ff7b72 } .rise { stroke: #656c76 }
}
"""


def staircase(title: str, steps: Sequence[tuple[str, str, float]], limit: float, unit: str) -> str:
    """Return the SVG; ``steps`` are (name, how, value after it), of which the last is judged."""
    most = max(limit, *(value for _, _, value in steps))
    top = step(most) * math.ceil(most / step(most))
    height = TOP + HEIGHT + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}{MORE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text class="title" x="20" y="30">{escape(title)}</text>',
        f'<text x="20" y="50">{unit}, mean of the valid minutes after each step</text>',
        *_grid(top),
        *_bars(steps, top),
        *_limit(limit, top, unit),
        "</svg>\n",
    ]
    return "\n".join(parts)


def _down(value: float, top: float) -> float:
    return TOP + HEIGHT * (1 - value / top)


def _grid(top: float) -> Iterator[str]:
    each = step(top)
    for mark in range(round(top / each) + 1):
        y = _down(mark * each, top)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mark * each:g}</text>'


def _bars(steps: Sequence[tuple[str, str, float]], top: float) -> Iterator[str]:
    slot = (WIDTH - LEFT - RIGHT) / len(steps)
    wide, before = slot * 0.62, None
    for number, (name, how, value) in enumerate(steps):
        middle, y = LEFT + slot * (number + 0.5), _down(value, top)
        kind = "last" if number == len(steps) - 1 else "bar"
        at = f'x="{middle:.1f}" text-anchor="middle"'
        if before is not None:
            rise = middle - slot + wide / 2
            yield f'<path class="rise" d="M{rise:.1f} {before:.1f}h{slot:.1f}"/>'
        yield (
            f'<rect class="{kind}" x="{middle - wide / 2:.1f}" y="{y:.1f}" width="{wide:.1f}" '
            f'height="{TOP + HEIGHT - y:.1f}" rx="2"/>'
        )
        yield f'<text class="value" {at} y="{y + 18:.1f}">{value:.2f}</text>'
        yield f'<text class="panel" {at} y="{TOP + HEIGHT + 20}">{escape(name)}</text>'
        yield f'<text {at} y="{TOP + HEIGHT + 38}">{escape(how)}</text>'
        before = y


def _limit(limit: float, top: float, unit: str) -> Iterator[str]:
    y = _down(limit, top)
    yield f'<path class="limit" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
    yield f'<text class="of" x="{LEFT + 6}" y="{y + 16:.1f}">limit {limit:g} {unit}</text>'
