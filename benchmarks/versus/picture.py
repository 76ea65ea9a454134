"""The picture: one SVG without scripts, a panel for each figure, bars on a logarithmic scale with their numbers."""

import math
from dataclasses import dataclass
from html import escape

from benchmarks.harness.report import number
from benchmarks.versus.records import ENVOY, Results

WIDTH, PANEL, GAP, TOP, LEFT, BAR, STEP, VALUE = 980, 480, 20, 64, 92, 14, 22, 130
COLORS = {
    "direct": "#8c959f",
    "envoy": "#8b6fd8",
    "nginx": "#2f9e6e",
    "litellm": "#d9822b",
    "vllm-router": "#c2508f",
    "signalbox": "#3b82d6",
}
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:13px}.faint{fill:#6a737d}"
    ".back{fill:#ffffff}@media(prefers-color-scheme:dark){text{fill:#e6edf3}.faint{fill:#9198a1}.back{fill:#0d1117}}"
)


@dataclass(frozen=True)
class Panel:
    """One figure of all systems."""

    title: str
    scenario: str


PANELS = (
    Panel("Requests/s of one core, 1 KB, 256 connections", "unary-1KB-256-connections"),
    Panel("Requests/s of one core, 100 KB, 256 connections", "unary-100KB-256-connections"),
    Panel("Requests/s of one core, 1 KB, one connection", "unary-1KB-1-connections"),
    Panel("Stream events per CPU-second, 256 streams", "sse-1KB-256-connections"),
    Panel("p99 latency added at half of its load, µs", "unary-1KB-50%-of-its-own-load"),
    Panel("p99 latency added at 80 % of its load, µs", "unary-1KB-80%-of-its-own-load"),
    Panel("Memory, idle, MB", "memory"),
    Panel("From start to first answer, s", "start-up"),
)


def draw(results: Results) -> str:
    """All panels, two in a line."""
    systems = [system.name for system in results.systems]
    tall = 34 + STEP * len(systems)
    height = TOP + (len(PANELS) + 1) // 2 * (tall + GAP)
    quick = " (a quick run: no figures to quote)" if results.machine.quick else ""
    title = f"Signalbox beside its peers{quick}"
    note = (
        f"{results.machine.begun} · {results.machine.facts.get('cpu', '')} · logarithmic; × is the ratio to bare Envoy"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="back" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="12" y="22">{escape(title)}</text>',
        f'<text class="faint" x="12" y="40">{escape(note)}</text>',
    ]
    for position, panel in enumerate(PANELS):
        x, y = (position % 2) * (PANEL + GAP), TOP + position // 2 * (tall + GAP)
        parts += _panel(results, panel, systems, x, y)
    return "\n".join([*parts, "</svg>", ""])


def _panel(results: Results, panel: Panel, systems: list[str], x: int, y: int) -> list[str]:
    found = {name: results.of(name, panel.scenario) for name in systems}
    values = [each.value.median for each in found.values() if each and each.value and each.value.median > 0]
    first = next((each for each in found.values() if each), None)
    better = "" if first is None else " · more is better" if first.higher_is_better else " · less is better"
    out = [
        f'<text class="title" x="{x + 12}" y="{y + 14}">{escape(panel.title)}'
        f'<tspan class="faint" font-weight="400">{better}</tspan></text>'
    ]
    for position, (name, record) in enumerate(found.items()):
        at = y + 26 + STEP * position
        out.append(f'<text x="{x + LEFT - 6}" y="{at + 11}" text-anchor="end">{escape(name)}</text>')
        if record is None or record.value is None:
            why = (record.reason if record else None) or "not part of this"
            out.append(f'<text class="faint" x="{x + LEFT}" y="{at + 11}">{escape(_short(why))}</text>')
            continue
        wide = width(record.value.median, values)
        ratio = record.ratio_to_envoy
        text = number(record.value.median) + (f"  ×{ratio.median:.2f}" if ratio and name != ENVOY else "")
        color = COLORS.get(name, "#8c959f")
        out.append(
            f'<rect class="bar" x="{x + LEFT}" y="{at}" width="{wide:.1f}" height="{BAR}" rx="2" fill="{color}"/>'
        )
        out.append(f'<text x="{x + LEFT + wide + 6:.1f}" y="{at + 11}">{escape(text)}</text>')
    return out


def width(value: float, values: list[float]) -> float:
    """Length of a bar: from a tenth of the smallest value up to the largest, by the logarithm."""
    whole = PANEL - LEFT - VALUE
    if value <= 0:
        return 1.0
    low, high = math.log10(min(values)) - 1, math.log10(max(values))
    return whole * (math.log10(value) - low) / (high - low)


def _short(text: str, most: int = 58) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
