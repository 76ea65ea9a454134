"""A small fluid model of engines, stepped by the real law: views with the numbers and reasons that a page gets."""

import random
from dataclasses import dataclass, field

from signalbox.control.messages import Sent, Traffic
from signalbox.feedback.backends import Sight
from signalbox.feedback.law import Outcome, State, step
from signalbox.feedback.plan import Backend, Engine, Mode, Plan, SetKey, Share, Spill, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.feedback.traffic import Traffic as Counted
from signalbox.signals.board import Board

TOKENS = 220.0
PROMPT = 400.0
INTERVAL = 5.0


@dataclass
class Simulated:
    """An engine: tokens a second when full, and how many requests it works on at once. ``slow`` divides its speed."""

    name: str
    model: str
    capacity: float
    batch: int
    engine: Engine = "VLLM"
    endpoints: int = 1
    slow: float = 1.0
    dead: bool = False
    mute: bool = False
    queue: float = 0.0
    started: float = 0.0
    done: float = 0.0
    failed: float = 0.0
    first_ms: float = 0.0
    reading: Reading | None = None

    @property
    def running(self) -> float:
        return min(self.queue, float(self.batch * self.endpoints))

    def work(self, arrived: float, seconds: float) -> None:
        self.started += arrived
        if self.dead:
            self.failed += arrived
            self.queue = 0.0
            return
        self.queue += arrived
        rate = self.capacity / self.slow * (self.running / (self.batch * self.endpoints)) ** 0.6
        ended = min(self.queue, rate * seconds / TOKENS)
        self.queue -= ended
        self.done += ended
        waiting = self.queue - self.running
        self.first_ms += ended * (60.0 * self.slow + 1000.0 * waiting * TOKENS / max(rate, 1.0))

    def read(self, now: float) -> Reading | None:
        if not (self.mute or self.dead):
            self.reading = Reading(
                at=now,
                running=round(self.running),
                waiting=round(self.queue - self.running),
                kv_usage=min(1.0, 0.02 + 0.8 * self.running / (self.batch * self.endpoints)),
                generated=round(self.done * TOKENS),
                finished=round(self.done),
            )
        return self.reading


@dataclass
class Route:
    """Requests a second, by policy and route, and the backend of each target."""

    policy: str
    name: str
    rate: float
    targets: dict[str, str]
    weights: tuple[int | None, ...] = ()
    tiers: tuple[tuple[str, ...], ...] = ()
    spill: Spill | None = None
    mode: Mode = "Active"
    sent: dict[str, list[float]] = field(default_factory=dict)


class Scene:
    """``run`` it; it tells its board what the loop would."""

    def __init__(self, engines: list[Simulated], routes: list[Route], began: float = 1_700_000_000.0) -> None:
        self.engines = {engine.name: engine for engine in engines}
        self.routes = routes
        self.began, self.now = began, 0.0
        self.board = Board(lambda: self.now, lambda: self.began + self.now)
        self._random = random.Random(7)
        self._state = State()
        self._outcome: Outcome | None = None

    @property
    def plan(self) -> Plan:
        backends = {
            each.name: Backend(
                name=each.name,
                model=each.model,
                engine=each.engine,
                endpoints=tuple(f"{each.name}-{number}" for number in range(each.endpoints)),
                max_in_flight=60 if each.engine == "None" else None,
                tokens_per_second=None if each.engine != "None" else each.capacity,
            )
            for each in self.engines.values()
        }
        sets: dict[SetKey, TargetSet] = {}
        spills: dict[SetKey, Spill] = {}
        for route in self.routes:
            for tier, names in enumerate(route.tiers or (tuple(route.targets),)):
                weights = route.weights or (None,) * len(names)
                shares = tuple(
                    Share(name, route.targets[name], weight) for name, weight in zip(names, weights, strict=True)
                )
                sets[SetKey(route.policy, route.name, tier)] = TargetSet(shares=shares, mode=route.mode)
            if route.spill is not None:
                spills[SetKey(route.policy, route.name)] = route.spill
        return Plan(backends=backends, sets=sets, spills=spills)

    def run(self, seconds: float, *, tick: float = 1.0) -> None:
        """So many seconds, of ``tick`` each."""
        plan, end = self.plan, self.now + seconds
        while self.now < end - 1e-6:
            self.now += tick
            self._work(plan, tick)
            self._tell()
            if self.now % INTERVAL == 0:
                outcome = step(self._state, plan, self._sights(), self.now)
                self._state, self._outcome = outcome.state, outcome
                problems = {each.name: {"0": "connection refused"} for each in self.engines.values() if each.dead}
                self.board.show(outcome, plan, problems)

    def _work(self, plan: Plan, seconds: float) -> None:
        arrived = dict.fromkeys(self.engines, 0.0)
        for route in self.routes:
            requests = max(0.0, self._random.gauss(route.rate * seconds, (route.rate * seconds) ** 0.5 * 0.5))
            for target, part in self._parts(route, plan).items():
                arrived[route.targets[target]] += requests * part
                known = route.sent.setdefault(target, [0.0, 0.0])
                known[0] += requests * part
        for name, engine in self.engines.items():
            engine.work(arrived[name], seconds)

    def _parts(self, route: Route, plan: Plan) -> dict[str, float]:
        tiers = route.tiers or (tuple(route.targets),)
        found: dict[str, float] = {}
        left = 1.0
        for tier, names in enumerate(tiers):
            key = SetKey(route.policy, route.name, tier)
            shares = plan.sets[key].shares
            declared = sum(share.weight or 1 for share in shares)
            weights = {share.target: (share.weight or 1) / declared for share in shares}
            if self._outcome is not None and route.mode == "Active":
                weights = {weight.target: weight.effective for weight in self._outcome.weights[key]}
            able = sum(weights.values())
            spill = self._outcome.spills.get(key, 0.0) if self._outcome is not None and tier == 0 else 0.0
            here = left * (1.0 - spill) if able else 0.0
            left -= here
            found |= {name: here * weights[name] for name in names}
        return found

    def _tell(self) -> None:
        backends = {
            each.name: Traffic(
                known=each.endpoints,
                usable=0 if each.dead else each.endpoints,
                causes=("connect",) if each.dead else (),
                in_flight=round(each.queue),
                requests=round(each.done + each.failed),
                failures=round(each.failed),
                output_tokens=round(each.done * TOKENS),
                first_tokens=round(each.done),
                first_token_ms=round(each.first_ms),
            )
            for each in self.engines.values()
        }
        sent: dict[str, dict[str, dict[str, Sent]]] = {}
        for route in self.routes:
            for target, (requests, failed) in route.sent.items():
                of = sent.setdefault(route.policy, {}).setdefault(route.name, {})
                of[target] = Sent(requests=round(requests), failed=round(failed))
        self.board.report("router", backends, sent)

    def _sights(self) -> dict[str, Sight]:
        found: dict[str, Sight] = {}
        for name, each in self.engines.items():
            if each.engine == "None":
                traffic = Counted(
                    at=self.now,
                    started=round(each.started),
                    completed=round(each.done),
                    output_tokens=round(each.done * TOKENS),
                    in_flight=round(each.queue),
                )
                found[name] = Sight(traffic=traffic, reachable=not each.dead)
                continue
            reading = each.reading if self.now % INTERVAL else each.read(self.now)
            numbers = range(each.endpoints) if reading is not None else ()
            readings = {f"{name}-{number}": _part(reading, each.endpoints) for number in numbers}
            found[name] = Sight(readings=readings, reachable=not each.dead)
        return found


def _part(reading: Reading | None, endpoints: int) -> Reading:
    assert reading is not None
    values = (reading.running or 0, reading.waiting or 0, reading.generated or 0, reading.finished or 0)
    running, waiting, generated, finished = (value / endpoints for value in values)
    return Reading(
        at=reading.at,
        running=running,
        waiting=waiting,
        kv_usage=reading.kv_usage,
        generated=generated,
        finished=finished,
    )


def usual(rate: float = 30.0) -> Scene:
    """Three policies on five backends: free weights, declared shares, a failover that spills."""
    engines = [
        Simulated("llama-8b-a", "meta-llama/Llama-3.1-8B-Instruct", 2600, 24),
        Simulated("llama-8b-b", "meta-llama/Llama-3.1-8B-Instruct", 2600, 24),
        Simulated("llama-70b", "meta-llama/Llama-3.3-70B-Instruct", 3400, 32, endpoints=2),
        Simulated("qwen-32b", "Qwen/Qwen3-32B", 2200, 24, engine="SGLang"),
        Simulated("gpt-4o", "gpt-4o", 5000, 60, engine="None"),
    ]
    own = {"small_a": "llama-8b-a", "small_b": "llama-8b-b", "coder": "qwen-32b", "large": "llama-70b"}
    routes = [
        Route("chat", "code", 0.22 * rate, {"coder": "qwen-32b", "large": "llama-70b"}),
        Route("chat", "default", 0.5 * rate, own),
        Route("canary", "all", 0.14 * rate, {"stable": "llama-8b-a", "next": "qwen-32b"}, weights=(9, 1)),
        Route(
            "assistants",
            "own_pool_first",
            0.14 * rate,
            {"own": "llama-70b", "cloud": "gpt-4o"},
            tiers=(("own",), ("cloud",)),
            spill=Spill(0.7, 1.0),
        ),
    ]
    return Scene(engines, routes)


def many(number: int = 50) -> Scene:
    """One policy over very many unlike backends."""
    engines = [
        Simulated(f"engine-{index:02d}", f"model-{index % 5}", 1200 * (1 + index % 4), 16 * (1 + index % 4))
        for index in range(number)
    ]
    targets = {f"t{index:02d}": f"engine-{index:02d}" for index in range(number)}
    return Scene(engines, [Route("everything", "default", 8.0 * number, targets)])


def single() -> Scene:
    """One target, which is all there is to see."""
    return Scene([Simulated("only", "tiny-model", 2000, 16)], [Route("simple", "default", 4.0, {"only": "only"})])
