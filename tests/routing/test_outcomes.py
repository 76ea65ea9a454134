"""What an answer means, in the forms that real engines and providers use."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalbox.routing.outcomes import MAX_RETRY_AFTER, Outcome, of_error, of_status, retry_after

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "code", "type", "message", "status", "x"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.SUCCESS) for status in (200, 201, 204)),
        *((status, Outcome.FAILURE) for status in (408, 500, 502, 503, 504, 520, 524, 529)),
        (429, Outcome.BUSY),
        *((status, Outcome.MISCONFIGURED) for status in (301, 302, 308, 401, 403, 404)),
        *((status, Outcome.CLIENT) for status in (400, 402, 405, 409, 413, 415, 422, 451, 501)),
    ],
)
def test_statuses(status: int, outcome: Outcome) -> None:
    assert of_status(status) is outcome


@pytest.mark.parametrize(
    "body",
    [
        b'{"error":{"message":"too long","type":"invalid_request_error","code":"context_length_exceeded"}}',
        b'{"error":{"message":"This model\'s maximum context length is 4096 tokens. However, you requested 5000",'
        b'"type":"BadRequestError","param":null,"code":400}}',
        b'{"object":"error","message":"The decoder prompt (length 5000) is longer than the maximum model length of '
        b'2048.","type":"BadRequestError","code":400}',
        b'{"error":{"code":400,"message":"the request exceeds the available context size","type":'
        b'"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}',
        b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens"}}',
        b'{"error":{"message":"Your input exceeds the context window of this model.","type":"invalid_request_error"}}',
    ],
)
def test_a_prompt_that_is_too_long_is_told_apart(body: bytes) -> None:
    assert of_status(400, body) is Outcome.CONTEXT_LENGTH
    assert of_status(500, body) is Outcome.FAILURE


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no json",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"error":null}',
        b'{"error":{"message":5}}',
        b"[" * 5000,
        b'{"error":{"message":"missing field"}}',
        b'{"message":"context length' + b" " * 100_000 + b'"}',
    ],
)
def test_any_other_body_of_a_400_is_the_clients(body: bytes) -> None:
    assert of_status(400, body) is Outcome.CLIENT


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"object": "error", "message": "", "type": "InternalServerError", "code": 503}, Outcome.FAILURE),
        ({"message": "EngineCore died", "type": "InternalServerError", "param": None, "code": 500}, Outcome.FAILURE),
        ({"message": "bad", "type": "BadRequestError", "code": 400}, Outcome.CLIENT),
        ({"message": "maximum context length is 5", "type": "BadRequestError", "code": 400}, Outcome.CONTEXT_LENGTH),
        ({"message": "slow down", "code": "rate_limit_exceeded", "type": "requests"}, Outcome.BUSY),
        ({"message": "slow down", "code": None, "type": "rate_limit_error"}, Outcome.BUSY),
        ({"message": "slow down", "code": "429"}, Outcome.BUSY),
        ({"type": "overloaded_error", "message": "Overloaded"}, Outcome.FAILURE),
        ({"type": "error", "error": {"type": "api_error", "message": "x"}}, Outcome.FAILURE),
        ({"type": "error", "code": "server_error", "message": "x"}, Outcome.FAILURE),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, Outcome.CONTEXT_LENGTH),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, Outcome.MISCONFIGURED),
        ({"code": "model_not_found", "type": "invalid_request_error"}, Outcome.MISCONFIGURED),
        ({"code": None, "type": "invalid_request_error", "message": "no"}, Outcome.CLIENT),
        ({"code": 401}, Outcome.MISCONFIGURED),
        ({"code": 529.5}, Outcome.FAILURE),
        ({"code": True}, Outcome.FAILURE),
        ({"code": 200}, Outcome.FAILURE),
        ({"status": 503}, Outcome.FAILURE),
        ({}, Outcome.FAILURE),
        ("boom", Outcome.FAILURE),
        ("rate_limit_exceeded", Outcome.BUSY),
        ("input is longer than the model's context length", Outcome.CONTEXT_LENGTH),
        (None, Outcome.FAILURE),
        (429, Outcome.BUSY),
        ([], Outcome.FAILURE),
    ],
)
def test_errors_inside_streams(error: object, outcome: Outcome) -> None:
    assert of_error(error) is outcome


@given(JSON)
def test_an_error_is_never_a_success_and_never_raises(error: object) -> None:
    assert of_error(error) is not Outcome.SUCCESS


@given(st.integers(100, 999), st.binary(max_size=200))
def test_any_status_and_body_has_an_outcome(status: int, body: bytes) -> None:
    assert (of_status(status, body) is Outcome.SUCCESS) == (200 <= status < 300)


WALL = 784111777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"7", 7.0),
        (b" 0 ", 0.0),
        (b"1.5", 1.5),
        (b"86400", MAX_RETRY_AFTER),
        (b"9" * 400, MAX_RETRY_AFTER),
        (b"Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        (b"Sun, 06 Nov 1994 08:00:00 GMT", 0.0),
        (b"Fri, 06 Nov 2099 08:00:00 GMT", MAX_RETRY_AFTER),
        (None, None),
        (b"", None),
        (b"-5", None),
        (b"soon", None),
        (b"nan", None),
        (b"\xb2", None),
        (b"Sun, 99 Nov 1994 08:50:07 GMT", None),
    ],
)
def test_retry_after(value: bytes | None, seconds: float | None) -> None:
    assert retry_after(value, WALL) == seconds


@given(st.binary(max_size=60))
def test_no_header_breaks_retry_after(value: bytes) -> None:
    seconds = retry_after(value, WALL)
    assert seconds is None or 0.0 <= seconds <= MAX_RETRY_AFTER
