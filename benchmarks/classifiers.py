"""What choosing for the query costs, beside plain shares: microseconds of a decision, and requests/s of a router."""

import base64
import random
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.decision import HEADERS, TargetState, time_of
from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Load, upstream
from benchmarks.harness.load import run as run_load
from benchmarks.harness.processes import tree
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.router import signalbox, write_resources
from signalbox.learning.examples import Example
from signalbox.learning.fitting import train
from signalbox.learning.settings import Settings as Lesson
from signalbox.local.resources import Options
from signalbox.local.workspace import read
from signalbox.routing.choosing.trained import TrainedJudge
from signalbox.routing.classifiers.trained import TrainedModel
from signalbox.routing.config import Backend, RouterConfig
from signalbox.routing.decision import CompiledPolicy
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.features import Facts

PROMISED_US = 100.0
USUAL_CHARS = 286
"""Of half of the questions of MMLU, with their choices; the others are longer."""
EXAMPLES = 1_000
VARIANTS = {
    "weighted": "weighted: {targets: [{name: small, weight: 1}, {name: strong, weight: 1}]}",
    "select by a trained classifier": "select: {best: {by: difficulty}}",
    "objective: cost": "objective: {minimize: Cost, targets: [{name: small}, {name: strong}]}",
    "objective: quality by a trained classifier": "objective: {maximize: Quality, quality: {classifier: difficulty}, "
    "targets: [{name: small}, {name: strong}]}",
}
PLAIN = "weighted"


class Candidate(TargetState, kw_only=True):
    """What objectives ask of a target, too."""

    config: Backend
    token_correction: float = 1.1
    expected_output_tokens: float = 280.0
    expected_ttft_ms: float | None = 120.0
    load: float = 0.5


def run(settings: Settings) -> Report:
    """The same requests for every variant, which take turns."""
    model = learnt()
    rounds = settings.rounds
    report = Report(
        "classifiers",
        f"Two targets; a classifier that was trained from scores of {EXAMPLES:,} queries ({len(model):,} bytes); "
        f"variants in turn, {rounds} rounds. Decisions in-process: facts, route, choice, in microseconds.",
    )
    with ExitStack() as stack:
        engines = stack.enter_context(upstream(settings.cores.load, settings.directory, ports=2))
        small, strong = engines.ports
        configs, ports = {}, {}
        for number, (name, strategy) in enumerate(VARIANTS.items()):
            directory = settings.directory / f"variant-{number}"
            directory.mkdir(parents=True, exist_ok=True)
            resources = write_resources(
                directory / "resources",
                "choosing.yaml",
                small=small,
                strong=strong,
                strategy=strategy,
                model=base64.b64encode(model).decode(),
            ).parent
            configs[name] = _config(resources)
            router = stack.enter_context(signalbox(resources, settings.cores.proxy, directory))
            ports[name] = router.port, router.pid
        _tell_decisions(report, configs, settings)
        _tell_throughput(report, ports, settings)
    return report


def learnt() -> bytes:
    """A classifier of the size that real ones have, from queries of the words of the benches' own text."""
    chance = random.Random(7)
    words = chat.TEXT.lower().split()
    examples = []
    for _ in range(EXAMPLES):
        prompt = " ".join(chance.choices(words, k=chance.randint(5, 120)))
        strong = chance.random() < 0.9
        examples.append(Example(prompt=prompt, scores={"small": float("lamp" not in prompt), "strong": float(strong)}))
    return train(examples, Lesson(labels=("small", "strong")))[0]


def _config(resources: Path) -> RouterConfig:
    workspace = read(Options(path=resources))
    if workspace.errors:
        raise BenchError("\n".join(f"{one.location}: {one.problem.message}" for one in workspace.errors))
    config: RouterConfig = workspace.plan.routers[0].config
    return config


def _tell_decisions(report: Report, configs: dict[str, RouterConfig], settings: Settings) -> None:
    count = round(settings.choose(10_000, 2_000))
    for text in (chat.TEXT[:60], chat.TEXT[:USUAL_CHARS], chat.TEXT, chat.TEXT * 10):
        shown = f"{len(text):,} characters"
        bodies = [
            msgspec.json.decode(chat.body(messages=[{"role": "user", "content": f"{number} {text}"}]))
            for number in range(64)
        ]
        steps = {name: _decider(config) for name, config in configs.items()}
        found: dict[str, list[float]] = {name: [] for name in steps}
        for _ in range(settings.rounds):
            for name, step in steps.items():
                found[name].append(time_of(step, bodies, count)[0])
        plain = Spread.of(found[PLAIN])
        rows: list[tuple[Cell, ...]] = [
            (name, Spread.of(times), Spread.of([each - plain.median for each in times]))
            for name, times in found.items()
        ]
        report.tables.append(Table(f"Decision, a query of {shown}", ("strategy", "p50 µs", "added µs"), rows))
        if len(text) == USUAL_CHARS:
            added = Spread.of(found["select by a trained classifier"]).median - plain.median
            promise = f"a trained classifier adds at most {PROMISED_US:.0f} µs to a query of {shown}"
            report.expect(promise, f"{added:.1f} µs", added <= PROMISED_US)


def _decider(config: RouterConfig) -> Callable[[dict[str, Any]], int]:
    [policy] = config.policies
    compiled = CompiledPolicy(policy, random.Random(1))
    judges = {each.name: TrainedJudge(each, TrainedModel.of) for each in policy.classifiers}
    backends = {backend.name: backend for backend in config.backends}
    targets = {target.name: Candidate(config=backends[target.backend]) for target in policy.targets}

    def decide(body: dict[str, Any]) -> int:
        facts = Facts("chat", body, HEADERS, "support", "", targets, judges)
        route = compiled.match(facts, _refuse)
        assert route is not None
        return route.choice_for(facts).first(0b11)

    return decide


def _refuse(route: str, error: EvaluationError) -> None:
    raise BenchError(f"{route}: {error}")


def _tell_throughput(report: Report, ports: dict[str, tuple[int, int]], settings: Settings) -> None:
    load = Load(bodies=[chat.body(user="u" * n) for n in range(1, 17)], seconds=settings.choose(5, 1.5), connections=64)
    found: dict[str, list[Counts]] = {name: [] for name in ports}
    names = list(ports)
    for number in range(settings.rounds):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            settings.tell(f"round {number + 1} of {settings.rounds}: {name}")
            port, pid = ports[name]
            counts = run_load(load, port, settings.cores.load, settings.directory, tree(pid))
            if counts.failed or not counts.per_second:
                raise BenchError(f"{name}: requests failed: {counts.failed}; {counts.samples[:2]}")
            found[name].append(counts)
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            Spread.of(each.per_second for each in runs),
            Spread.of(a.per_second / b.per_second for a, b in zip(runs, found[PLAIN], strict=True)),
            Spread.of(each.busy * 1e6 / each.per_second for each in runs),
            Spread.of(each.busy * 100 for each in runs),
        )
        for name, runs in found.items()
    ]
    columns = ("strategy", "requests/s", "÷ weighted", "CPU µs/request", "core used %")
    report.tables.append(Table("Unary, 64 connections, closed loop", columns, rows))
