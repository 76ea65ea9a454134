"""What others wrote is counted before it is decoded."""

import tracemalloc

import msgspec
import pytest

from signalbox.routing.untrusted import (
    MAX_CONTAINERS,
    MAX_PLACES,
    MAX_TEXTS,
    Texts,
    Unreadable,
    counted,
    decode,
    has_too_many,
    value_of,
)

MANY = "[%s[]]" % ("[]," * MAX_CONTAINERS)
TEXTS = ["a, b, [", '{"a": ["b", {}]}, ', "1,2,3\n", '"', "\\"]


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_inside_of_a_text_is_not_counted(text: str) -> None:
    asked = {"model": "auto", "messages": text * (3 * MAX_CONTAINERS // len(text))}
    assert not has_too_many(msgspec.json.encode(asked))


TRICKY = ['"[[["', r'"\""', r'"\\"', r'"\\\"["', r'"\\\\","["', '"\\u005b"']


@pytest.mark.parametrize("one", ["[]", '["[["]', '{"[":"\\""}'])
def test_lists_and_objects_are_counted_outside_of_strings(one: str) -> None:
    most = MAX_CONTAINERS - 2  # beside the body itself and the list that holds them
    for count, many in ((most, False), (most + 1, True)):
        body = f'{{"x":[{",".join(TRICKY + [one] * count)}]}}'.encode()
        assert has_too_many(body) == has_too_many(bytearray(body)) == many
    msgspec.json.decode(body)


@pytest.mark.parametrize("one", ['""', '"ab"', r'"\""', '"["'])
def test_texts_are_counted(one: str) -> None:
    most = MAX_TEXTS - 1  # beside the name of the list
    for count, many in ((most, False), (most + 1, True)):
        body = f'{{"x":[{",".join([one] * count)}]}}'
        assert counted(body) == (2, count + 1, count - 1)
        assert has_too_many(body) == has_too_many(body.encode()) == many


@pytest.mark.parametrize("one", ["1", "-9", "null", '{"a":1}', "[]", '",,"'])
def test_places_are_counted(one: str) -> None:
    few = [one] * 100
    for count, many in ((MAX_PLACES + 1, False), (MAX_PLACES + 2, True)):
        body = f"[{','.join([*few, *['1'] * (count - len(few))])}]"
        assert counted(body).commas == count - 1
        assert has_too_many(body) == has_too_many(body.encode()) == many


def test_a_body_that_breaks_off_is_counted_up_to_there() -> None:
    body = b'{"x":[' + b"[]," * (MAX_CONTAINERS + 1)
    for end in (b'"', b'"\\', b'\\"', b"]}]"):
        assert has_too_many(body + end)


@pytest.mark.parametrize("text", ["", "[", "{1}", "\ud800", "[" * 100_000, MANY, b"\xff", b'"\xff"', MANY.encode()])
def test_what_cannot_be_read_is_said_in_one_way(text: bytes | str) -> None:
    assert value_of(text) is None
    with pytest.raises(Unreadable):
        decode(text)


@pytest.mark.parametrize("text", ['{"a": [1, "b"]}', b'{"a": [1, "b"]}', bytearray(b'{"a": [1, "b"]}')])
def test_what_can_is_decoded(text: bytes | str) -> None:
    assert decode(text) == value_of(text) == {"a": [1, "b"]}


def test_texts_of_one_body_hold_no_more_than_a_body() -> None:
    tenth = "[%s[]]" % ("[]," * (MAX_CONTAINERS // 10 - 2))
    words = '"%s"' % ("[" * MAX_CONTAINERS)
    texts = Texts()
    for _ in range(10):
        assert texts.value_of(words) is not None
        assert texts.value_of(tenth) is not None
        assert texts.value_of(MANY) is None  # and takes nothing from those behind it
    assert texts.value_of("[]") is None
    short = "[%s1]" % ('"ab",' * (MAX_TEXTS // 2))
    texts = Texts()
    assert texts.value_of(short) is not None
    assert texts.value_of(short) is not None
    assert texts.value_of('["a"]') is None
    assert texts.value_of("[]") == []


@pytest.mark.parametrize(
    "text",
    [
        b'["%b"%b]' % (b"[" * (MAX_CONTAINERS + 2), b',"ab"' * 400_000),
        b"[[]%b]" % (b',"[["' * 400_000),
        b'["%b"]' % (rb"\"[" * 600_000),
    ],
    ids=["brackets in one text", "in many", "behind quotes"],
)
def test_counting_takes_no_more_than_the_text(text: bytes) -> None:
    tracemalloc.start()
    try:
        found = counted(text).containers
        assert tracemalloc.get_traced_memory()[1] < 40 * MAX_CONTAINERS + 3 * len(text)
    finally:
        tracemalloc.stop()
    assert found == 1 + text.startswith(b"[[")
