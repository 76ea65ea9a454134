"""Scenarios by name: the ones that are promised, and what lies beyond."""

from collections.abc import Callable
from dataclasses import replace

from signalbox.simulation.engines import Machine
from signalbox.simulation.scenario import Backend, Change, Policy, Route, Scenario, Target

UNIT_RATE, UNIT_BATCH = 200.0, 4
"""A backend of capacity 1: four at a time, each at 50 tokens/s."""
CAPACITIES = {"a1": 1, "b1": 1, "c2": 2, "d4": 4, "e8": 8}
FIRST, LAST = 0.25, 0.75
"""Parts of a run: between them something is wrong."""


def machine(capacity: float, *, batch: int | None = None) -> Machine:
    """Larger ones take more at a time; with ``batch``, they are faster instead."""
    return Machine(UNIT_RATE * capacity, batch or max(1, round(UNIT_BATCH * capacity)))


def five(*, scale: float = 1.0, declared: bool = True) -> tuple[Backend, ...]:
    """Five backends of capacities 1, 1, 2, 4 and 8."""
    return tuple(Backend(name, machine(scale * each), declared=declared) for name, each in CAPACITIES.items())


def free(backends: tuple[Backend, ...], *, routers: int = 1, policies: int = 1) -> tuple[Policy, ...]:
    """Policies that all use all backends, without a declared share."""
    targets = tuple(Target(backend.name) for backend in backends)
    return tuple(
        Policy(f"policy{number}", (Route("default", (targets,)),), routers=routers) for number in range(policies)
    )


def steady(load: float, routers: int = 1) -> Scenario:
    """The same load all the time."""
    backends = five()
    return Scenario(f"load {load:.2f}", backends, free(backends, routers=routers), load=load)


def slow(routers: int = 1) -> Scenario:
    """One gets four times slower: what is left of 16 is 13."""
    changes = (Change(FIRST, "d4", slow=4.0), Change(LAST, "d4", slow=1.0))
    return replace(steady(0.7, routers), name="one slows 4×", changes=changes)


def dead(routers: int = 1) -> Scenario:
    """One dies: what is left of 16 is 12."""
    changes = (Change(FIRST, "d4", down=True), Change(LAST, "d4", down=False))
    return replace(steady(0.7, routers), name="one fails", changes=changes)


def unknown(routers: int = 1) -> Scenario:
    """Nobody has declared what the backends can do, and the first request counts."""
    backends = five(declared=False)
    return Scenario("capacities unknown", backends, free(backends, routers=routers), load=0.8, skip=0.0)


PROMISED: tuple[tuple[Callable[[int], Scenario], float], ...] = (
    (lambda routers: steady(0.70, routers), 1.10),
    (lambda routers: steady(0.80, routers), 1.10),
    (lambda routers: steady(0.85, routers), 1.10),
    (lambda routers: steady(0.95, routers), 1.20),
    (slow, 1.30),
    (dead, 1.10),
    (unknown, 1.15),
)
"""Scenarios by number of routers, and how many times the p99 of the omniscient scheduler is allowed."""


def shared(policies: int) -> Scenario:
    """Policies with a router each, which know nothing of each other."""
    backends = five()
    return Scenario(f"{policies} policies", backends, free(backends, policies=policies))


def sidecars() -> Scenario:
    """A thousand routers of which each sends a request in ten seconds; backends are larger."""
    scale = 100.0 / steady(0.8).rate
    backends = five(scale=scale)
    return Scenario("1,000 sidecars", backends, free(backends, routers=1000))


def declared() -> Scenario:
    """Shares of 90 and 10 between two backends, of which the smaller one could do more."""
    backends = (Backend("large", machine(8)), Backend("small", machine(2)))
    route = Route("default", ((Target("large", 9), Target("small", 1)),))
    return Scenario("declared 90/10", backends, (Policy("policy0", (route,)),), load=0.7)


def declared_slow() -> Scenario:
    """The same, while the larger one is slower than what it is to serve."""
    return replace(declared(), name="declared 90/10, one slows", changes=slow_of("large", 1.5))


def slow_of(backend: str, times: float) -> tuple[Change, ...]:
    """One that is slow for a while."""
    return Change(FIRST, backend, slow=times), Change(LAST, backend, slow=1.0)


def provider() -> Scenario:
    """One backend tells nothing of itself, and answers 429 to what is too much."""
    backends = tuple(
        replace(each, metrics="None", declared=False, limit=round(1.5 * each.machine.batch))
        if each.name == "d4"
        else each
        for each in five()
    )
    return Scenario("a provider without metrics", backends, free(backends))


def scaled_out() -> Scenario:
    """A backend of one endpoint gets three more, and loses them again, under the load that suits one."""
    backends = tuple(replace(each, slow_start=30.0) for each in five())
    changes = (Change(FIRST, "c2", endpoints=4), Change(LAST, "c2", endpoints=1))
    return Scenario("1 → 4 → 1 endpoints", backends, free(backends), load=0.85, changes=changes)


def lengths() -> Scenario:
    """The same request makes a longer answer on some than on others."""
    longer = {"a1": 0.5, "b1": 2.0, "c2": 1.0, "d4": 2.0, "e8": 1.0}
    backends = tuple(replace(each, longer=longer[each.name]) for each in five())
    return Scenario("unlike lengths", backends, free(backends))


def speeds() -> Scenario:
    """Capacity is speed: all take eight at a time, and the largest one is eight times as fast."""
    backends = tuple(replace(each, machine=machine(CAPACITIES[each.name], batch=8)) for each in five())
    return Scenario("unlike speeds, one batch size", backends, free(backends))


def late() -> Scenario:
    """What engines and routers say arrives two periods late; one backend slows meanwhile."""
    return replace(slow(), name="reports 2 periods late, one slows 4×", report_delay=10.0, scrape_delay=10.0)


def lossy() -> Scenario:
    """A fifth of all scrapes and reports is lost; one backend slows meanwhile."""
    return replace(slow(4), name="20 % lost, one slows 4×", scrapes_lost=0.2, reports_lost=0.2)


def lying() -> Scenario:
    """One says all the time that it is idle, and counts nothing."""
    backends = tuple(replace(each, metrics="Zero") if each.name == "d4" else each for each in five())
    return Scenario("a metric that lies (always 0)", backends, free(backends))


def bursts() -> Scenario:
    """Ten seconds of five times the mean rate, every two minutes."""
    return replace(steady(0.5, 4), name="bursts of 5×", arrivals="Bursty")


def days() -> Scenario:
    """The rate swings by half, twice."""
    return replace(steady(0.6, 4), name="two days", arrivals="Diurnal")


CHAT_PROMPT = 2_000.0
KEPT = 2
"""Prompts that an engine keeps for each place in its batch."""


def chatting(scenario: Scenario) -> Scenario:
    """Long prompts that go on where the last one ended. As many conversations as the engines of the largest backend
    can keep, all together."""
    backends = tuple(
        replace(each, machine=each.machine._replace(cache=KEPT * CHAT_PROMPT * each.machine.batch))
        for each in scenario.backends
    )
    conversations = max(KEPT * each.machine.batch * each.endpoints for each in backends)
    return replace(scenario, backends=backends, prompt=CHAT_PROMPT, conversations=conversations)


def chats(affinity: int | None) -> Scenario:
    """Conversations at backends of four endpoints, each with a cache of its own."""
    backends = tuple(Backend(name, machine(each), endpoints=4) for name, each in (("large", 2), ("small", 1)))
    policies = tuple(replace(each, affinity=affinity) for each in free(backends, routers=4))
    by = "two random draws" if affinity is None else "affinity"
    return chatting(Scenario(f"conversations, {by}", backends, policies))


BEYOND: tuple[Callable[[], Scenario], ...] = (
    lambda: shared(1),
    lambda: shared(4),
    lambda: shared(16),
    sidecars,
    declared,
    declared_slow,
    provider,
    scaled_out,
    lengths,
    speeds,
    late,
    lossy,
    lying,
    bursts,
    days,
    lambda: chats(None),
    lambda: chats(125),
)
