"""/v1/responses: ids that lead back to the endpoint that keeps the response."""

from typing import Any

import msgspec
import pytest
from scenes import in_order, stream

from harness import (
    Client,
    Message,
    Router,
    StartRouter,
    StartUpstream,
    Upstream,
    backend,
    config,
    policy,
    request,
    response,
    tenant,
)
from signalbox.router.serving.response_ids import KEY_ENTRY, PREFIX
from signalbox.routing.config import Access, Limits

PATH = "/v1/responses"
NOT_FOUND = response(404, {"error": {"message": "Response with id 'resp_1' not found.", "code": 404}})


def kept(name: str, **fields: Any) -> dict[str, Any]:
    """A response as an engine sends it."""
    return {
        "id": name,
        "object": "response",
        "status": "completed",
        "error": None,
        "output": [{"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": "hello"}]}],
        "usage": {"input_tokens": 4, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 2},
        **fields,
    }


async def ask(client: Client, previous: Any = None, *lines: str, **fields: Any) -> Message:
    more = {} if previous is None else {"previous_response_id": previous}
    return await client.ask(request("POST", PATH, *lines, body={"model": "auto", "input": "hi", **more, **fields}))


@pytest.fixture
async def engines(start_upstream: StartUpstream) -> list[Upstream]:
    """Four endpoints of one backend."""
    found = [await start_upstream(f"u{i}") for i in range(4)]
    for i, each in enumerate(found):
        each.reply = response(200, kept(f"resp_{i}"))
    return found


@pytest.fixture
async def router(start_router: StartRouter, engines: list[Upstream]) -> Router:
    target = backend(engines, "only")
    return await start_router(config(policy(target), target))


def served(engines: list[Upstream]) -> list[int]:
    return [len(each.requests) for each in engines]


async def test_a_conversation_stays_where_it_is_kept(router: Router, engines: list[Upstream]) -> None:
    client = await router.connect()
    first = await ask(client)
    assert first.status == 200
    sealed = first.json["id"]
    assert sealed.startswith(PREFIX)
    [home] = [i for i, each in enumerate(engines) if each.requests]
    assert f"resp_{home}".encode() not in first.body
    assert first.json["output"] == kept("x")["output"], "only the id is another"
    for turn in range(8):
        engines[home].reply = response(200, kept(f"resp_{home}_{turn}", previous_response_id=f"resp_{home}"))
        answer = await ask(client, sealed)
        assert engines[home].requests[-1].json["previous_response_id"] == f"resp_{home}"
        assert answer.json["previous_response_id"] == sealed
        assert answer.json["id"] != sealed
    assert served(engines)[home] == 9
    assert sum(served(engines)) == 9
    entry = router.entries()[0]
    assert (entry["inputTokens"], entry["cachedTokens"], entry["outputTokens"]) == (4, 1, 2)


async def test_every_event_of_a_stream_has_the_new_id(router: Router, engines: list[Upstream]) -> None:
    names = ("response.created", "response.in_progress", "response.completed")
    events = [
        b"event: %b\ndata: %b\n\n" % (n.encode(), msgspec.json.encode({"type": n, "response": kept("resp_1")}))
        for n in names
    ]
    delta = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","delta":"resp_1 "}\n\n'
    for each in engines:
        each.reply = stream(events[0], events[1], delta, events[2])
    client = await router.connect()
    answer = await ask(client, stream=True)
    assert b'"resp_1"' not in answer.body
    assert delta in answer.body
    values = [msgspec.json.decode(e.partition(b"data: ")[2]) for e in answer.body.split(b"\n\n") if e]
    ids = {value["response"]["id"] for value in values if "response" in value}
    assert len(ids) == 1
    follow = await ask(client, ids.pop(), stream=True)
    assert follow.status == 200
    assert sorted(served(engines)) == [0, 0, 0, 2]
    assert router.entries()[0]["outputTokens"] == 2


@pytest.mark.parametrize("previous", ["resp_1", PREFIX, PREFIX + "AAAA", PREFIX + "\u00e9", 5, ["x"], {}])
async def test_an_id_that_was_not_given_out_is_not_found(
    router: Router, engines: list[Upstream], previous: Any
) -> None:
    answer = await ask(await router.connect(), previous)
    assert (answer.status, answer.code) == (400, "previous_response_not_found")
    assert answer.json["error"]["param"] == "previous_response_id"
    assert not any(served(engines))


async def test_an_endpoint_that_is_gone(router: Router, engines: list[Upstream]) -> None:
    client = await router.connect()
    sealed = (await ask(client)).json["id"]
    [home] = [i for i, each in enumerate(engines) if each.requests]
    target = backend([each for i, each in enumerate(engines) if i != home], "only")
    router.configure(config(policy(target), target))
    answer = await ask(client, sealed)
    assert (answer.status, answer.code) == (400, "previous_response_not_found")
    assert sum(served(engines)) == 1


async def test_an_engine_that_has_forgotten(router: Router, engines: list[Upstream]) -> None:
    client = await router.connect()
    sealed = (await ask(client)).json["id"]
    [home] = [each for each in engines if each.requests]
    home.reply = NOT_FOUND
    for _ in range(4):
        answer = await ask(client, sealed)
        assert (answer.status, answer.code) == (400, "previous_response_not_found")
    assert sum(served(engines)) == 5
    # Others may still go there.
    home.reply = response(200, kept("resp_9"))
    assert (await ask(client, sealed)).status == 200


async def test_an_error_names_the_id_that_the_client_knows(router: Router, engines: list[Upstream]) -> None:
    client = await router.connect()
    sealed = (await ask(client)).json["id"]
    [home] = [i for i, each in enumerate(engines) if each.requests]
    engines[home].reply = response(400, {"error": {"message": f"Response 'resp_{home}' is incomplete.", "code": "x"}})
    answer = await ask(client, sealed)
    assert answer.status == 400
    assert answer.json["error"]["message"] == f"Response '{sealed}' is incomplete."


async def test_an_endpoint_that_is_down_is_not_replaced(router: Router, engines: list[Upstream]) -> None:
    client = await router.connect()
    sealed = (await ask(client)).json["id"]
    [home] = [each for each in engines if each.requests]
    await home.stop()
    statuses = [(await ask(client, sealed)).status for _ in range(5)]
    assert statuses[0] == 502
    assert set(statuses) == {502, 503}
    assert sum(served(engines)) == 1


async def test_another_tenants_id_is_refused(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream)
    one, secrets = tenant("one", "key-of-tenant-one")
    two, more = tenant("two", "key-of-tenant-two")
    closed = policy(target, access=Access(tenants=(one, two)))
    router = await start_router(config(closed, target), {**secrets, **more})
    upstream.reply = response(200, kept("resp_1"))
    client = await router.connect()
    sealed = (await ask(client, None, "authorization: Bearer key-of-tenant-one")).json["id"]
    assert (await ask(client, sealed, "authorization: Bearer key-of-tenant-one")).status == 200
    answer = await ask(client, sealed, "authorization: Bearer key-of-tenant-two")
    assert (answer.status, answer.code) == (400, "previous_response_not_found")
    assert len(upstream.requests) == 2


async def test_routers_with_one_key_understand_each_other(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream)
    upstream.reply = response(200, kept("resp_1"))
    routers = [
        await start_router(config(policy(target), target), {KEY_ENTRY: key})
        for key in (b"k" * 32, b"k" * 32, b"x" * 32)
    ]
    clients = [await each.connect() for each in routers]
    sealed = (await ask(clients[0])).json["id"]
    assert [(await ask(each, sealed)).status for each in clients] == [200, 200, 400]


async def test_limits_hold_for_a_kept_response_too(start_router: StartRouter, upstream: Upstream) -> None:
    target = backend(upstream, limits=Limits(requests_per_minute=1))
    router = await start_router(config(policy(target), target))
    upstream.reply = response(200, kept("resp_1"))
    client = await router.connect()
    sealed = (await ask(client)).json["id"]
    answer = await ask(client, sealed)
    assert (answer.status, answer.code) == (429, "rate_limit_exceeded")
    assert [(c.first, c.value) for c in router.statistics.snapshot().shed] == [(target.name, 1)]


async def test_a_failed_response_goes_elsewhere(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> None:
    targets = backend(pair[0]), backend(pair[1])
    router = await start_router(config(in_order(*targets), *targets))
    pair[0].reply = response(200, kept("resp_1", status="failed", error={"code": "server_error", "message": "x"}))
    pair[1].reply = response(200, kept("resp_2"))
    answer = await ask(await router.connect())
    assert answer.header("x-signalbox-target") == b"second"


async def test_a_large_response_is_renamed_too(router: Router, engines: list[Upstream]) -> None:
    for each in engines:
        each.reply = response(200, kept("resp_1", metadata={"big": "x" * 3_000_000}))
    answer = await ask(await router.connect())
    assert answer.json["id"].startswith(PREFIX)
    assert len(answer.body) > 3_000_000


async def test_a_url_is_one_service_whatever_its_name_resolves_to(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    router = await start_router()
    client = await router.connect()
    sealed = None
    for each in pair:
        each.reply = response(200, kept("resp_1"))
        target = backend(each, "saas", endpoints=(), dns=each.address)
        router.configure(config(policy(target), target))
        answer = await ask(client, sealed)
        assert answer.status == 200
        sealed = answer.json["id"]
    assert [len(each.requests) for each in pair] == [1, 1]
