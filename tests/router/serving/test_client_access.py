"""Keys and tenants: who is let in, when, and what of it anybody else can see."""

import pytest

from harness import (
    CHAT,
    Router,
    StartRouter,
    Upstream,
    backend,
    chat,
    config,
    policy,
    request,
    tenant,
)
from signalbox.routing.config import Access

KEY_A, KEY_B = "key-of-team-a-0123456789", "key-of-team-b-0123456789"


def bearer(key: str) -> str:
    return f"authorization: Bearer {key}"


@pytest.fixture
async def closed(start_router: StartRouter, upstream: Upstream) -> Router:
    """Two policies, a tenant each; nobody else may enter."""
    target = backend(upstream)
    team_a, secrets_a = tenant("team-a", KEY_A, "another-key-0123456789", policy_name="first")
    team_b, secrets_b = tenant("team-b", KEY_B, policy_name="second")
    return await start_router(
        config(
            [
                policy(target, name="first", access=Access(tenants=(team_a,))),
                policy(target, name="second", access=Access(tenants=(team_b,))),
            ],
            target,
        ),
        secrets_a | secrets_b,
    )


@pytest.fixture
async def mixed(start_router: StartRouter, upstream: Upstream) -> Router:
    """One policy for everybody, one for a tenant."""
    target = backend(upstream)
    team, secrets = tenant("team-a", KEY_A, policy_name="private")
    return await start_router(
        config(
            [policy(target, name="open"), policy(target, name="private", access=Access(tenants=(team,)))],
            target,
        ),
        secrets,
    )


@pytest.mark.parametrize(
    "line",
    [
        bearer(KEY_A),
        f"Authorization: bearer {KEY_A}",
        f"authorization: BEARER   {KEY_A} ",
        f"x-api-key: {KEY_A}",
        f"X-API-Key:  {KEY_A} ",
        bearer("another-key-0123456789"),
    ],
)
async def test_a_key_opens(closed: Router, upstream: Upstream, line: str) -> None:
    client = await closed.connect()
    assert (await client.ask(request("POST", CHAT, line, body=chat(model="first")))).status == 200
    assert closed.entries()[0]["tenant"] == "team-a"
    assert b"0123456789" not in b"".join(value for _, value in upstream.requests[0].headers)
    assert "0123456789" not in closed.log_path.read_text()


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        pytest.param([], "missing_api_key", id="none"),
        pytest.param([bearer("wrong-key-0123456789")], "invalid_api_key", id="wrong"),
        pytest.param(["x-api-key: wrong-key-0123456789"], "invalid_api_key", id="wrong x-api-key"),
        pytest.param([bearer(KEY_A[:-1])], "invalid_api_key", id="cut"),
        pytest.param([bearer(KEY_A + "x")], "invalid_api_key", id="longer"),
        pytest.param([bearer("")], "missing_api_key", id="empty"),
        pytest.param([f"authorization: Basic {KEY_A}"], "missing_api_key", id="other scheme"),
        pytest.param([f"authorization: {KEY_A}"], "missing_api_key", id="no scheme"),
        pytest.param([bearer("wrong-key-0123456789"), f"x-api-key: {KEY_A}"], "invalid_api_key", id="two, one wrong"),
        pytest.param([bearer("ключ".encode().decode("latin-1"))], "invalid_api_key", id="not ASCII"),
    ],
)
@pytest.mark.parametrize(
    "framing", ["content-length: 1000", "transfer-encoding: chunked", "content-length: 0", "x-no: body"]
)
async def test_without_a_key_no_byte_of_the_body_is_read(
    closed: Router, upstream: Upstream, lines: list[str], code: str, framing: str
) -> None:
    client = await closed.connect()
    answer = await client.ask(request("POST", CHAT, framing, *lines))
    assert (answer.status, answer.code, answer.header("connection")) == (401, code, b"close")
    assert answer.json["error"]["type"] == "authentication_error"
    assert (answer.header("www-authenticate") or b"").startswith(b"Bearer")
    assert "0123456789" not in answer.body.decode()
    assert await client.rest() == b""
    assert not upstream.accepted
    (entry,) = closed.entries()
    assert (entry["status"], entry["error"]) == (401, code)


@pytest.mark.parametrize("lines", [[bearer(KEY_A), bearer(KEY_A)], [f"x-api-key: {KEY_A}", f"x-api-key: {KEY_B}"]])
async def test_two_keys_in_one_header_are_refused(closed: Router, lines: list[str]) -> None:
    client = await closed.connect()
    assert (await client.ask(request("POST", CHAT, *lines, body=chat(model="first")))).status == 400


async def test_tenants_do_not_see_each_other(closed: Router, upstream: Upstream) -> None:
    client = await closed.connect()
    foreign = await client.ask(request("POST", CHAT, bearer(KEY_A), body=chat(model="second")))
    nobodys = await client.ask(request("POST", CHAT, bearer(KEY_A), body=chat(model="third")))
    assert foreign.status == nobodys.status == 404
    assert foreign.body.replace(b"second", b"third") == nobodys.body
    assert not upstream.requests
    for key, name in ((KEY_A, "first"), (KEY_B, "second")):
        models = await client.ask(request("GET", "/v1/models", bearer(key)))
        assert [card["id"] for card in models.json["data"]] == [name]
    assert (await client.ask(request("GET", "/v1/models/second", bearer(KEY_A)))).status == 404


@pytest.mark.parametrize("lines", [[], [bearer("wrong-key-0123456789")]])
async def test_models_need_a_key(closed: Router, lines: list[str]) -> None:
    client = await closed.connect()
    for path in ("/v1/models", "/v1/models/first"):
        assert (await client.ask(request("GET", path, *lines))).status == 401
    assert (await client.ask(request("GET", "/v1/models", bearer(KEY_A)))).status == 200  # nothing was left unread


async def test_everybody_may_use_an_open_policy_whatever_key_they_send(mixed: Router) -> None:
    client = await mixed.connect()
    for lines in ([], [bearer("wrong-key-0123456789")], [bearer(KEY_A)]):
        assert (await client.ask(request("POST", CHAT, *lines, body=chat(model="open")))).status == 200
    models = await client.ask(request("GET", "/v1/models"))
    assert [card["id"] for card in models.json["data"]] == ["open"]
    models = await client.ask(request("GET", "/v1/models", bearer(KEY_A)))
    assert [card["id"] for card in models.json["data"]] == ["open", "private"]


async def test_strangers_cannot_tell_a_private_model_from_none(mixed: Router, upstream: Upstream) -> None:
    client = await mixed.connect()
    for lines in ([], [bearer("wrong-key-0123456789")]):
        private = await client.ask(request("POST", CHAT, *lines, body=chat(model="private")))
        nobodys = await client.ask(request("POST", CHAT, *lines, body=chat(model="nobodys")))
        assert private.status == nobodys.status == 401
        assert private.body == nobodys.body
    assert not upstream.requests


async def test_a_reload_ends_and_begins_keys(closed: Router, upstream: Upstream) -> None:
    client = await closed.connect()
    old = request("POST", CHAT, bearer(KEY_A), body=chat(model="first"))
    new = request("POST", CHAT, bearer("a-new-key-0123456789"), body=chat(model="first"))
    assert (await client.ask(old)).status == 200
    target = backend(upstream)
    team, secrets = tenant("team-a", "a-new-key-0123456789", policy_name="first")
    closed.configure(config(policy(target, name="first", access=Access(tenants=(team,))), target), secrets)
    assert (await client.ask(new)).status == 200
    assert (await client.ask(old)).status == 401
