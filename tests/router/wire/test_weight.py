"""What bodies take in memory is known before they are kept."""

import tracemalloc

import msgspec
import pytest

from signalbox.router.wire.weight import weight

SIZE = 60_000


def many(piece: str) -> bytes:
    """An object of about so many bytes that holds this again and again."""
    encoded = piece.encode()
    return b'{"model":"auto","x":[%b]}' % b",".join([encoded] * (SIZE // (len(encoded) + 1)))


def members(name: str, value: str) -> bytes:
    one = f'"{name}":{value}'.encode()
    return b"{%b}" % b",".join(one.replace(b"#", b"%d" % number) for number in range(SIZE // (len(one) + 5)))


BODIES = {
    "empty lists": many("[]"),
    "empty objects": many("{}"),
    "lists of one": many("[0]"),
    "lists of five": many("[0,0,0,0,0]"),
    "lists of lists": many("[" * 500 + "]" * 500),
    "lists in objects": many('{"":[]}'),
    "objects of one": many('{"":0}'),
    "objects of six": many('{"a":0,"b":0,"c":0,"d":0,"e":0,"f":0}'),
    "objects of eleven": many("{" + ",".join(f'"{name}":0' for name in "abcdefghijk") + "}"),
    "one object": members("#", "0"),
    "one object of lists": members("#", "[]"),
    "long names": members("x" * 40 + "#", "0"),
    "wide names": members("😀#", "0"),
    "numbers": many("1"),
    "larger numbers": many("300"),
    "huge numbers": many("9" * 60),
    "floats": many("1e1"),
    "short strings": many('"ab"'),
    "Latin strings": many('"éé"'),
    "wide strings": many('"āb"'),
    "wider strings": many('"😀"'),
    "escaped strings": many(r'"\u0101\u0101"'),
    "words": many("true"),
    "prose": msgspec.json.encode({"model": "auto", "messages": [{"role": "user", "content": "a b, " * (SIZE // 5)}]}),
    "prose that one character makes wide": msgspec.json.encode({"model": "auto", "prompt": "😀" + "a" * SIZE}),
    "escaped prose": b'{"model":"auto","prompt":"%b"}' % (rb"\ud83d\ude00" + b"a" * SIZE),
    "Chinese prose": msgspec.json.encode({"model": "auto", "prompt": "你好" * (SIZE // 6)}),
}

TEXTS = ["a, b, [", '{"a": ["b", {}]}, ', "1,2,3\n", '"', "\\"]


def taken(body: bytes) -> int:
    """Bytes that are allocated for a body, decoded and sent on: strings remember how they were encoded."""
    tracemalloc.start()
    try:
        data = msgspec.json.decode(body)
        msgspec.json.encode(data)
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BODIES)
def test_no_body_takes_more_than_it_weighs(name: str) -> None:
    body = BODIES[name]
    beyond = weight(msgspec.json.decode(body))
    print(f"{name}: takes {taken(body) / len(body):.1f}, weighs {1 + beyond / len(body):.1f} of its size")
    assert taken(body) <= len(body) + beyond


@pytest.mark.parametrize("text", TEXTS)
def test_what_is_inside_of_a_text_weighs_nothing(text: str) -> None:
    assert weight({"model": "auto", "messages": [{"role": "user", "content": text * (SIZE // len(text))}]}) < 2_000
