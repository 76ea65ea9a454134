"""The results as Markdown: one table with a row for each system, then every scenario."""

from collections.abc import Iterable, Sequence

from benchmarks.harness.report import Spread, Table, cell_text, number
from benchmarks.versus.records import Record, Results

NONE = "–"
# Title of a column, scenario, and the detail that it shows (None: the value that counts).
COLUMNS: tuple[tuple[str, str, str | None], ...] = (
    ("requests/s, 1 KB", "unary-1KB-256-connections", None),
    ("CPU µs a request", "unary-1KB-256-connections", "cpu_us_per_request"),
    ("requests/s, 100 KB", "unary-100KB-256-connections", None),
    ("stream events per CPU-s", "sse-1KB-256-connections", None),
    ("µs added at 50 %: p50", "unary-1KB-50%-of-its-own-load", "added_p50_us"),
    ("p99", "unary-1KB-50%-of-its-own-load", None),
    ("p999", "unary-1KB-50%-of-its-own-load", "added_p999_us"),
    ("at 80 %: p50", "unary-1KB-80%-of-its-own-load", "added_p50_us"),
    ("p99", "unary-1KB-80%-of-its-own-load", None),
    ("p999", "unary-1KB-80%-of-its-own-load", "added_p999_us"),
    ("memory MB", "memory", None),
    ("start-up s", "start-up", None),
)
DETAILS = {
    "requests_per_second": "requests/s",
    "cpu_us_per_request": "CPU µs a request",
    "core_used_percent": "core used %",
    "rate_per_second": "requests/s offered",
    "requests": "requests in a round",
    "added_p50_us": "added p50 µs",
    "added_p999_us": "added p999 µs",
    "p50_us": "p50 µs",
    "p99_us": "p99 µs",
    "p999_us": "p999 µs",
    "largest_rss_mb": "largest process, RSS MB",
    "after_load_mb": "after the load MB",
}


def markdown(results: Results, picture: str, further: Sequence[Table] = ()) -> str:
    """The whole page; ``further`` are tables of what is not compared with anybody."""
    lines = ["# Signalbox beside its peers", "", *_head(results), "", f"![The comparison]({picture})", ""]
    lines += ["## The comparison", "", *_summary(results), ""]
    lines += [
        "Requests/s are those of one core, at 256 connections; each figure is the median over the rounds, and in "
        "brackets its ratio to bare Envoy's in the same round. Latency is what a system adds to a direct connection at "
        "the same rate, at 50 and 80 % of what this system itself can serve. Where fewer than three requests lay "
        f"beyond a quantile, or nothing was measured, there is {NONE}.",
        "",
    ]
    if results.promises:
        lines += ["## Goals", "", *_goals(results), ""]
    lines += ["## Who", "", *_table(("system", "version", "how"), _who(results)), "", "## Every scenario", ""]
    for scenario in dict.fromkeys(record.scenario for record in results.records):
        lines += [*_scenario([record for record in results.records if record.scenario == scenario]), ""]
    if further:
        lines += ["## The decision alone", ""]
    for table in further:
        rows = [[cell_text(cell) for cell in row] for row in table.rows]
        lines += [f"### {table.title}", "", *_table(table.columns, rows), ""]
    if results.notes:
        lines += ["## Notes", "", *(f"- {note}" for note in results.notes), ""]
    return "\n".join(lines)


def _head(results: Results) -> list[str]:
    machine = results.machine
    facts = " · ".join(f"{name} {value}" for name, value in machine.facts.items())
    lines = [f"{machine.begun}, {machine.seconds / 60:.0f} minutes. {facts}."]
    lines += ["", f"{machine.cores}; load of the machine {machine.load_before:.2f} before the run."]
    if machine.quick:
        lines += ["", "**A quick run: it shows that everything works. These are no figures to quote.**"]
    return lines


def _summary(results: Results) -> list[str]:
    rows = []
    for system in results.systems:
        if system.reason:
            rows.append([f"{system.name}: not measured, {system.reason}", *([NONE] * len(COLUMNS))])
            continue
        cells = [_cell(results.of(system.name, scenario), detail) for _, scenario, detail in COLUMNS]
        rows.append([system.name, *cells])
    return _table(("system", *(title for title, _, _ in COLUMNS)), rows)


def _cell(record: Record | None, detail: str | None) -> str:
    if record is None:
        return NONE
    if detail:
        found = record.details.get(detail)
        return number(found.median) if isinstance(found, Spread) else NONE
    if record.value is None:
        return NONE
    ratio = record.ratio_to_envoy
    return number(record.value.median) + (f" ({ratio.median:.2f})" if ratio else "")


def _goals(results: Results) -> list[str]:
    words = {True: "met", False: "**SHORT**", None: "not measured"}
    return _table(("goal", "found", ""), [[each.promise, each.found, words[each.met]] for each in results.promises])


def _who(results: Results) -> Iterable[list[str]]:
    for system in results.systems:
        yield [system.name, system.version or NONE, system.reason or system.setup]


def _scenario(found: list[Record]) -> list[str]:
    first = found[0]
    names = [name for name in DETAILS if any(name in record.details for record in found)]
    better = "more is better" if first.higher_is_better else "less is better"
    rows = []
    for record in found:
        value = str(record.value) if record.value else f"not measured: {record.reason}" if record.reason else NONE
        ratio = str(record.ratio_to_envoy) if record.ratio_to_envoy else NONE
        rows.append([record.system, value, ratio, *(_detail(record, name) for name in names)])
    columns = ("system", f"{first.metric} ({first.unit})", "÷ Envoy", *(DETAILS[name] for name in names))
    return [f"### {first.scenario}", "", f"{first.metric}; {better}.", "", *_table(columns, rows)]


def _detail(record: Record, name: str) -> str:
    found = record.details.get(name)
    if isinstance(found, Spread):
        return str(found)
    return NONE if found is None else number(found) if isinstance(found, float) else str(found)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return [line(columns), "|" + "---|" * len(columns), *map(line, rows)]
