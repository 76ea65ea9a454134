"""A body that the router takes says to it and to the engine what it says to everybody else."""

import json
import math
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.router.serving.admission import _read
from signalbox.router.wire.body import for_backend
from signalbox.router.wire.errors import Refusal
from signalbox.router.wire.weight import weight
from signalbox.routing.config import Backend
from signalbox.routing.untrusted import counted

BACKEND = Backend(name="b", model="real", authority="b")
SPACE = st.text(" \t\r\n", max_size=2)
NUMBERS = st.integers(-(10**40), 10**40).map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
NUMBERS |= st.sampled_from(["-0", "0.0", "-0.0", "1E5", "1e-400", "123456789012345678", "0.1e1", "1.0", "1e400", "NaN"])
ESCAPED = st.sampled_from([r"\u0041", r"\ud83d\ude00", r"\n", r"\/", r"\u0000", r"\ud800", r"\u00e9", "é", "👍"])
STRINGS = st.lists(
    ESCAPED | st.text(st.characters(exclude_characters='"\\', exclude_categories=["Cs"], min_codepoint=32), max_size=3),
    max_size=3,
)
STRINGS = STRINGS.map(lambda parts: '"' + "".join(parts) + '"')
KEYS = st.sampled_from(['"model"', r'"m\u006fdel"', '"stream"', '"messages"', '"x"', '"seed"', '"stream_options"'])


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects as text, keys twice and white space everywhere."""
    pairs = st.tuples(KEYS | STRINGS, SPACE, SPACE, values).map(lambda p: f"{p[1]}{p[0]}{p[2]}:{p[1]}{p[3]}")
    return st.lists(pairs, max_size=5).map(lambda all_of_them: "{" + ",".join(all_of_them) + "}")


VALUES = st.recursive(
    NUMBERS | STRINGS | st.sampled_from(["true", "false", "null"]),
    lambda inner: objects(inner) | st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=6,
)
TEXTS = objects(VALUES)


def standard(body: bytes) -> Any:
    """As Python's own parser has it. Raises ``ValueError``."""

    def never(word: str) -> Any:
        raise ValueError(word)

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if not all(whole(name) and whole(value) for name, value in found):
            raise ValueError("not for UTF-8 and doubles, though perhaps replaced by a later one")
        return dict(found)

    return json.loads(body.decode(), parse_constant=never, object_pairs_hook=pairs)


def whole(value: Any) -> bool:
    """Whether a value can be said in UTF-8 and in doubles."""
    if isinstance(value, dict):
        return all(map(whole, value)) and all(map(whole, value.values()))
    if isinstance(value, list):
        return all(map(whole, value))
    if isinstance(value, str):
        return not any("\ud800" <= each <= "\udfff" for each in value)
    return not isinstance(value, float) or math.isfinite(value)


@fuzzed(150)
@example(text='{"model":"a","model":"b"}', at=0, piece=b"", cut=0)
@given(text=TEXTS, at=st.integers(0, 200), piece=st.binary(max_size=2), cut=st.integers(0, 2))
def test_a_body_is_read_as_everybody_reads_it(text: str, at: int, piece: bytes, cut: int) -> None:
    body = text.encode()
    at = min(at, len(body))
    body = body[:at] + piece + body[at + cut :]
    try:
        read = _read(body)
    except Refusal as refusal:
        assert refusal.status == 400
        with pytest.raises((ValueError, AssertionError)):
            assert isinstance(standard(body), dict)
        return
    assert read == standard(body)


@fuzzed(100)
@given(text=TEXTS, stream=st.booleans())
def test_an_engine_gets_what_the_client_said(text: str, stream: bool) -> None:
    try:
        read = _read(text.encode())
    except Refusal:
        assume(False)
    sent = standard(for_backend(read, BACKEND, "chat", stream))
    expected = standard(text.encode())
    if stream:
        options = expected.get("stream_options")
        expected["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}
    assert sent == {**expected, "model": "real"}
    assert read == msgspec.json.decode(text)


@fuzzed(100)
@given(text=TEXTS)
def test_it_takes_no_more_memory_than_it_weighs(text: str) -> None:
    body = f'{{"x":[{",".join([text] * 100)}]}}'.encode()
    tracemalloc.start()
    try:
        data = _read(body)
        msgspec.json.encode(data)
        taken, _ = tracemalloc.get_traced_memory()
    except Refusal:
        assume(False)
    finally:
        tracemalloc.stop()
    assert taken <= len(body) + weight(data)


@fuzzed(100)
@given(text=TEXTS)
def test_its_lists_objects_and_texts_are_counted(text: str) -> None:
    everything = json.loads(text, object_pairs_hook=lambda pairs: [part for pair in pairs for part in pair])

    def begun(value: Any) -> int:
        return 1 + sum(map(begun, value)) if isinstance(value, list) else 0

    def texts(value: Any) -> int:
        return sum(map(texts, value)) if isinstance(value, list) else isinstance(value, str)

    def commas(value: Any) -> int:
        return sum(map(commas, value)) + max(0, len(value) - 1) if isinstance(value, list) else 0

    assert counted(text.encode())[:2] == (begun(everything), texts(everything))
    assert counted(text.encode()).commas == commas(
        json.loads(text, object_pairs_hook=lambda pairs: [v for _, v in pairs])
    )
