"""Tables of faults: what goes wrong in a strategy, and what the client, the engines and the counters saw of it.

A table is a YAML file: a policy, scripts of engines in good health, and rows that say what differs and what comes of
it, for unary and streaming requests. Playing a row gives what really came, in the same words.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from stage import Seen, Stage

from waiting import until

FORMS = {"unary": False, "streaming": True}


@dataclass(frozen=True)
class Outcome:
    """What came of a request. ``calls``: which engines were called, and how each call ended. ``counted``: whether the
    router counted the tokens that the engines billed."""

    saw: str
    calls: str
    counted: str


@dataclass(frozen=True)
class Row:
    """A fault, and what is expected of it in each form."""

    fault: str
    data: Mapping[str, Any]
    outcomes: Mapping[str, Outcome]


@dataclass(frozen=True)
class Table:
    """One strategy: what is always so, and the rows."""

    name: str
    title: str
    text: str
    policy: Mapping[str, Any]
    backends: Mapping[str, Any]
    engines: Mapping[str, Any]
    rows: tuple[Row, ...]
    services: Mapping[str, Any]


def read(path: Path) -> Table:
    """The table of a file."""
    data = yaml.safe_load(path.read_text())
    return Table(
        name=path.stem,
        title=data["title"],
        text=data["text"].strip(),
        policy=data["policy"],
        backends=data.get("backends", {}),
        engines=data["engines"],
        rows=tuple(_row(row) for row in data["rows"]),
        services=data.get("services", {}),
    )


def _row(row: dict[str, Any]) -> Row:
    outcomes = {form: Outcome(**row["both"]) if "both" in row else Outcome(**row[form]) for form in FORMS}
    return Row(row["fault"], {key: value for key, value in row.items() if key not in {"both", *FORMS}}, outcomes)


def cases(*paths: Path) -> list[Any]:
    """Every row of some tables in every form, as parameters of a test."""
    return [
        pytest.param(table, row, form, id=f"{table.name}: {row.fault}, {form}")
        for table in map(read, paths)
        for row in table.rows
        for form in FORMS
    ]


async def play(stage: Stage, table: Table, row: Row, form: str) -> Outcome:
    """Let a fault happen."""
    scripts = {**table.engines, **row.data.get("engines", {})}
    for name, rules in scripts.items():
        spec = row.data.get("backends", {}).get(name, table.backends.get(name, {}))
        await stage.engine(name, *rules, **spec)
    for name, reply in {**table.services, **row.data.get("services", {})}.items():
        await stage.service(name, reply)
    policy = {**table.policy, **row.data.get("policy", {})}
    first, *others = policy["routes"]
    policy["routes"] = [{**first, **row.data.get("route", {})}, *others]
    await stage.open(yaml.safe_dump(policy))
    request = row.data.get("request", {})
    if leaves := row.data.get("leaves"):
        await stage.leave(
            lambda: all(stage.calls[name].outcomes["open"] == count for name, count in leaves.items()),
            stream=FORMS[form],
            **request,
        )
        seen = None
    else:
        seen = await stage.ask(stream=FORMS[form], **request)
    await until(lambda: not any(log.outcomes["open"] for log in stage.calls.values()))
    return Outcome(_saw(seen), _calls(stage), await _counted(stage))


def _saw(seen: Seen | None) -> str:
    """The client's view in a line."""
    if seen is None:
        return "left"
    if seen.status != 200:
        return f"{seen.status} {seen.code}"
    said = f"{seen.target}: {seen.text}" if seen.text or not seen.tools else f"{seen.target} calls {seen.tools[0][0]}"
    return f"{said} ⚡ {seen.code}" if seen.code else said


def _calls(stage: Stage) -> str:
    """Calls by engine and outcome."""
    parts = []
    for name, log in stage.calls.items():
        for outcome, count in Counter(call.outcome for call in log).items():
            parts.append(f"{name} {outcome}" + (f" ×{count}" if count > 1 else ""))
    return ", ".join(parts) or "none"


async def _counted(stage: Stage) -> str:
    """``all`` where the router's tokens, target by target, and the cost in its log are those that the engines billed;
    else what is missing."""
    for _ in range(20):  # an answer may reach its client a moment before it is counted
        if not (missing := _missing(stage)):
            return "all"
        await asyncio.sleep(0.01)
    return f"all but {', '.join(missing)}"


def _missing(stage: Stage) -> list[str]:
    found = stage.router.statistics.snapshot().series
    missing = []
    cost = Decimal(0)
    for name, engine in stage.engines.items():
        series = [one for one in found if one.labels.target == name]
        counted = tuple(
            int(sum(getattr(one, kind).sum for one in series)) for kind in ("input_tokens", "output_tokens")
        )
        whole = [call for call in engine.calls if call.outcome == "answered"]
        broken = {call.outcome for call in engine.calls if call.outcome != "answered" and call.input_tokens}
        cost += sum(Decimal(price) * tokens for price, tokens in zip(stage.prices(name), counted, strict=True))
        if counted == (engine.calls.input_tokens, engine.calls.output_tokens):
            continue
        if broken and counted == (sum(c.input_tokens for c in whole), sum(c.output_tokens for c in whole)):
            missing.append(f"{name} {' and '.join(sorted(broken))}")
        else:
            missing.append(f"{name}: {counted} of {(engine.calls.input_tokens, engine.calls.output_tokens)}")
    logged = sum(Decimal(entry.get("cost", 0)) for entry in stage.router.entries())
    if logged * 1_000_000 != cost:
        missing.append(f"cost in the log: {logged * 1_000_000} of {cost}")
    return missing


def markdown(table: Table, outcomes: Mapping[tuple[str, str], Outcome]) -> str:
    """The table as a page shows it, with the outcomes that were seen."""
    lines = [f"## {table.title}", "", table.text, ""]
    lines += [
        "| what goes wrong | the client sees, unary | streaming | calls of engines | counted |",
        "|---|---|---|---|---|",
    ]
    for row in table.rows:
        unary, streaming = (outcomes[row.fault, form] for form in FORMS)
        cells = [row.fault, unary.saw, _other(unary.saw, streaming.saw)]
        for kind in ("calls", "counted"):
            one, other = getattr(unary, kind), getattr(streaming, kind)
            cells.append(one if one == other else f"{one}; streaming: {other}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _other(unary: str, streaming: str) -> str:
    return "the same" if streaming == unary else streaming
