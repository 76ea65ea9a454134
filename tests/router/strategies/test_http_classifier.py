"""A service of the user's own as the classifier: its contract, its faults, and what a dead one costs."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from stage import Stage

from harness import Gate, Message, Upstream, response
from waiting import until

POLICY = """
debug: Allowed
classifiers: [{name: kind, labels: [chat, code, law], default: chat, timeout: %s, minConfidencePercent: 50,
               http: {url: "http://%s:%d/classify"}}]
routes:
- {name: by_kind, select: {by: kind, targets: [{label: code, target: coder}], otherwise: general}}
"""
LAWFUL = """
classifiers: [{name: kind, labels: [chat, law], default: chat, http: {url: "http://HOST/classify"}}]
routes: [{name: lawful, cascade: {steps: [
    {target: small, accept: {expression: 'answer.chars > 100 || label.kind != "law"'}}, {target: strong}]}}]
"""
QUALITIES = """
debug: Allowed
classifiers: [{name: best, labels: [small, strong], default: small, http: {url: "http://HOST/classify"}}]
routes: [{name: best, objective: {maximize: Quality, quality: {classifier: best},
                                  targets: [{name: small}, {name: strong}]}}]
"""
BOTH = pytest.mark.parametrize("stream", [False, True])


@pytest.fixture
async def service() -> AsyncIterator[Upstream]:
    upstream = await Upstream("service").start()
    yield upstream
    await upstream.stop()


async def started(stage: Stage, service: Upstream, timeout: str = "5s") -> None:
    await stage.engine("coder", {"answer": "A program."})
    await stage.engine("general", {"answer": "Something."})
    await stage.open(POLICY % (timeout, service.address.host, service.address.port))


def outcomes(stage: Stage) -> dict[tuple[str, str], int]:
    [found] = stage.router.statistics.snapshot().classifiers
    return {(each.label, each.outcome): each.value for each in found.said}


@BOTH
async def test_it_is_asked_over_one_connection_and_its_label_chooses(
    stage: Stage, service: Upstream, stream: bool
) -> None:
    service.reply = response(200, {"label": "code", "confidence": 0.75, "unknown": "ignored"})
    await started(stage, service)
    for _ in range(3):
        seen = await stage.ask("x = 1", stream=stream, headers={"x-signalbox-debug": "true"})
        assert (seen.status, seen.target, seen.text) == (200, "coder", "A program.")
    assert "kind is code (confidence 0.75)" in seen.headers["x-signalbox-reason"]
    assert (len(service.requests), service.accepted) == (3, 1)
    asked = service.requests[0]
    assert asked.line == b"POST /classify HTTP/1.1"
    assert asked.header("host") == f"{service.address.host}:{service.address.port}".encode()
    assert asked.header("x-request-id")
    assert asked.json == {
        "classifier": "kind",
        "labels": ["chat", "code", "law"],
        "query": "x = 1",
        "conversation": {"system": "", "turns": 1},
    }
    assert outcomes(stage) == {("code", "answered"): 3}


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"label": "code", "confidence": 0.49}, "unsure"),
        ({"label": "prose"}, "failed"),
        ({"label": "code", "confidence": 1.5}, "failed"),
        ({"label": "code", "scores": {"coder": -1}}, "failed"),
        ({"kind": "code"}, "failed"),
        (["code"], "failed"),
        (b"code", "failed"),
        (b"{" + b" " * 70_000 + b"}", "failed"),
    ],
)
async def test_whatever_is_not_an_answer_leaves_the_default(
    stage: Stage, service: Upstream, body: Any, outcome: str
) -> None:
    service.reply = response(200, body if isinstance(body, bytes) else msgspec.json.encode(body))
    await started(stage, service)
    seen = await stage.ask()
    assert (seen.status, seen.target) == (200, "general")
    assert outcomes(stage) == {("chat", outcome): 1}


async def reset(request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close in the middle of an answer."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()
    raise ConnectionResetError


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (response(500, b"no"), "the service answered 500"),
        (response(302, b"", "location: /elsewhere"), "the service answered 302"),
        (response(200, gzip.compress(b'{"label": "code"}'), "content-encoding: gzip"), "that was not asked for"),
        (b"nonsense\r\n\r\n", "malformed response"),
        (reset, "the service connection"),
    ],
)
@BOTH
async def test_a_service_that_fails_loses_no_request(
    stage: Stage, service: Upstream, reply: Any, why: str, stream: bool
) -> None:
    service.reply = reply
    await started(stage, service)
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.target, seen.text) == (200, "general", "Something.")
    assert outcomes(stage) == {("chat", "failed"): 1}
    [entry] = stage.router.entries()
    assert why in entry["detail"]
    assert entry["labels"] == {"kind": "chat"}


async def test_a_dead_service_costs_some_requests_their_time_and_the_others_none(
    stage: Stage, service: Upstream
) -> None:
    gate = Gate(b"")
    service.reply = gate
    await started(stage, service, timeout="100ms")
    for _ in range(100):
        assert (await stage.ask()).target == "general"
        if ("chat", "failed") in outcomes(stage):  # it is known to be dead by now
            break
    waited = outcomes(stage)
    assert 1 < waited["chat", "timeout"] < 20
    assert waited["chat", "failed"] == 1
    assert "the service is not healthy" in stage.router.entries()[-1]["detail"]


async def test_nobody_there_is_known_at_once(stage: Stage, service: Upstream) -> None:
    await started(stage, service)
    await service.stop()
    for _ in range(3):
        assert (await stage.ask()).target == "general"
    assert outcomes(stage) == {("chat", "failed"): 3}


async def test_an_idle_connection_that_the_service_closed_is_no_failure(stage: Stage, service: Upstream) -> None:
    async def once(request: Message, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(response(200, {"label": "code"}))
        await writer.drain()
        writer.close()

    service.reply = once
    await started(stage, service)
    for _ in range(3):
        assert (await stage.ask()).target == "coder"


async def test_a_client_that_leaves_takes_the_question_along(stage: Stage, service: Upstream) -> None:
    gate = Gate(response(200, {"label": "code"}))
    service.reply = gate
    await started(stage, service)
    await stage.leave(lambda: service.requests)
    await asyncio.wait_for(gate.gone.wait(), 5)
    [line] = await _entries(stage)
    assert (line["status"], line["error"]) == (499, "client_closed")
    assert not stage.calls["coder"]
    assert not stage.calls["general"]


async def test_whether_an_answer_is_good_enough_may_depend_on_a_label(stage: Stage, service: Upstream) -> None:
    service.reply = response(200, {"label": "law"})
    await stage.engine("small", {"answer": "Perhaps."})
    await stage.engine("strong", {"answer": "Certainly."})
    await stage.open(LAWFUL.replace("HOST", f"{service.address.host}:{service.address.port}"))
    assert (await stage.ask()).text == "Certainly."
    service.reply = response(200, {"label": "chat"})
    assert (await stage.ask()).text == "Perhaps."
    assert len(service.requests) == 2
    assert [entry["labels"] for entry in stage.router.entries()] == [{"kind": "law"}, {"kind": "chat"}]


async def test_its_scores_are_qualities_of_targets(stage: Stage, service: Upstream) -> None:
    await stage.engine("small", {"answer": "From small."}, quality={"quality": 50})
    await stage.engine("strong", {"answer": "From strong."}, quality={"quality": 90})
    await stage.open(QUALITIES.replace("HOST", f"{service.address.host}:{service.address.port}"))
    service.reply = response(200, {"label": "small", "scores": {"small": 0.95, "strong": 0.9}})
    seen = await stage.ask(headers={"x-signalbox-debug": "true"})
    assert seen.target == "small"
    assert "quality 95.0 of small" in seen.headers["x-signalbox-reason"]
    service.reply = response(200, {"label": "small", "scores": {"small": 0.2}})
    assert (await stage.ask()).target == "strong"
    service.reply = response(500, b"")
    assert (await stage.ask()).target == "strong"  # as the profiles say


async def test_it_gets_its_key_and_keeps_its_connection_over_a_reload(stage: Stage, service: Upstream) -> None:
    service.reply = response(200, {"label": "code"})
    await stage.engine("coder", {"answer": "A program."})
    await stage.engine("general", {"answer": "Something."})
    url = f"http://{service.address.host}:{service.address.port}/v2/classify"
    auth = "auth: {apiKey: {secretRef: {name: service, key: token}, header: x-api-key}}"
    policy = f"""
        classifiers: [{{name: kind, labels: [chat, code], default: chat, http: {{url: "{url}", {auth}}}}}]
        routes: [{{name: by_kind, select: {{by: kind, targets: [{{label: code, target: coder}}], otherwise: general}}}}]
        """
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: service}, stringData: {token: s3cret-of-the-service}}"
    await stage.open(policy, secret)
    assert (await stage.ask()).target == "coder"
    found = stage.workspace(policy + "\n        debug: Allowed", secret)
    [planned] = found.plan.routers
    stage.router.configure(planned.config, found.secrets(planned))
    assert (await stage.ask(headers={"x-signalbox-debug": "true"})).headers["x-signalbox-reason"]
    assert [each.header("x-api-key") for each in service.requests] == [b"s3cret-of-the-service"] * 2
    assert [each.line for each in service.requests] == [b"POST /v2/classify HTTP/1.1"] * 2
    assert service.accepted == 1


async def test_an_address_that_is_denied_is_never_asked(stage: Stage) -> None:
    service = Upstream("service")
    service.reply = response(200, {"label": "code"})
    await stage.engine("coder", {"answer": "A program."})
    await stage.engine("general", {"answer": "Something."})
    await service.start()
    try:
        await stage.open(POLICY % ("5s", "127.0.0.2", service.address.port), allow_cidrs=("127.0.0.1/32",))
        assert (await stage.ask()).target == "general"
        assert "127.0.0.2" in stage.router.entries()[0]["detail"]
        assert not service.accepted
    finally:
        await service.stop()


async def _entries(stage: Stage) -> list[dict[str, Any]]:
    entries: Callable[[], list[dict[str, Any]]] = stage.router.entries
    await until(entries)
    return entries()
