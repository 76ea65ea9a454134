"""What holds of the law whatever engines and routers say, and whatever they do not say."""

import math
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from signalbox.feedback.backends import Sight
from signalbox.feedback.law import State, step
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.feedback.traffic import Traffic
from signalbox.feedback.weights import FLOOR

PERIOD, STEPS, SILENT = 5.0, 10, 40
KEYS = [SetKey(f"policy{number}", "route") for number in range(4)]


def backend(name: str, chance: random.Random) -> Backend:
    return Backend(
        name=name,
        model=chance.choice("xy"),
        engine=chance.choice(("VLLM", "VLLM", "None")),
        endpoints=tuple("ef"[: chance.choice((0, 1, 1, 2))]),
        concurrency=chance.choice((None, 8)),
        tokens_per_second=chance.choice((None, None, 100.0)),
        max_in_flight=chance.choice((None, 10)),
        tokens_per_minute=chance.choice((None, 6000)),
    )


def sight(of: Backend, now: float, number: int, chance: random.Random) -> Sight:
    """Numbers that do not fit each other, samples that come late or not at all, engines that begin anew."""
    readings = {
        key: Reading(
            at=now - chance.choice((0.0, 0.0, 4.0)),
            running=chance.choice((None, 0, 3, 8, 200)),
            waiting=chance.choice((0, 5, 500)),
            kv_usage=chance.choice((None, 0.1, 1.0)),
            generated=chance.choice((0, 50, 5000)) * number,
            finished=chance.choice((0, 1, 50)) * number,
        )
        for key in of.endpoints
        if chance.random() < 0.7
    }
    sent = 10 * number
    traffic = Traffic(at=now, started=sent, completed=sent, busy=chance.choice((0, number)), output_tokens=100 * sent)
    return Sight(readings=readings, traffic=traffic, reachable=chance.random() < 0.9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_whatever_engines_and_routers_say(seed: int, declared: bool) -> None:
    """Weights sum to one, nobody usable falls below its floor and nobody else has any; the order of targets means
    nothing, policies that share backends behave as one, and in silence all go back to the base."""
    chance = random.Random(seed)
    backends = {name: backend(name, chance) for name in "abcd"[: chance.randint(1, 4)]}
    shares = tuple(Share(name, name, chance.randint(1, 9) if declared else None) for name in backends)
    alone = Plan(backends=backends, sets={KEYS[0]: TargetSet(shares=shares)})
    together = Plan(backends=backends, sets=dict.fromkeys(KEYS, TargetSet(shares=shares)))
    turned = Plan(backends=dict(reversed(backends.items())), sets={KEYS[0]: TargetSet(shares=shares[::-1])})
    states = [State()] * 3
    for number in range(STEPS + SILENT):
        now = number * PERIOD
        sights = {n: sight(b, now, number, chance) for n, b in backends.items()} if number < STEPS else {}
        outcomes = [step(s, p, sights, now) for s, p in zip(states, (alone, together, turned), strict=True)]
        states = [outcome.state for outcome in outcomes]
        one, many, other = outcomes
        found = {weight.target: weight for weight in one.weights[KEYS[0]]}
        usable = {name for name in backends if one.loads[name].usable}
        assert math.isclose(sum(weight.effective for weight in found.values()), 1.0 if usable else 0.0)
        for name, weight in found.items():
            assert math.isfinite(weight.base)
            assert (weight.effective > 0.0) == (name in usable)
            if name in usable and not declared:
                assert weight.effective >= 0.97 * FLOOR * weight.base
        assert all(many.weights[key] == one.weights[KEYS[0]] for key in KEYS)
        for weight in other.weights[KEYS[0]]:
            assert math.isclose(weight.effective, found[weight.target].effective, rel_tol=1e-6, abs_tol=1e-9)
    base = sum(found[name].base for name in usable)
    assert all(math.isclose(found[name].effective, found[name].base / base, rel_tol=0.01) for name in usable)
