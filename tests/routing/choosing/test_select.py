"""``select``: the label's target, then ``otherwise``, then the others as listed."""

import random

import pytest
from choosing.deciding import facts_of, says
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing import config
from signalbox.routing.strategies import Choice, compile_strategy

POSITIONS = {"other": 0, "coder": 1, "general": 2, "writer": 3}
KIND = config.Select(
    by="kind",
    targets=(config.Labelled(label="code", target="coder"), config.Labelled(label="prose", target="writer")),
    otherwise="general",
)


def choice_for(strategy: config.Select, label: str) -> Choice:
    compiled = compile_strategy(strategy, POSITIONS, random.Random(1))
    return compiled.for_(facts_of(judges={"kind": says(label)}))


def order(choice: Choice, usable: int = 0b1111) -> list[int]:
    found = []
    position = choice.first(usable)
    while position >= 0:
        found.append(position)
        usable &= ~(1 << position)
        position = choice.next(usable)
    return found


@pytest.mark.parametrize(
    ("label", "expected"), [("code", [1, 2, 3]), ("prose", [3, 2, 1]), ("chat", [2, 1, 3]), ("", [2, 1, 3])]
)
def test_the_target_of_the_label_then_otherwise_then_the_others(label: str, expected: list[int]) -> None:
    choice = choice_for(KIND, label)
    assert order(choice) == expected
    assert choice.mask == 0b1110
    assert not choice.by_load


def test_without_otherwise_the_first_listed_serves_what_has_no_target() -> None:
    strategy = config.Select(by="kind", targets=KIND.targets)
    assert order(choice_for(strategy, "chat")) == [1, 3]
    assert order(choice_for(strategy, "prose")) == [3, 1]


@given(st.integers(0, 15), st.sampled_from(["code", "prose", "chat"]))
def test_only_usable_targets_each_once(usable: int, label: str) -> None:
    found = order(choice_for(KIND, label), usable)
    assert sum(1 << position for position in found) == usable & 0b1110


def test_an_unknown_target_is_an_error() -> None:
    with pytest.raises(KeyError, match="nowhere"):
        compile_strategy(config.Select(by="kind", targets=(), otherwise="nowhere"), POSITIONS, random.Random(1))
