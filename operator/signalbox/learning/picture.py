"""The report of a training as one SVG: cost over quality beside what is compared, and the calibration below."""

from collections.abc import Sequence
from html import escape

from signalbox.learning.report import Line, Report

WIDTH, SIDE, TOP, LEFT, GAP = 960, 360, 84, 64, 128
COLORS = {"classifier": "#3b82d6", "length only": "#d9822b", "oracle": "#2f9e6e", "random": "#6a737d"}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:13px}.faint{fill:#6a737d}"
    ".grid{stroke:#d0d7de;stroke-width:1}.line{fill:none;stroke-width:1.8;stroke-linejoin:round}.back{fill:#ffffff}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.grid{stroke:#3d444d}.back{fill:#0d1117}}"
)


def picture(report: Report) -> str:
    """Without scripts; readable on light and dark."""
    height = TOP + SIDE + 64
    title = f"{' or '.join(report.labels)}: {report.examples:,} examples"
    note = "Cross-validated: of queries that the model had not seen."
    if report.apgr:
        note = f"APGR {report.apgr.value:.3f} ({report.apgr.low:.3f} to {report.apgr.high:.3f}). {note}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
        f'<text class="faint" x="{LEFT}" y="40">{escape(note)}</text>',
    ]
    parts += _panel(
        "Part of the gap in quality recovered", "queries that leave the first label", report.curves, LEFT, 0.25
    )
    what = "share of a label" if report.learnt == "Labels" else "gain"
    reliability = (*report.reliability, Line("random", _diagonal(report.reliability)))
    parts += _panel(
        f"Calibration: {what} observed", f"{what} expected", reliability, LEFT + SIDE + GAP, 0.05, dots=True
    )
    return "\n".join([*parts, "</svg>", ""])


def _diagonal(lines: Sequence[Line]) -> tuple[tuple[float, float], ...]:
    """Where expected and observed are the same."""
    values = [value for line in lines for point in line.points for value in point]
    return ((min(values), min(values)), (max(values), max(values))) if values else ()


def _panel(up: str, along: str, lines: Sequence[Line], left: float, step: float, *, dots: bool = False) -> list[str]:
    """Both axes in percent, from a round value to a round value."""
    out = [
        f'<text class="title" x="{left}" y="{TOP - 12}">{escape(up)}</text>',
        f'<text class="faint" x="{left + SIDE / 2}" y="{TOP + SIDE + 36}" text-anchor="middle">{escape(along)}</text>',
    ]
    points = [point for line in lines for point in line.points]
    if not points:
        return [*out, f'<text class="faint" x="{left}" y="{TOP + 20}">the examples cannot tell</text>']
    across = _axis([x for x, _ in points], step)
    upward = _axis([y for _, y in points], step)

    def x(value: float) -> float:
        return left + SIDE * (value - across[0]) / (across[-1] - across[0])

    def y(value: float) -> float:
        return TOP + SIDE * (1.0 - (value - upward[0]) / (upward[-1] - upward[0]))

    for value in upward:
        out.append(f'<line class="grid" x1="{left}" x2="{left + SIDE}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        out.append(_label(left - 6, y(value) + 4, "end", value))
    out += [_label(x(value), TOP + SIDE + 16, "middle", value) for value in across]
    for line in lines:
        color = COLORS.get(line.name, COLORS["classifier"])
        dash = _dash(line)
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line.points)
        if dots and not dash:
            out += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3.5" fill="{color}"/>' for a, b in line.points]
        out.append(f'<polyline class="line" stroke="{color}"{dash} points="{path}"/>')
    return out if dots else out + _legend(lines, left)


def _legend(lines: Sequence[Line], left: float) -> list[str]:
    out = []
    for number, line in enumerate(reversed(lines)):
        y = TOP + SIDE - 16 - 17 * number
        at = left + SIDE - 110
        out.append(
            f'<line class="line" stroke="{COLORS[line.name]}"{_dash(line)} x1="{at}" x2="{at + 18}" y1="{y}" y2="{y}"/>'
        )
        out.append(f'<text x="{at + 24}" y="{y + 4}">{escape(line.name)}</text>')
    return out


def _dash(line: Line) -> str:
    """Of what is compared and not measured."""
    return ' stroke-dasharray="5 4"' if line.name == "random" else ""


def _label(x: float, y: float, anchor: str, value: float) -> str:
    return f'<text class="faint" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{100 * value:.0f} %</text>'


def _axis(values: Sequence[float], step: float) -> list[float]:
    """Round values around all, about six of them."""
    while (max(values) - min(values)) / step > 6:
        step *= 2
    first, last = int(min(values) // step), -int(-max(values) // step)
    return [number * step for number in range(first, max(last, first + 1) + 1)]
