"""What is read of unary answers: usage, cost, errors inside a 200; bodies for backends; encodings."""

import gzip
import zlib
from typing import Any

import msgspec
import pytest

from signalbox.router.wire import answers, body, encoding, usage
from signalbox.router.wire.encoding import EncodingError, decoder_for
from signalbox.router.wire.usage import Usage
from signalbox.routing.config import Backend, Pricing, RequestMapping

encode = msgspec.json.encode


def read(content: bytes) -> answers.Answer:
    """What is an answer."""
    answer = answers.read(content)
    assert answer is not None
    return answer


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}, Usage(5, 0, 3)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}, Usage(5, 4, 0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": None}}, Usage(5, 0, 0)),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, Usage(5, 0, 0)),
        ({"input_tokens": 5, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2}, Usage(5, 1, 2)),
        ({"prompt_tokens": 5.0, "completion_tokens": 3}, Usage(5, 0, 3)),
        ({"prompt_tokens": "many", "completion_tokens": 3}, Usage(0, 0, 3)),
        ({"prompt_tokens": -1, "completion_tokens": 3}, Usage(0, 0, 3)),
        ({}, Usage(0, 0, 0)),
    ],
)
def test_usage_in_all_its_forms(value: dict[str, Any], expected: Usage) -> None:
    assert read(encode({"id": "x", "choices": [], "usage": value})).usage == expected
    assert usage.of(value) == expected
    tail = b'0.25]}], "usage": ' + encode(value) + b"}"
    assert usage.of_tail(tail) == expected


@pytest.mark.parametrize("number", ["100000001", "18446744073709551616", "9" * 37, "1e300"])
def test_counts_that_no_answer_has_are_none(number: str) -> None:
    value = b'{"prompt_tokens": %b, "completion_tokens": 3}' % number.encode()
    assert read(b'{"usage": %b}' % value).usage == Usage(0, 0, 3)
    assert usage.of(msgspec.json.decode(value)) == Usage(0, 0, 3)
    assert usage.of_tail(b'"usage": %b}' % value) == Usage(0, 0, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[1]",
        b"null",
        b"\xff",
        b'{"choices": [],',
        b'{"choices": [{"message": {"content": "\xff"}}]}',
        b'{"error": ' + b"[" * 100_000,
    ],
)
def test_what_is_no_json_object_is_no_answer(content: bytes) -> None:
    assert answers.read(content) is None


def test_an_answer_without_usage_has_none() -> None:
    assert read(b'{"id": "x", "choices": [], "usage": null}').usage is None
    assert usage.of_tail(b'"usage": {"prompt_tokens": 1') is None
    assert usage.of_tail(b'"usage": {nonsense}') is None
    assert usage.of_tail(b'"usage": {"a":' + b"[" * 1500 + b"]" * 1500 + b"}") is None
    assert usage.of_tail(b'"usage": {"half of a character": "\xc3"}') is None


@pytest.mark.parametrize(
    "content",
    [
        {"error": {"message": "no", "code": 500}},
        {"error": "no"},
        {"object": "error", "message": "no", "code": 500},
        {"id": 3, "error": {"code": 500}},
        {"object": "response", "status": "failed", "error": {"code": "server_error"}},
    ],
)
def test_an_error_in_an_answer_is_one_whatever_the_status_says(content: dict[str, Any]) -> None:
    assert read(encode(content)).error


@pytest.mark.parametrize(
    "content",
    [
        {"choices": [{"message": {}}], "error": None},
        {"choices": [{"message": {}}], "error": {}},
        {"object": "response", "error": None},
        {"id": 3, "choices": []},
        {},
    ],
)
def test_other_answers_are_none(content: dict[str, Any]) -> None:
    assert read(encode(content)).error is None


def test_cost_counts_cached_tokens_at_their_price() -> None:
    prices = Pricing(input=50_000, output=80_000, cached_input=10_000)
    assert usage.cost(Usage(10, 4, 5), prices) == 6 * 50_000 + 4 * 10_000 + 5 * 80_000
    assert usage.cost(Usage(10, 4, 5), Pricing(input=50_000, output=0)) == 10 * 50_000
    assert usage.cost(Usage(10, 40, 0), Pricing(input=3, cached_input=1)) == 10
    assert usage.cost(Usage(10, 4, 5), None) == 0


def backend(**mapping: Any) -> Backend:
    return Backend(name="b", model="real", authority="b", request=RequestMapping(**mapping))


def test_a_body_gets_the_model_and_the_names_of_its_backend() -> None:
    data = {"model": "auto", "max_tokens": 5, "top_k": 3, "seed": 1}
    sent = msgspec.json.decode(
        body.for_backend(
            data, backend(rename={"max_tokens": "max_completion_tokens"}, remove=("top_k",)), "chat", False
        )
    )
    assert sent == {"model": "real", "seed": 1, "max_completion_tokens": 5}
    assert data == {"model": "auto", "max_tokens": 5, "top_k": 3, "seed": 1}


@pytest.mark.parametrize(
    ("operation", "stream", "options", "sent"),
    [
        ("chat", True, None, {"include_usage": True}),
        ("completions", True, {"include_usage": False}, {"include_usage": True}),
        ("chat", True, {"include_obfuscation": False}, {"include_obfuscation": False, "include_usage": True}),
        ("chat", False, None, None),
        ("responses", True, None, None),
    ],
)
def test_usage_is_asked_for_in_streams(operation: str, stream: bool, options: Any, sent: Any) -> None:
    data = {"model": "auto", "stream": stream, "stream_options": options}
    assert msgspec.json.decode(body.for_backend(data, backend(), operation, stream)).get("stream_options") == sent


def test_who_wants_usage() -> None:
    assert body.wants_usage({"stream_options": {"include_usage": True}})
    assert not body.wants_usage({"stream_options": {"include_usage": False}})
    assert not body.wants_usage({"stream_options": None})
    assert not body.wants_usage({})


@pytest.mark.parametrize("step", [1, 7, 10_000])
@pytest.mark.parametrize(
    ("name", "pack"), [(b"gzip", gzip.compress), (b" X-GZIP", gzip.compress), (b"deflate", zlib.compress)]
)
def test_an_encoded_answer_is_decoded_piece_by_piece(name: bytes, pack: Any, step: int) -> None:
    text = b"an answer " * 100
    packed = pack(text)
    decoder = decoder_for(name)
    assert decoder is not None
    starts = range(0, len(packed), step)
    assert b"".join(decoder.decode(packed[at : at + step], at == starts[-1]) for at in starts) == text


def test_decoding_has_its_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "MAX_DECODED_BYTES", 1000)
    exact = decoder_for(b"gzip")
    assert exact is not None
    assert exact.decode(gzip.compress(bytes(1000)), True) == bytes(1000)
    for content, last in ((gzip.compress(bytes(1001)), True), (b"no gzip", False), (gzip.compress(b"x")[:-1], True)):
        decoder = decoder_for(b"gzip")
        assert decoder is not None
        with pytest.raises(EncodingError):
            decoder.decode(content, last)
    with pytest.raises(EncodingError):
        decoder_for(b"br")
    assert decoder_for(b"identity") is None
