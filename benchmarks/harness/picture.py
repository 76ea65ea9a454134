"""A picture of figures over one axis as SVG without scripts: panels below each other, readable on light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from signalbox.simulation.picture import COLORS, STYLE

WIDTH, HEIGHT, TOP, LEFT, RIGHT, GAP = 820, 150, 60, 64, 170, 56
_HEADROOM = 1.1


@dataclass(frozen=True)
class Curve:
    """A named series of points."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """Curves from 0 up, in one unit."""

    title: str
    curves: Sequence[Curve]


def draw(title: str, note: str, along: str, panels: Sequence[Panel]) -> str:
    """The picture; ``along`` says what the axis is."""
    farthest = max(x for panel in panels for curve in panel.curves for x, _ in curve.points)
    height = TOP + len(panels) * (HEIGHT + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="20">{escape(title)}</text>',
        f'<text class="faint" x="{LEFT}" y="38">{escape(note)}</text>',
    ]
    for number, panel in enumerate(panels):
        out += _panel(panel, TOP + number * (HEIGHT + GAP) + 20, farthest, along)
    return "\n".join([*out, "</svg>\n"])


def _panel(panel: Panel, top: float, farthest: float, along: str) -> list[str]:
    highest = max((y for curve in panel.curves for _, y in curve.points), default=0.0) * _HEADROOM or 1.0

    def across(x: float) -> float:
        return LEFT + x / farthest * (WIDTH - LEFT - RIGHT)

    def up(y: float) -> float:
        return top + HEIGHT * (1 - y / highest)

    out = [f'<text class="title" x="{LEFT}" y="{top - 8:.0f}">{escape(panel.title)}</text>']
    for part in (0.0, 0.5, 1.0):
        y = up(highest * part)
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        out.append(_text(LEFT - 8, y + 4, "end", f"{highest * part:,.4g}"))
    marks = sorted({x for curve in panel.curves for x, _ in curve.points})
    out += [_text(across(x), top + HEIGHT + 16, "middle", f"{x:g}") for x in marks]
    out.append(_text(WIDTH - RIGHT + 12, top + HEIGHT + 16, "start", along))
    for number, curve in enumerate(panel.curves):
        color = COLORS[number % len(COLORS)]
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in curve.points)
        out.append(f'<polyline class="line" stroke="{color}" points="{path}"/>')
        out += [f'<circle r="2.6" fill="{color}" cx="{across(x):.1f}" cy="{up(y):.1f}"/>' for x, y in curve.points]
        y = top + 14 + 18 * number
        out.append(f'<circle r="4" fill="{color}" cx="{WIDTH - RIGHT + 16}" cy="{y - 4:.0f}"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 26}" y="{y:.0f}">{escape(curve.name)}</text>')
    return out


def _text(x: float, y: float, anchor: str, text: str) -> str:
    return f'<text class="faint" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
