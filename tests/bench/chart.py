"""Lines over time as an SVG picture, legible on a light and on a dark page."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WIDTH, LEFT, RIGHT = 860, 70, 150  # the picture, and beside a panel: its scale, its lines' names
PANEL, ABOVE, BELOW, HEAD = 120, 34, 14, 62  # heights of a panel and around it, and of the titles
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #57606a }
.page { fill: #ffffff } .title { font-size: 16px; font-weight: 600; fill: #1f2328 }
.panel { font-weight: 600; fill: #1f2328 } .grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round }
.s0 { stroke: #0969da } .s1 { stroke: #bc4c00 } .s2 { stroke: #1a7f37 }
text.n0 { fill: #0969da } text.n1 { fill: #bc4c00 } text.n2 { fill: #1a7f37 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 } .page { fill: #0d1117 } .title, .panel { fill: #f0f6fc }
  .grid { stroke: #30363d }
  .s0 { stroke: #58a6ff } .s1 { stroke: #f0883e } .s2 { stroke: #3fb950 }
  text.n0 { fill: #58a6ff } text.n1 { fill: #f0883e } text.n2 { fill: #3fb950 }
}
"""


@dataclass(frozen=True, slots=True)
class Panel:
    """Up to three lines on one scale that begins at 0; points are (x, y), NaN leaves a gap."""

    title: str
    lines: Mapping[str, Sequence[tuple[float, float]]]

    @property
    def top(self) -> float:
        """Return the end of the scale: the next round number above all values."""
        most = max((y for line in self.lines.values() for _, y in line if y == y), default=1.0)  # noqa: PLR0124 - NaN
        return step(most) * math.ceil(max(most, 1e-9) / step(most))


def step(most: float, parts: int = 4) -> float:
    """Return a round distance between marks: 1, 2, 2.5 or 5 times a power of ten."""
    least = max(most, 1e-9) / parts
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(power * times for times in (1, 2, 2.5, 5, 10) if power * times >= least * 0.999)


def picture(title: str, subtitle: str, x_name: str, panels: Sequence[Panel]) -> str:
    """Return the SVG: panels one below the other over one axis of x that begins at 0."""
    last = max(x for panel in panels for line in panel.lines.values() for x, _ in line)
    height = HEAD + len(panels) * (ABOVE + PANEL + BELOW) + 36
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>',
        f'<text class="title" x="20" y="30">{escape(title)}</text>',
        f'<text x="20" y="50">{escape(subtitle)}</text>',
    ]
    for number, panel in enumerate(panels):
        top = HEAD + number * (ABOVE + PANEL + BELOW) + ABOVE
        parts += _panel(panel, top, last)
    foot = height - 30
    each = step(last, 8)
    for mark in range(int(last / each + 0.001) + 1):
        x = _across(mark * each, last)
        parts.append(f'<text x="{x:.1f}" y="{foot}" text-anchor="middle">{mark * each:g}</text>')
    middle = _across(last / 2, last)
    parts.append(f'<text x="{middle:.1f}" y="{foot + 18}" text-anchor="middle">{x_name}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _across(x: float, last: float) -> float:
    return LEFT + x / last * (WIDTH - LEFT - RIGHT)


def _panel(panel: Panel, top: float, last: float) -> Iterator[str]:
    def down(y: float) -> float:
        return top + PANEL * (1 - y / panel.top)

    yield f'<text class="panel" x="20" y="{top - 12}">{escape(panel.title)}</text>'
    each = step(panel.top)
    for mark in range(round(panel.top / each) + 1):
        y = down(mark * each)
        yield f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{mark * each:,g}</text>'
    ends = []
    for number, (name, line) in enumerate(panel.lines.items()):
        known = [(_across(x, last), down(y)) for x, y in line if y == y]  # noqa: PLR0124 - NaN
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in known)
        yield f'<polyline class="line s{number}" points="{points}"/>'
        ends.append((known[-1][1] if known else top, number, name))
    for y, number, name in _apart(sorted(ends)):
        at = f'x="{WIDTH - RIGHT + 8}" y="{y + 4:.1f}"'
        yield f'<text class="n{number}" {at}>{escape(name)}</text>'


def _apart(ends: list[tuple[float, int, str]]) -> list[tuple[float, int, str]]:
    """Move names that would stand on one another up, from the lowest on."""
    placed: list[tuple[float, int, str]] = []
    for y, number, name in reversed(ends):
        placed.append((min(y, placed[-1][0] - 14) if placed else y, number, name))
    return placed
