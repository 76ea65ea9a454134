"""The time of one routing decision, in-process: what the router does between a parsed body and a chosen target."""

import gc
import os
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import yaml

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.router import write_resources
from signalbox.local.resources import Options
from signalbox.local.workspace import read
from signalbox.routing.affinity import choose, key_of, seed_of
from signalbox.routing.backlog import Backlog
from signalbox.routing.config import Affinity, Policy, RouterConfig
from signalbox.routing.decision import CompiledPolicy
from signalbox.routing.eligibility import Requirements, shortfall
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.features import Facts

PROMISED_US = 20.0
RULES = (1, 8, 64, 256)
RULES_A_POLICY = 64
CHARACTERS = (100, 900, 10_000, 100_000)
VARIANTS = 64
ENDPOINTS = 8
PREFIX = Affinity(key="Prefix")
HEADERS = {name.lower().encode(): value.encode() for name, _, value in (line.partition(": ") for line in chat.HEADERS)}


class EndpointState(msgspec.Struct):
    """What affinity asks of an endpoint."""

    seed: int
    in_flight: int


class TargetState(msgspec.Struct):
    """What conditions may ask of a target."""

    in_flight: int = 3
    ttft_ms: int | None = 120
    error_rate: float = 0.0
    healthy: bool = True
    waiting: int | None = 2
    utilization: float | None = 0.5
    kv_cache_usage: float | None = 0.3
    overloaded: bool = False


class Decider:
    """One policy, ready to decide, as a worker holds it; ``by_load``: its last route declares no shares, and weights
    were heard."""

    def __init__(self, config: RouterConfig, policy: Policy, *, by_load: bool = False) -> None:
        if by_load:
            last = policy.routes[-1]
            free = msgspec.structs.replace(last, strategy=msgspec.structs.replace(last.strategy, free=True))
            policy = msgspec.structs.replace(policy, routes=(*policy.routes[:-1], free))
        self.compiled = CompiledPolicy(policy, random.Random(1))
        by_name = {backend.name: backend for backend in config.backends}
        self.backends = [by_name[target.backend] for target in policy.targets]
        self.targets = {target.name: TargetState() for target in policy.targets}
        if by_load:
            backlogs = [Backlog(0.0) for _ in policy.targets]
            for number, backlog in enumerate(backlogs):
                backlog.sample(5.0 + number, 10.0, 1.0, 2.0)
            weights = [1.0 / len(backlogs)] * len(backlogs)
            self.compiled.routes[-1].choice.steer([weights], 0.0, backlogs)

    def decide(self, body: dict[str, Any]) -> int:
        """Facts, conditions in order, eligibility of the targets, the draw: gives the position of the target."""
        facts = Facts("chat", body, HEADERS, "support", "gold", self.targets)
        route = self.compiled.match(facts, _refuse)
        assert route is not None
        needs = Requirements(facts)
        usable = 0
        for position, backend in enumerate(self.backends):
            if route.choice.mask >> position & 1 and shortfall(backend, needs) is None:
                usable |= 1 << position
        return route.choice_for(facts).first(usable)


def run(settings: Settings) -> Report:
    """Bodies that differ, so that nothing is remembered from one to the next."""
    decider, by_load = _decider(settings.directory), _decider(settings.directory, by_load=True)
    bodies = [chat.body(user=f"user-{i}", max_tokens=200 + i) for i in range(VARIANTS)]
    decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
    parsed = [decode(body) for body in bodies]
    conditions = [route.condition for route in decider.compiled.routes if route.condition is not None]

    def all_conditions(body: dict[str, Any]) -> None:
        facts = Facts("chat", body, HEADERS, "support", "gold", decider.targets)
        for condition in conditions:
            condition(facts)

    def whole(body: bytes) -> None:
        request = decode(body)
        decider.decide(request)
        encode({**request, "model": "bench-small"})

    def key(body: dict[str, Any]) -> int:
        found = key_of(PREFIX, "chat", body, HEADERS)
        assert found is not None
        return found

    steps: list[tuple[str, Callable[[Any], Any], Sequence[Any]]] = [
        ("parse the body (msgspec)", decode, bodies),
        ("facts and 8 conditions", all_conditions, parsed),
        ("decision: facts, 8 conditions, eligibility, draw", decider.decide, parsed),
        ("the same, drawn by load: two, and the less busy", by_load.decide, parsed),
        ("parse, decide, write the model and encode", whole, bodies),
        ("affinity by prefix: the key", key, parsed),
        (f"affinity: one of {ENDPOINTS} endpoints", partial(_endpoint, _endpoints()), [key(body) for body in parsed]),
    ]
    count = round(settings.choose(20_000, 3_000))
    rounds = settings.rounds
    found: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in steps}
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, settings.cores.proxy)
    try:
        for number in range(rounds):
            settings.tell(f"round {number + 1} of {rounds}")
            for name, step, inputs in steps:
                found[name].append(time_of(step, inputs, count))
    finally:
        os.sched_setaffinity(0, before)
    report = Report(
        "decision",
        f"In-process, {count:,} calls each in {rounds} rounds, {VARIANTS} bodies of {len(bodies[0])} bytes in turn; "
        "8 conditions of which 2 are regular expressions, none of them holds. Garbage collection waits. "
        "Microseconds, median (smallest–largest) over the rounds.",
    )
    rows: list[tuple[Cell, ...]] = [
        (name, Spread.of(p50 for p50, _ in times), Spread.of(p99 for _, p99 in times)) for name, times in found.items()
    ]
    report.tables.append(Table("Time of a request's decision", ("step", "p50 µs", "p99 µs"), rows))
    decision = Spread.of(p50 for p50, _ in found[steps[2][0]])
    drawn = Spread.of(p50 for p50, _ in found[steps[3][0]])
    text = f"{drawn} µs, {drawn.median / decision.median:.2f} of a decision by share"
    report.expect(f"drawn by load p50 at most {PROMISED_US:.0f} µs", text, drawn.median <= PROMISED_US)
    report.expect(f"decision p50 at most {PROMISED_US:.0f} µs", f"{decision} µs", decision.median <= PROMISED_US)
    rows = [_condition_row(decider, position, parsed, count) for position in range(len(conditions))]
    report.tables.append(Table("Each condition alone, on fresh facts", ("route", "p50 µs", "p99 µs"), rows))
    report.tables += [_by_rules(settings, parsed, count), _by_length(settings, decider, count)]
    return report


def _by_rules(settings: Settings, parsed: Sequence[Any], count: int) -> Table:
    """None of the rules holds, so each of them is tried; a quarter are regular expressions."""
    rows: list[tuple[Cell, ...]] = []
    for number in RULES:
        settings.tell(f"{number} rules")
        rows.append(
            (f"{number}", *time_of(_ruled(settings.directory, number).decide, parsed, max(200, count // number)))
        )
    return Table("Decision by number of rules, 900 characters", ("rules", "p50 µs", "p99 µs"), rows)


def _by_length(settings: Settings, decider: Decider, count: int) -> Table:
    decode = msgspec.json.Decoder().decode
    rows: list[tuple[Cell, ...]] = []
    for length in CHARACTERS:
        settings.tell(f"{length} characters")
        text = (chat.TEXT * (length // len(chat.TEXT) + 1))[:length]
        bodies = [chat.body(messages=[{"role": "user", "content": text}], user=f"user-{i}") for i in range(8)]
        calls = max(200, count * 900 // max(900, length))
        decided = time_of(decider.decide, [decode(body) for body in bodies], calls)
        rows.append((f"{length:,}", *decided, *time_of(decode, bodies, calls)))
    columns = ("characters", "p50 µs", "p99 µs", "parse p50 µs", "parse p99 µs")
    return Table("Decision by length of the prompt, 8 rules, and parsing of the body", columns, rows)


def with_rules(text: str, first: int, count: int) -> str:
    """The resources of rules.yaml with so many rules in place of its own: theirs in turn, no two alike."""
    resources = list(yaml.safe_load_all(text))
    policy = next(each for each in resources if each["kind"] == "RoutingPolicy")["spec"]
    *rules, last = policy["routes"]
    policy["routes"] = [
        {**rule, "name": f"{rule['name']}_{n}", "when": _unlike(rule["when"], n)}
        for n, rule in ((n, rules[n % len(rules)]) for n in range(first, first + count))
    ] + [last]
    return yaml.safe_dump_all(resources)


def _unlike(condition: str, number: int) -> str:
    for word in ("theorem", "traceback"):
        condition = condition.replace(word, f"{word}{number}")
    for value in (60000, 12, 100000):
        condition = condition.replace(f"> {value}", f"> {value + number}")
    for text in ('"?"', '"high"'):
        condition = condition.replace(text, f'{text[:-1]}{number}"')
    return condition.replace("request.tools > 3", f"request.tools > {3 + number}")


def _ruled(directory: Path, count: int) -> Decider:
    """A policy may have 128 routes: more are put together from several."""
    configs = []
    for first in range(0, count, RULES_A_POLICY):
        change = partial(with_rules, first=first, count=min(RULES_A_POLICY, count - first))
        configs.append(_config(directory / f"rules-{count}-{first}", change))
    policies = [config.policies[0] for config in configs]
    routes = tuple(route for policy in policies for route in policy.routes[:-1])
    return Decider(configs[0], msgspec.structs.replace(policies[0], routes=(*routes, policies[0].routes[-1])))


def _endpoints() -> list[EndpointState]:
    return [EndpointState(seed_of(f"10.0.0.{number}:8000"), 3) for number in range(ENDPOINTS)]


def _endpoint(among: Sequence[EndpointState], key: int) -> EndpointState:
    return choose(key, among, PREFIX.max_overload_percent)


def _condition_row(decider: Decider, position: int, parsed: Sequence[Any], count: int) -> tuple[Cell, ...]:
    route = [route for route in decider.compiled.routes if route.condition is not None][position]
    condition = route.condition
    assert condition is not None

    def alone(body: dict[str, Any]) -> None:
        condition(Facts("chat", body, HEADERS, "support", "gold", decider.targets))

    return (route.name, *time_of(alone, parsed, count // 4))


def time_of(step: Callable[[Any], Any], inputs: Sequence[Any], count: int) -> tuple[float, float]:
    """p50 and p99 of a call in microseconds. The collector runs between rounds, not in them."""
    clock = time.perf_counter_ns
    times = []
    gc.collect()
    gc.disable()
    try:
        for i in range(count):
            value = inputs[i % len(inputs)]
            start = clock()
            step(value)
            times.append(clock() - start)
        empty = []
        for _ in range(1000):
            start = clock()
            empty.append(clock() - start)
    finally:
        gc.enable()
    times.sort()
    empty.sort()
    own = empty[len(empty) // 2]
    return (times[count // 2] - own) / 1000, (times[count * 99 // 100] - own) / 1000


def _decider(directory: Path, *, by_load: bool = False) -> Decider:
    config = _config(directory / "resources")
    return Decider(config, config.policies[0], by_load=by_load)


def _config(directory: Path, change: Callable[[str], str] | None = None) -> RouterConfig:
    directory.mkdir(exist_ok=True)
    file = write_resources(directory, "rules.yaml", small=9001, strong=9002)
    if change:
        file.write_text(change(file.read_text()))
    workspace = read(Options(path=directory))
    if workspace.errors:
        raise BenchError("\n".join(f"{one.location}: {one.problem.message}" for one in workspace.errors))
    return workspace.plan.routers[0].config


def _refuse(route: str, error: EvaluationError) -> None:
    raise BenchError(f"the condition of {route} cannot be evaluated: {error}")
