"""An evaluation as text and as JSON."""

from collections.abc import Iterator, Sequence

import msgspec

from signalbox.evaluation.compare import Changed, Comparison, Side
from signalbox.evaluation.report import Figures, Gap, PolicyReport
from signalbox.evaluation.statistics import Estimate, Recovery

_QUERY_CHARS = 56
_PER = 1000
"""Requests that costs are shown of: one costs too little to read."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All that the command says. ``unserved``: models that no policy has, with the lines that name them."""

    queries: int
    policies: list[PolicyReport]
    unserved: dict[str, int] = {}
    notes: list[str] = []
    against: list[PolicyReport] = []
    comparisons: list[Comparison] = []
    unpaired: list[str] = []


def screen(found: Evaluation, most: int | None) -> str:
    """For people; ``most`` queries that changed, None for all."""
    lines: list[str] = []
    if found.comparisons:
        for one in found.comparisons:
            lines += [*_comparison(one, found, most), ""]
        lines += [f"in one directory only, so not compared: {name}" for name in found.unpaired]
    else:
        for each in found.policies:
            lines += [*_policy(each), ""]
    lines += [
        f"not evaluable: {count} queries: no policy has the model {model}" for model, count in found.unserved.items()
    ]
    lines += [f"note: {note}" for note in found.notes]
    return "\n".join(lines).rstrip()


def _policy(found: PolicyReport) -> Iterator[str]:
    yield f"policy {found.policy}: {found.figures.queries:,} of {found.queries:,} queries evaluable"
    yield from _table(found)
    if found.gap is not None:
        yield from _gap(found.gap)
    if len(found.routes) > 1:
        for each in found.routes:
            if each.recovery is not None and len(each.figures.shares) > 1:  # else the route has no choice
                yield f"  on route {each.route}: {_recovered(each.recovery)}"
    yield from _rest(found)


def _table(found: PolicyReport) -> Iterator[str]:
    rows = [("all routes", "", found.figures)]
    rows += [(each.route, each.strategy, each.figures) for each in found.routes]
    table = [["", "strategy", "queries", "quality %", f"cost / {_PER:,}", "latency ms", "p95", "calls", "answered by"]]
    table += [_row(name, strategy, each) for name, strategy, each in rows]
    table += [
        [
            f"only {each.target}",
            "",
            "",
            _estimate(each.quality, 100.0, 1),
            _money(each.cost),
            "",
            "",
            "",
            "",
        ]
        for each in found.alone
    ]
    yield from _aligned(table)


def _row(name: str, strategy: str, of: Figures) -> list[str]:
    shares = sorted(of.shares.items(), key=lambda each: -each[1].value)
    return [
        name,
        strategy,
        f"{of.queries:,}",
        _estimate(of.quality, 100.0, 1),
        _money(of.cost),
        _estimate(of.latency_ms, 1.0, 0),
        "–" if of.latency_p95_ms is None else f"{of.latency_p95_ms:,.0f}",
        "–" if of.calls is None else f"{of.calls.value:.2f}",
        ", ".join(f"{target} {100 * share.value:.1f} %" for target, share in shares),
    ]


def _gap(gap: Gap) -> Iterator[str]:
    text = (
        f"gap: {gap.weakest} {100 * gap.weakest_quality:.1f} %, {gap.strongest} {100 * gap.strongest_quality:.1f} %, "
        f"always the best {100 * gap.best_quality:.1f} % ({gap.queries:,} queries)"
    )
    yield text
    if gap.recovery is not None:
        yield f"  the policy: {_recovered(gap.recovery)}; drawing lots gives 0.5"


def _recovered(of: Recovery) -> str:
    return f"recovered {_estimate(of.recovered, 100.0, 0)} %, APGR {_estimate(of.apgr, 1.0, 3)}"


def _rest(found: PolicyReport) -> Iterator[str]:
    of = found.figures
    for each in found.classifiers:
        total = sum(each.labels.values())
        parts = ", ".join(f"{label} {100 * count / total:.1f} %" for label, count in each.labels.items())
        right = "" if each.accuracy is None else f"; right {_estimate(each.accuracy, 100.0, 1)} %"
        yield f"classifier {each.classifier}: {parts}{right}"
    if of.with_cost:
        tokens = "recorded"
        if of.estimated_costs:
            tokens = (
                "estimated" if of.estimated_costs == of.with_cost else f"estimated for {of.estimated_costs:,} of them"
            )
        yield f"cost of {of.with_cost:,} queries; tokens {tokens}"
    for title, reasons in (
        ("not evaluable", found.not_evaluable),
        ("refused", found.refused),
        ("without quality", found.unscored),
    ):
        for reason in reasons:
            yield f"{title}: {reason.queries:,} queries: {reason.why}"
    yield from (f"note: {note}" for note in found.notes)


def _comparison(one: Comparison, found: Evaluation, most: int | None) -> Iterator[str]:
    name = one.before if one.before == one.after else f"{one.before} → {one.after}"
    yield f"policy {name}: {one.compared:,} of {one.queries:,} queries evaluable under both"
    before = next(each for each in found.policies if each.policy == one.before)
    after = next(each for each in found.against if each.policy == one.after)
    head = ["", "queries", "quality %", f"cost / {_PER:,}", "latency ms", "calls", "answered by"]
    rows = [_row("before", "", before.figures), _row("after", "", after.figures)]
    table = [head, *([row[0], *row[2:6], *row[7:]] for row in rows)]
    table.append(
        [
            "difference",
            f"{one.compared:,}",
            _estimate(one.quality, 100.0, 1, sign=True),
            _money(one.cost, sign=True),
            _estimate(one.latency_ms, 1.0, 0, sign=True),
            "–" if one.calls is None else f"{one.calls.value:+.2f}",
            "",
        ]
    )
    yield from _aligned(table)
    yield f"{len(one.changed):,} queries change; better {one.better:,}, worse {one.worse:,}"
    shown = one.changed if most is None else one.changed[:most]
    if shown:
        yield from _aligned([["line", "before", "after", "quality", f"cost / {_PER:,}", "query"], *map(_change, shown)])
    if len(shown) < len(one.changed):
        yield f"and {len(one.changed) - len(shown):,} more: --all, or -o json"
    for title, report in (("before", before), ("after", after)):
        yield from (f"{title}: {line}" for line in _rest(report))


def _change(one: Changed) -> list[str]:
    text = " ".join(one.query.split())
    return [
        str(one.line),
        _side(one.before),
        _side(one.after),
        "–" if one.quality is None else f"{100 * one.quality:+.0f}",
        "–" if one.cost is None else f"{_PER * one.cost:+.4f}",
        text if len(text) <= _QUERY_CHARS else f"{text[:_QUERY_CHARS]}…",
    ]


def _side(side: Side) -> str:
    if side.otherwise:
        return side.otherwise.partition(":")[0]
    return " ".join(
        target if share > 1 - 1e-6 else f"{target} {100 * share:.0f} %" for target, share in side.shares.items()
    )


def _estimate(of: Estimate | None, times: float, digits: int, *, sign: bool = False) -> str:
    if of is None:
        return "–"
    form = f"{'+' if sign else ''},.{digits}f"
    low, high = f"{of.low * times:{form}}", f"{of.high * times:{form}}"
    value = f"{of.value * times:{form}}"
    return value if low == high == value else f"{value} ({low} to {high})"


def _money(of: Estimate | None, *, sign: bool = False) -> str:
    """Of a thousand requests, with four digits that count."""
    if of is None:
        return "–"
    largest = max(abs(each) for each in (of.value, of.low, of.high)) * _PER
    digits = 2 if largest >= 10 else 4 if largest >= 0.1 else 6
    return _estimate(of, _PER, digits, sign=sign)


def _aligned(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns; numbers to the right, names and texts to the left."""
    left = {0, len(table[0]) - 1} | {at for at, name in enumerate(table[0]) if name in {"strategy", "before", "after"}}
    filled = [at for at in range(len(table[0])) if any(row[at] not in {"", "–"} for row in table[1:])]
    widths = [max(len(row[at]) for row in table) for at in range(len(table[0]))]
    for row in table:
        cells = (f"{row[at]:<{widths[at]}}" if at in left else f"{row[at]:>{widths[at]}}" for at in filled)
        yield "  " + "  ".join(cells).rstrip()
