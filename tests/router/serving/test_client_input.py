"""Bodies, paths and methods that cannot be served: an error object with the right status, and nothing forwarded."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from harness import CHAT, Router, StartRouter, Upstream, backend, chat, config, policy, request
from signalbox.plan.expressions.check import Checker
from signalbox.routing.config import Route, Share, Weighted


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "invalid_json", id="nothing"),
        pytest.param(b"{", "invalid_json", id="cut"),
        pytest.param(b"hello", "invalid_json", id="not JSON"),
        pytest.param(b'{"model":"auto"} {}', "invalid_json", id="more than one value"),
        pytest.param(b'\xef\xbb\xbf{"model":"auto"}', "invalid_json", id="byte order mark"),
        pytest.param('{"model":"auto"}'.encode("utf-16"), "invalid_json", id="UTF-16"),
        pytest.param(b'{"model":"auto","x":"\xff"}', "invalid_json", id="invalid UTF-8"),
        pytest.param(b'{"model":"auto","x":"\xed\xa0\x80"}', "invalid_json", id="surrogate in UTF-8"),
        pytest.param(b'{"model":"auto","x":"\\ud800"}', "invalid_json", id="lone surrogate"),
        pytest.param(b'{"model":"auto","x":NaN}', "invalid_json", id="NaN"),
        pytest.param(b'{"model":"auto","x":1e999}', "invalid_json", id="infinite"),
        pytest.param(b"[" * 100_000, "invalid_json", id="deep nesting, open"),
        pytest.param(
            b'{"model":"auto","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "invalid_json", id="deep nesting"
        ),
        pytest.param(b"[]", "invalid_json", id="array"),
        pytest.param(b'"auto"', "invalid_json", id="string"),
        pytest.param(b"null", "invalid_json", id="null"),
        pytest.param(b"{}", "missing_model", id="no model"),
        pytest.param(b'{"model":""}', "missing_model", id="empty model"),
        pytest.param(b'{"model":7}', "missing_model", id="model of another type"),
        pytest.param(b'{"model":"auto","stream":"yes"}', "invalid_type", id="stream of another type"),
        pytest.param(b'{"model":"auto","stream":1}', "invalid_type", id="stream as a number"),
    ],
)
async def test_bodies_that_cannot_be_read(router: Router, upstream: Upstream, body: bytes, code: str) -> None:
    client = await router.connect()
    answer = await client.ask(request(body=body))
    assert (answer.status, answer.code) == (400, code)
    assert answer.header("content-type") == b"application/json"
    assert answer.json["error"].keys() == {"message", "type", "param", "code"}
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert not upstream.requests
    assert (await client.ask(request(body=chat()))).status == 200  # the framing was sound: the connection stays
    assert [entry.get("error") for entry in router.entries()] == [code, None]


async def test_unknown_models(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    answer = await client.ask(request(body=chat(model="gpt-9")))
    assert (answer.status, answer.code, answer.json["error"]["param"]) == (404, "model_not_found", "model")
    assert not upstream.requests


async def test_encoded_bodies(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    answer = await client.ask(request("POST", CHAT, "content-encoding: gzip", body=b"\x1f\x8b"))
    assert (answer.status, answer.code) == (415, "unsupported_encoding")
    assert (await client.ask(request("POST", CHAT, "content-encoding: identity", body=chat()))).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", CHAT, 405, b"POST"),
        ("DELETE", CHAT, 405, b"POST"),
        ("OPTIONS", CHAT, 405, b"POST"),
        ("POST", "/v1/models", 405, b"GET, HEAD"),
        ("GET", "/v1/models/unknown", 404, None),
        ("GET", "/v1/responses/resp_1", 404, None),
        ("DELETE", "/v1/responses/resp_1", 404, None),
        ("GET", "/", 404, None),
        ("POST", "/v1/chat/completions/", 404, None),
        ("POST", "/V1/chat/completions", 404, None),
        ("POST", "/v1/../v1/chat/completions", 404, None),
        ("POST", "//v1/chat/completions", 404, None),
        ("POST", "/v1/chat%2Fcompletions", 404, None),
        ("OPTIONS", "*", 404, None),
    ],
)
async def test_paths_and_methods(
    router: Router, upstream: Upstream, method: str, path: str, status: int, allow: bytes | None
) -> None:
    client = await router.connect()
    answer = await client.ask(request(method, path, body=chat() if method == "POST" else None))
    assert (answer.status, answer.header("allow")) == (status, allow)
    assert answer.json["error"]["message"]
    assert not upstream.requests
    assert (await client.ask(request(body=chat()))).status == 200


async def test_head_has_no_body(router: Router) -> None:
    client = await router.connect()
    await client.send(request("HEAD", "/v1/models") + request("HEAD", CHAT) + request("GET", "/v1/models"))
    for status in (200, 405):
        answer = await client.answer(head_only=True)
        assert answer.status == status
        assert int(answer.header("content-length") or 0) > 0
    assert (await client.answer()).json["data"][0]["id"] == "auto"


@pytest.mark.parametrize(
    "path", [CHAT + "?api-version=1", CHAT + "?", "http://router" + CHAT, "HTTPS://r" + CHAT + "?a"]
)
async def test_queries_and_absolute_targets(router: Router, upstream: Upstream, path: str) -> None:
    client = await router.connect()
    assert (await client.ask(request("POST", path, body=chat()))).status == 200
    assert upstream.requests[0].line == b"POST /v1/chat/completions HTTP/1.1"


async def test_models(router: Router) -> None:
    client = await router.connect()
    answer = await client.ask(request("GET", "/v1/models"))
    assert answer.json == {
        "object": "list",
        "data": [{"id": "auto", "object": "model", "created": 0, "owned_by": "signalbox"}],
    }
    assert answer.header("x-request-id")
    assert (await client.ask(request("GET", "/v1/models/auto"))).json["id"] == "auto"
    assert (await client.ask(request("GET", "/v1/models/a%75to"))).json["id"] == "auto"


async def test_before_the_first_configuration(start_router: StartRouter) -> None:
    router = await start_router()
    client = await router.connect()
    for data in (request(body=chat()), request("GET", "/v1/models")):
        answer = await client.ask(data)
        assert (answer.status, answer.code, answer.header("retry-after")) == (503, "not_ready", b"1")


async def test_numbers_pass_as_they_are(router: Router, upstream: Upstream) -> None:
    client = await router.connect()
    body = b'{"model":"auto","messages":[],"seed":123456789012345678901234567890,"temperature":0.1}'
    assert (await client.ask(request(body=body))).status == 200
    assert b"123456789012345678901234567890" in upstream.requests[0].body
    assert b'"temperature":0.1' in upstream.requests[0].body


CONDITIONS = [
    "query.text.contains('never') && query.chars > 1000",
    "query.hasCode && query.words > 1000",
    "conversation.turns > 1000 || conversation.tokens > 100000 || conversation.chars > 100000",
    "request.tools > 1000 || request.images > 1000",
    "request.max_tokens > 1000000000000",
    "request.temperature > 1000.0",
    "user.id == 'never'",
]


@pytest.fixture
async def strict(start_router: StartRouter, upstream: Upstream) -> Router:
    """A router that looks at everything of a request: requirements, and a condition of every kind of fact."""
    target = backend(
        upstream, context_window=1_000, features=("Tools", "Embeddings", "Vision", "JSONSchema", "LogProbs")
    )
    share = Weighted(targets=(Share(target="engine"),))
    check = Checker(["engine"]).check
    routes = [Route(name=f"route{at}", when=check(each), strategy=share) for at, each in enumerate(CONDITIONS)]
    routes.append(Route(name="default", strategy=share))
    return await start_router(config(policy(target, routes=tuple(routes)), target))


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "image_url", "function", "json_schema", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
FIELDS = ["messages", "input", "prompt", "instructions", "stream", "tools", "max_tokens", "stream_options", "user"]
FIELDS += ["response_format", "logprobs", "text", "previous_response_id", "metadata", "n", "max_output_tokens"]
PATHS = ["chat/completions", "completions", "embeddings", "responses"]


@fuzzed(150)
@given(path=st.sampled_from(PATHS), fields=st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5))
async def test_no_body_makes_the_router_fail(strict: Router, path: str, fields: dict[str, Any]) -> None:
    client = await strict.connect()
    answer = await client.ask(request("POST", f"/v1/{path}", body={"model": "auto", **fields}))
    assert answer.status in {200, 400, 502}, answer.body
    client.leave()


@pytest.mark.parametrize("depth", [10, 100, 300, 500, 700, 900, 990])
async def test_nesting_never_makes_the_router_fail(strict: Router, depth: int) -> None:
    for body in (
        b'{"model":"auto","messages":%b}' % (b"[" * depth + b"]" * depth),
        b'{"model":"auto","messages":[{"role":"user","content":%b}]}' % (b"[" * depth + b"]" * depth),
        b'{"model":"auto","input":%b}' % (b'{"content":' * depth + b"1" + b"}" * depth),
    ):
        for path in PATHS:
            client = await strict.connect()
            assert (await client.ask(request("POST", f"/v1/{path}", body=body))).status in {200, 400, 502}
            client.leave()
