"""A picture of runs as one SVG without scripts: panels over one axis of time, readable on light and dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, TOP, LEFT, RIGHT, GAP = 960, 190, 56, 56, 150, 46
COLORS = ("#3b82d6", "#d9822b", "#2f9e6e", "#c2508f", "#8b6fd8", "#b0952a", "#3aa7b5", "#d1574f")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:13px}.faint{fill:#6a737d}"
    ".grid{stroke:#d0d7de;stroke-width:1}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}"
    ".back{fill:#ffffff}.span{fill:#d1574f;opacity:.10}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#3d444d}.back{fill:#0d1117}"
    ".span{opacity:.22}}"
)


@dataclass(frozen=True)
class Line:
    """A named series of times and values; ``dashed`` for what is compared. Equal names have equal colours."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines over time, from 0 up. ``percent``: values are parts of 1."""

    title: str
    lines: Sequence[Line]
    percent: bool = False


@dataclass(frozen=True)
class Span:
    """A part of the time in which something was wrong."""

    begin: float
    end: float


def draw(title: str, note: str, panels: Sequence[Panel], seconds: float, spans: Sequence[Span] = ()) -> str:
    """All panels, one below the other."""
    names = list(dict.fromkeys(line.name for panel in panels for line in panel.lines))
    colors = {name: COLORS[number % len(COLORS)] for number, name in enumerate(names)}
    height = TOP + len(panels) * (HEIGHT + GAP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
        f'<text class="faint" x="{LEFT}" y="40">{escape(note)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (HEIGHT + GAP) + 20, seconds, spans, colors)
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: float, seconds: float, spans: Sequence[Span], colors: dict[str, str]) -> list[str]:
    width = WIDTH - LEFT - RIGHT
    highest = max((value for line in panel.lines for _, value in line.points), default=0.0)
    step = _step(highest)
    most = step * max(1, -int(-highest // step))
    out = [f'<text class="title" x="{LEFT}" y="{top - 8}">{escape(panel.title)}</text>']

    def x(at: float) -> float:
        return LEFT + width * min(1.0, at / seconds)

    def y(value: float) -> float:
        return top + HEIGHT * (1.0 - value / most)

    for span in spans:
        begin, width_of = x(span.begin), x(span.end) - x(span.begin)
        out += [f'<rect class="span" x="{begin:.1f}" y="{top}" width="{width_of:.1f}" height="{HEIGHT}"/>']
    for number in range(round(most / step) + 1):
        value = number * step
        label = f"{100 * value:.0f} %" if panel.percent else f"{value:g}"
        out.append(f'<line class="grid" x1="{LEFT}" x2="{LEFT + width}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        out.append(f'<text class="faint" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{label}</text>')
    for number in range(5):
        at = seconds * number / 4
        anchor = "start" if number == 0 else "middle"
        label = _time(at)
        out.append(f'<text class="faint" x="{x(at):.1f}" y="{top + HEIGHT + 16}" text-anchor="{anchor}">{label}</text>')
    for line in panel.lines:
        points = " ".join(f"{x(at):.1f},{y(value):.1f}" for at, value in line.points)
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        out.append(f'<polyline class="line" stroke="{colors[line.name]}"{dash} points="{points}"/>')
    return out + _legend(panel, top, colors)


def _legend(panel: Panel, top: float, colors: dict[str, str]) -> list[str]:
    out = []
    for number, line in enumerate(panel.lines):
        x, y = WIDTH - RIGHT + 12, top + 10 + 17 * number
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        out.append(f'<line class="line" stroke="{colors[line.name]}"{dash} x1="{x}" x2="{x + 18}" y1="{y}" y2="{y}"/>')
        out.append(f'<text x="{x + 24}" y="{y + 4}">{escape(line.name)}</text>')
    return out


def _step(highest: float) -> float:
    """So that there are three to five lines of a grid, at round values."""
    step = 10.0**-3
    while True:
        for factor in (1.0, 2.0, 5.0):
            if highest <= 4.0 * factor * step:
                return factor * step
        step *= 10.0


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes and rest else f"{minutes} min" if minutes else f"{rest} s"
