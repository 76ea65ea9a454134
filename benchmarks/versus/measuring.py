"""The run: start-up and memory of each system alone, then all at once, loaded in turn."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from benchmarks.harness.candidates import DIRECT, ENVOY, SIGNALBOX, Candidate, Field
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Load, Quantiles, Upstream, upstream
from benchmarks.harness.processes import Cores
from benchmarks.versus import scenarios
from benchmarks.versus.field import Say, compiled, megabytes, one_line, settle, started
from benchmarks.versus.records import Record, System, Taken, records
from benchmarks.versus.scenarios import EVENTS, Full, Mode, Part

STREAMING_CONNECTIONS, UNARY_CONNECTIONS = 4096, 256
GENERATOR_SHARE = 0.7
"""Of the core of load generator and upstream: beyond it they would be what is measured."""
SERVED = 0.95
"""At a higher part of its full load a system is as good as overloaded."""
REST_SECONDS = 1.0
# A quantile says nothing when fewer requests than this lie beyond it.
BEYOND = 3
QUANTILES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


@dataclass(frozen=True)
class Plan:
    """How long, in seconds. ``longest`` is the longest window, for slow systems; ``budget`` bounds the whole: when time
    runs short, rounds are left out, never systems."""

    rounds: int
    full_seconds: float
    part_seconds: float
    longest: float
    budget: float

    @classmethod
    def of(cls, *, quick: bool) -> "Plan":
        """The one that gives figures to quote, or the one that shows that it runs."""
        return cls(1, 0.4, 0.4, 1.5, 240.0) if quick else cls(3, 1.0, 1.5, 7.0, 1320.0)


@dataclass
class Run:
    """What was found until now. ``capacity``: requests/s that a system can serve with its core, by mode and prompt."""

    cores: Cores
    directory: Path
    plan: Plan
    say: Say
    systems: list[System]
    found: list[Record] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    capacity: dict[tuple[str, Mode, str], float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    done: int = 0

    @property
    def names(self) -> list[str]:
        """All of them, the missing ones included."""
        return [system.name for system in self.systems]

    @property
    def present(self) -> list[str]:
        """Those that can be measured."""
        return [each.name for each in self.systems if each.reason is None and each.name not in self.failed]

    def reason(self, name: str) -> str | None:
        """Why a system is not measured."""
        return self.failed.get(name) or next(each.reason for each in self.systems if each.name == name)

    def add(
        self, scenario: str, metric: str, unit: str, taken: dict[str, Taken], *, higher: bool, without: str = ""
    ) -> None:
        """A record for every system: who could not be measured has its reason."""
        every = {name: taken.get(name) or Taken(reason=self.reason(name)) for name in self.names if name != without}
        for each in records(scenario, metric, unit, every, higher_is_better=higher):
            ours = each.system == SIGNALBOX
            self.found.append(msgspec.structs.replace(each, compiled=compiled()) if ours else each)


def measure(run: Run) -> None:
    """All scenarios, in order of what they need of one another. Raises ``BenchError`` without an upstream."""
    with upstream(
        run.cores.load,
        run.directory,
        ports=2,
        chunks=scenarios.CHUNKS,
        interval=scenarios.INTERVAL,
        expect='"bench-s',
    ) as engine:
        _start_up(run, engine)
        with ExitStack() as stack:
            under_load = Field(engine, run.cores, run.directory)
            for name in run.present:
                try:
                    one = stack.enter_context(started(name, engine, run.cores, run.directory, run.say))
                except BenchError as error:
                    run.failed[name] = one_line(error)
                    continue
                under_load.candidates.append(one.candidate)
            memory = {each.name: [megabytes(each)] for each in under_load.candidates if each.root}
            total = len(scenarios.FULL) + len(scenarios.PART)
            for scenario in scenarios.FULL:
                _full(run, under_load, scenario, total)
            for part in scenarios.PART:
                _part(run, under_load, part, total)
            for each in under_load.candidates:
                if each.root:
                    memory[each.name].append(megabytes(each))
        _memory(run, memory)


def _start_up(run: Run, engine: Upstream) -> None:
    taken: dict[str, list[float]] = {}
    for number in range(run.plan.rounds):
        for name in _turned(run.present, number):
            if name == DIRECT:
                continue
            run.say(f"start-up, round {number + 1} of {run.plan.rounds}: {name}")
            try:
                with started(name, engine, run.cores, run.directory, run.say) as one:
                    taken.setdefault(name, []).append(one.seconds)
            except BenchError as error:
                run.failed[name] = one_line(error)
    found = {name: Taken(values=values) for name, values in taken.items() if name not in run.failed}
    run.add(scenarios.START_UP, "from its start to the first answer", "s", found, higher=False, without=DIRECT)


def _memory(run: Run, taken: dict[str, list[dict[str, float]]]) -> None:
    found = {}
    for name, (fresh, loaded) in taken.items():
        details = {"largest_rss_mb": [fresh["largest_rss_mb"]], "after_load_mb": [loaded["pss_mb"]]}
        found[name] = Taken(values=[fresh["pss_mb"]], details=details)
    run.add(scenarios.MEMORY, "idle, all processes, shared pages once", "MB", found, higher=False, without=DIRECT)


def _turned(names: list[str], number: int) -> list[str]:
    shift = number % max(1, len(names))
    return names[shift:] + names[:shift]


def _rounds(
    run: Run,
    scenario: str,
    total: int,
    under_load: Field,
    candidates: list[Candidate],
    one: Callable[[Candidate], None],
    repeated: int = 1,
) -> dict[str, str]:
    """Call ``one`` for each candidate in turn, round by round; gives who failed and why. Rounds are left out when the
    scenarios until now took more than their part of the budget."""
    problems: dict[str, str] = {}
    run.done += 1
    rounds = run.plan.rounds * repeated
    for number in range(rounds):
        elapsed = time.monotonic() - run.begun
        if number and elapsed > run.plan.budget * run.done / total:
            run.notes.append(f"{scenario}: {number} of {rounds} rounds, to keep to the time")
            break
        run.say(f"[{run.done}/{total}, {elapsed / 60:.1f} min] {scenario}, round {number + 1} of {rounds}")
        shift = number % max(1, len(candidates))
        for candidate in candidates[shift:] + candidates[:shift]:
            if candidate.name in problems:
                continue
            under_load.forget()
            try:
                one(candidate)
            except BenchError as error:
                problems[candidate.name] = one_line(error)
            settle(candidate)
    return problems


def _full(run: Run, under_load: Field, scenario: Full, total: int) -> None:
    taken: dict[str, list[Counts]] = {}
    bodies = scenarios.bodies(scenario.mode, scenario.prompt)

    def one(candidate: Candidate) -> None:
        known = run.capacity.get((candidate.name, scenario.mode, scenario.prompt))
        load = _window(scenario, run.plan, known)
        counts = _counted(under_load, candidate, replace(load, bodies=bodies))
        taken.setdefault(candidate.name, []).append(counts)

    problems = _rounds(run, scenario.name, total, under_load, under_load.candidates, one)
    stream = scenario.mode == "sse"
    found = {}
    for name, runs in taken.items():
        key = (name, scenario.mode, scenario.prompt)
        run.capacity[key] = max(run.capacity.get(key, 0.0), _capacity(name, runs, stream=stream))
        rates = [_per_second(each, stream=stream) for each in runs]
        if name == DIRECT:
            found[name] = Taken(values=[] if stream else rates, reason="streams come at a pace" if stream else None)
            continue
        used = [max(each.busy, 1e-9) for each in runs]
        efficiency = [each.events_per_second / busy for each, busy in zip(runs, used, strict=True)]
        details = {
            "requests_per_second": rates,
            "cpu_us_per_request": [1e6 * busy / rate for busy, rate in zip(used, rates, strict=True) if rate],
            "core_used_percent": [100 * busy for busy in used],
        }
        found[name] = Taken(values=efficiency if stream else rates, details=details)
    found |= {name: Taken(reason=why) for name, why in problems.items()}
    if stream:
        run.add(scenario.name, "stream events per second of processor time", "1/s", found, higher=True, without=DIRECT)
    else:
        run.add(scenario.name, "requests/s of one core", "1/s", found, higher=True)


def _window(scenario: Full, plan: Plan, capacity: float | None) -> Load:
    """A slow system needs a longer window: its first answers come when all connections have had their turn."""
    turn = scenario.connections / capacity if capacity else 0.0
    pace = scenarios.STREAM_SECONDS if scenario.mode == "sse" else 0.0
    return Load(
        bodies=(),
        seconds=min(plan.longest, max(plan.full_seconds, 2 * pace, turn)),
        warmup=min(plan.longest, max(0.3, 1.2 * pace, 1.5 * turn)),
        ramp=pace,
        connections=scenario.connections,
        timeout=120,
    )


def _counted(under_load: Field, candidate: Candidate, load: Load) -> Counts:
    """One run; of the direct connection the processor time is that of the upstream."""
    if candidate.name != DIRECT:
        return under_load.run(candidate, load)
    return under_load.run(Candidate(DIRECT, candidate.port, under_load.upstream.pid), load)


def _per_second(counts: Counts, *, stream: bool) -> float:
    return counts.events_per_second / EVENTS if stream else counts.per_second


def _capacity(name: str, runs: list[Counts], *, stream: bool) -> float:
    """Requests/s with a whole core. Unary requests were sent as fast as answers came; streams come at a pace, so what
    they cost says how many would fit, and for the direct connection how many the load's own core can send."""
    if not stream:
        return max(each.per_second for each in runs)
    if name == DIRECT:
        return max(
            _per_second(each, stream=True) * GENERATOR_SHARE * each.seconds / (each.cpu_seconds + each.load_cpu_seconds)
            for each in runs
        )
    return max(_per_second(each, stream=True) / max(each.busy, 1e-9) for each in runs)


def _part(run: Run, under_load: Field, part: Part, total: int) -> None:
    """Latency added to that of a direct connection at the same rate, in the same round."""
    rates = _rates(run, part)
    direct = next((each for each in under_load.candidates if each.name == DIRECT), None)
    bodies = scenarios.bodies(part.mode, part.prompt)
    taken: dict[str, list[tuple[Counts, Counts]]] = {}

    def open_loop(candidate: Candidate, rate: float) -> Counts:
        streams = part.mode == "sse"
        load = Load(
            bodies=bodies,
            seconds=run.plan.part_seconds,
            warmup=max(0.3, 1.2 * scenarios.STREAM_SECONDS if streams else 0.0),
            rate=rate,
            connections=STREAMING_CONNECTIONS if streams else UNARY_CONNECTIONS,
            grace=10,
            skip_events=1,
        )
        return _counted(under_load, candidate, load)

    def one(candidate: Candidate) -> None:
        assert direct is not None
        rate = rates[candidate.name]
        pair = (open_loop(direct, rate), open_loop(candidate, rate))
        taken.setdefault(candidate.name, []).append(pair)

    candidates = [each for each in under_load.candidates if each.name in rates] if direct else []
    problems = _rounds(run, part.name, total, under_load, candidates, one, part.repeated)
    found = {name: _added(pairs, rates[name], stream=part.mode == "sse") for name, pairs in taken.items()}
    found |= {name: Taken(reason=why) for name, why in problems.items()}
    for name in run.present:
        if name not in found:
            found[name] = Taken(reason=_unrated(run, part, name))
    run.add(part.name, "latency added, p99", "µs", found, higher=False, without=DIRECT)


def _rates(run: Run, part: Part) -> dict[str, float]:
    """Requests/s for each; no more than load generator and upstream can bear."""
    bound = run.capacity.get((DIRECT, part.mode, part.prompt), 0.0)
    found = {}
    for name in run.present:
        own = run.capacity.get((name, part.mode, part.prompt), 0.0)
        of = run.capacity.get((SIGNALBOX, part.mode, part.prompt), 0.0) if part.of_signalbox else own
        rate = of * part.percent / 100
        within = own * SERVED >= rate and name in (ENVOY, SIGNALBOX)
        if name != DIRECT and 0 < rate <= bound and (within or not part.of_signalbox):
            found[name] = round(rate, 1)
    return found


def _unrated(run: Run, part: Part, name: str) -> str:
    if part.of_signalbox and name not in (ENVOY, SIGNALBOX):
        return "only bare Envoy is also measured at the rate of Signalbox"
    if part.of_signalbox and run.capacity.get((name, part.mode, part.prompt), 0.0):
        return "this rate is more than what it can serve"
    if not run.capacity.get((name, part.mode, part.prompt)):
        return "its full load is not known"
    return "this rate is more than what load generator and upstream bear on their core"


def quantile(of: Quantiles, name: str) -> float | None:
    """In microseconds; None where too few requests lie beyond it."""
    value: float = getattr(of, name)
    return value if of.count * (1 - QUANTILES[name]) >= BEYOND else None


def _added(pairs: list[tuple[Counts, Counts]], rate: float, *, stream: bool) -> Taken:
    details: dict[str, list[float | None]] = {}
    values = []
    for base, through in pairs:
        before, after = (each.first_event_us if stream else each.latency_us for each in (base, through))
        for name in QUANTILES:
            there, here = quantile(before, name), quantile(after, name)
            details.setdefault(f"added_{name}_us", []).append(None if there is None or here is None else here - there)
            details.setdefault(f"{name}_us", []).append(here)
        added = details["added_p99_us"][-1]
        if added is not None:
            values.append(added)
        details.setdefault("core_used_percent", []).append(100 * through.busy)
        details.setdefault("requests", []).append(after.count)
    reason = None if values else f"too few requests for a p99 at {rate:g}/s"
    return Taken(values=values, details=dict(details), notes={"rate_per_second": rate}, reason=reason)
