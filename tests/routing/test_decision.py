"""Routes are tried in order; what their conditions look for in the query is looked for together."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.plan.expressions.check import Checker
from signalbox.routing import config
from signalbox.routing.decision import CompiledPolicy
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.features import Facts

WORDS = ["alpha", "beta", "gamma"]
CONDITIONS = [f'query.text.matches("(?i)\\\\b{word}\\\\b")' for word in WORDS]
REST = "rest"


def policy(*conditions: str) -> CompiledPolicy:
    weighted = config.Weighted(targets=(config.Share(target="a"),))
    checker = Checker(["a"])
    routes = [config.Route(name=when, strategy=weighted, when=checker.check(when)) for when in conditions]
    made = config.Policy(
        name="p",
        models=("auto",),
        access=config.Access(anonymous=True),
        targets=(config.Target(name="a", backend="a"),),
        routes=(*routes, config.Route(name=REST, strategy=weighted)),
    )
    return CompiledPolicy(made, random.Random(1))


def facts_of(text: str) -> Facts:
    return Facts("chat", {"messages": [{"role": "user", "content": text}]}, {}, "", "", {})


def refuse(route: str, error: EvaluationError) -> None:
    raise AssertionError(f"{route}: {error}")


def found(by: CompiledPolicy, facts: Facts) -> str:
    route = by.match(facts, refuse)
    assert route is not None
    return route.name


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("say Beta", CONDITIONS[1]),
        ("gamma beta", CONDITIONS[1]),
        ("GAMMA", CONDITIONS[2]),
        ("alphabet", REST),
        ("", REST),
    ],
)
def test_the_first_pattern_that_is_there_decides(text: str, first: str) -> None:
    assert found(policy(*CONDITIONS), facts_of(text)) == first


@fuzzed(100)
@given(
    text=st.lists(st.sampled_from([*WORDS, "Alpha", "delta", "\n"]), max_size=4).map(" ".join),
    conditions=st.lists(
        st.sampled_from([*CONDITIONS, f"!({CONDITIONS[0]})", f"{CONDITIONS[1]} || {CONDITIONS[2]}", "query.chars > 8"]),
        unique=True,
        max_size=5,
    ),
)
def test_looking_for_all_at_once_decides_as_one_by_one(text: str, conditions: list[str]) -> None:
    alone = next((when for when in conditions if found(policy(when), facts_of(text)) == when), REST)
    assert found(policy(*conditions), facts_of(text)) == alone


def test_the_patterns_of_a_policy_are_joined() -> None:
    joined = policy(*CONDITIONS)._joined
    assert joined is not None
    assert joined.sources == {rf"(?i)\b{word}\b" for word in WORDS}


def test_a_request_may_be_decided_by_one_policy_after_the_other() -> None:
    facts = facts_of("gamma")
    one, other, none = policy(*CONDITIONS[:2]), policy(*CONDITIONS[1:]), policy(CONDITIONS[2])
    for _ in range(2):
        assert found(one, facts) == REST
        assert found(none, facts) == CONDITIONS[2]
        assert found(other, facts) == CONDITIONS[2]
