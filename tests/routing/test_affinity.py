"""Affinity: who begins alike goes to one endpoint, as long as that has room."""

import subprocess
import sys
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.affinity import choose, key_of, seed_of
from signalbox.routing.config import Affinity

PREFIX, SESSION = Affinity(key="Prefix"), Affinity(key="Session")


class Engine(msgspec.Struct):
    seed: int
    in_flight: int = 0


def engines(count: int, *in_flight: int) -> list[Engine]:
    found = [Engine(seed_of(f"10.0.0.{number}:8000")) for number in range(count)]
    for engine, busy in zip(found, in_flight, strict=False):
        engine.in_flight = busy
    return found


KEYS = st.text(max_size=8).map(seed_of)
LOADS = st.lists(st.integers(0, 50), min_size=1, max_size=12)


@given(KEYS, LOADS, st.integers(100, 400))
def test_nobody_takes_more_than_its_bound(key: int, loads: list[int], percent: int) -> None:
    found = engines(len(loads), *loads)
    chosen = choose(key, found, percent)
    mean = (sum(loads) + 1) / len(loads)
    assert chosen.in_flight + 1 < percent / 100 * mean + 1


@given(KEYS, st.integers(1, 12), st.randoms())
def test_the_order_of_endpoints_means_nothing(key: int, count: int, random: Any) -> None:
    found = engines(count)
    mixed = random.sample(found, count)
    assert choose(key, found, 125) is choose(key, mixed, 125)


@given(KEYS, st.integers(2, 12), st.data())
def test_who_leaves_moves_only_what_was_its_own(key: int, count: int, data: st.DataObject) -> None:
    found = engines(count)
    gone = data.draw(st.sampled_from(found))
    before = choose(key, found, 125)
    after = choose(key, [engine for engine in found if engine is not gone], 125)
    assert before is gone or before is after


@given(KEYS, st.integers(2, 8))
def test_the_next_in_rank_takes_what_the_first_cannot(key: int, count: int) -> None:
    """The same one each time, so that it soon has the prefix too."""
    found = engines(count)
    first = choose(key, found, 125)
    first.in_flight = 10
    second = choose(key, found, 125)
    assert second is choose(key, [engine for engine in found if engine is not first], 125)


def test_keys_are_spread_evenly() -> None:
    found = engines(5)
    counts = Counter(choose(seed_of(f"key {number}"), found, 125).seed for number in range(10_000))
    assert all(1850 <= counts[engine.seed] <= 2150 for engine in found)  # within 3.5 standard deviations


def test_every_process_chooses_alike() -> None:
    program = (
        "from signalbox.routing.affinity import *\n"
        "class E:\n  in_flight = 0\n  def __init__(self, n): self.n, self.seed = n, seed_of(n)\n"
        "print([choose(seed_of(f'k{i}'), [E(f'e{j}') for j in range(7)], 125).n for i in range(50)])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1


def chat(*turns: str, system: str = "You are kind.", **fields: Any) -> dict[str, Any]:
    roles = ("user", "assistant")
    messages = [{"role": roles[number % 2], "content": text} for number, text in enumerate(turns)]
    return {"messages": [{"role": "system", "content": system}, *messages], **fields}


def test_a_conversation_keeps_its_prefix() -> None:
    first = key_of(PREFIX, "chat", chat("hello"), {})
    assert first is not None
    assert first == key_of(PREFIX, "chat", chat("hello", "hi", "what is new?"), {})
    assert first != key_of(PREFIX, "chat", chat("bye"), {})
    assert first != key_of(PREFIX, "chat", chat("hello", system="You are curt."), {})
    parts = [{"type": "text", "text": "hello"}]
    in_parts = {"messages": [{"role": "system", "content": "You are kind."}, {"role": "user", "content": parts}]}
    assert first == key_of(PREFIX, "chat", in_parts, {})


def test_prompts_of_other_operations() -> None:
    long = "x" * 2000
    assert key_of(PREFIX, "completions", {"prompt": long}, {}) == key_of(
        PREFIX, "completions", {"prompt": long + "y"}, {}
    )
    assert key_of(PREFIX, "completions", {"prompt": "a"}, {}) != key_of(PREFIX, "completions", {"prompt": "b"}, {})
    numbers = list(range(300))
    of_numbers = key_of(PREFIX, "completions", {"prompt": numbers}, {})
    assert of_numbers is not None
    assert of_numbers == key_of(PREFIX, "completions", {"prompt": [*numbers, 7]}, {})
    assert of_numbers != key_of(PREFIX, "completions", {"prompt": [9, *numbers]}, {})
    responses = {"instructions": "Be kind.", "input": "hello"}
    assert key_of(PREFIX, "responses", responses, {}) != key_of(PREFIX, "responses", {"input": "hello"}, {})
    turns = {"input": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
    assert key_of(PREFIX, "responses", turns, {}) == key_of(PREFIX, "responses", {"input": "hello"}, {})


def test_a_session_is_told_by_the_first_that_there_is() -> None:
    by_header = key_of(SESSION, "chat", chat("a", user="u"), {b"x-session-id": b"s"})
    assert by_header == key_of(SESSION, "chat", chat("b", prompt_cache_key="k"), {b"x-session-id": b"s"})
    by_cache = key_of(SESSION, "chat", chat("a", prompt_cache_key="k", user="u"), {})
    assert by_cache == key_of(SESSION, "chat", chat("b", prompt_cache_key="k"), {})
    by_user = key_of(SESSION, "chat", chat("a", user="u"), {})
    assert len({by_header, by_cache, by_user, None}) == 4
    assert key_of(SESSION, "chat", chat("a"), {}) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("messages", "input", "prompt", "user", "prompt_cache_key", "instructions"), JSON),
)


@pytest.mark.parametrize("operation", ["chat", "completions", "embeddings", "responses"])
@pytest.mark.parametrize("affinity", [PREFIX, SESSION])
@given(body=BODIES)
def test_whatever_the_body_is_there_is_a_key_or_none(affinity: Affinity, operation: str, body: dict[str, Any]) -> None:
    key = key_of(affinity, operation, body, {})
    assert key is None or 0 <= key < 2**64
