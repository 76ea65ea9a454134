"""Prompts, answers and keys stay between client and engine: nothing of them in a log, a metric or a report.

Every strategy, with every kind of classifier, over engines and services that quote all they were sent wherever they
can: in bodies, in errors, in streams, in headers, in labels, in broken framing.
"""

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from prometheus_client.exposition import choose_encoder
from stage import Stage

from compiled import needs_python
from faults import Table, read
from harness import CHAT, DONE, STREAM_HEAD, Message, StartRouter, Upstream, chat, chunk, event, request, response
from signalbox.loglines import TextFormatter
from signalbox.router.telemetry.metrics import Families
from signalbox.router.telemetry.process import Process
from waiting import until

PROMPT, SYSTEM, ANSWER = "prompt-4711-of-the-client", "system-4711-of-the-client", "answer-4711-of-the-engine"
KEY, OURS = "key-4711-of-the-client-xyz", "key-4711-of-the-backend-xyz"
MARKS = tuple(each.encode() for each in (PROMPT, SYSTEM, ANSWER, KEY, OURS))
SECRETS = f"""
apiVersion: v1
kind: Secret
metadata: {{name: team}}
stringData: {{key: {KEY}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: ours}}
stringData: {{token: {OURS}}}
"""
TABLES = [read(path) for path in sorted((Path(__file__).parent / "strategies" / "tables").glob("*.yaml"))]


def quoted(asked: Message) -> str:
    return " ".join((ANSWER, *(value.decode("latin-1") for _, value in asked.headers), asked.body.decode()))


def error(asked: Message) -> dict[str, Any]:
    text = quoted(asked)
    return {"error": {"message": text, "type": text, "code": text, "param": text}}


def stream(*events: bytes) -> bytes:
    return STREAM_HEAD + b"".join(map(chunk, (*events, b"")))


def honest(asked: Message) -> bytes:
    """An answer that says everything again, as one may."""
    text = quoted(asked)
    if asked.body and asked.json.get("stream"):
        return stream(event({"role": "assistant", "content": text}), event({}, finish=text), DONE)
    body = {
        "id": text,
        "object": "chat.completion",
        "model": text,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": text}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }
    return response(200, body, f"x-quoted: {text}", f"openai-model: {text}")


QUOTING: dict[str, Callable[[Message], bytes]] = {
    "an answer": honest,
    "a label": lambda asked: response(200, {"label": quoted(asked), "confidence": 1, "reason": quoted(asked)}),
    "an error of the client's": lambda asked: response(400, error(asked)),
    "an error of the length": lambda asked: response(
        400, {"error": {"message": quoted(asked), "code": "context_length_exceeded"}}
    ),
    "a refused key": lambda asked: response(401, error(asked)),
    "a busy engine": lambda asked: response(429, error(asked), f"retry-after: {quoted(asked)}"),
    "a failure": lambda asked: response(500, error(asked)),
    "an error in a success": lambda asked: response(200, error(asked)),
    "no JSON": lambda asked: response(200, quoted(asked).encode()),
    "a redirect": lambda asked: response(307, b"", f"location: http://127.0.0.1/{OURS}"),
    "an error in a stream": lambda asked: stream(
        event({"content": quoted(asked)}), b"data: %b\n\n" % msgspec.json.encode(error(asked))
    ),
    "an error as a stream begins": lambda asked: stream(b"data: %b\n\n" % msgspec.json.encode(error(asked))),
    "a broken stream": lambda asked: stream(b"data: {" + quoted(asked).encode() + b"\n\n", DONE),
    "another type of content": lambda asked: response(200, quoted(asked).encode(), f"content-encoding: {OURS}"),
    "a broken head": lambda asked: b"HTTP/1.1 200 OK\r\n" + quoted(asked).encode() + b"\r\n\r\n",
    "a broken status": lambda asked: b"HTTP/1.1 " + quoted(asked).encode() + b"\r\n\r\n",
}


class Quoter(Upstream):
    """An engine, and a service, that cannot keep anything to itself."""

    def __init__(self, name: str, how: Callable[[Message], bytes]) -> None:
        super().__init__(name)

        async def reply(asked: Message, _: Any, writer: Any) -> None:
            writer.write(how(asked))
            await writer.drain()
            if b"x-quoted" not in how(asked):
                writer.close()

        self.reply = reply


async def opened(stage: Stage, table: Table, how: Callable[[Message], bytes]) -> list[Quoter]:
    """A strategy over nobody but quoters."""
    names = {*table.engines, *table.services}
    quoters = {name: await Quoter(name, how).start() for name in names}
    for name in table.engines:
        stage.engines[name] = quoters[name]  # type: ignore[assignment]
        address = quoters[name].address
        stage._specs[name] = {
            "model": "m",
            "url": f"http://{address.host}:{address.port}/v1",
            "profile": {"contextWindow": 8192, "features": ["Tools", "LogProbs", "Vision", "JSONSchema"]},
            "pricing": {"inputPerMillion": "1", "outputPerMillion": "10"},
            "auth": {"apiKey": {"secretRef": {"name": "ours", "key": "token"}}},
        }
    policy = yaml.safe_dump(
        {
            **table.policy,
            "debug": "Allowed",
            "access": {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "team"}}]}]},
        }
    )
    for name in table.services:
        address = quoters[name].address
        policy = policy.replace(f"SERVICE-{name}", f"{address.host}:{address.port}")
    await stage.open(policy, SECRETS)
    return list(quoters.values())


def told(stage: Stage, caplog: pytest.LogCaptureFixture) -> bytes:
    """All that leaves a router beside its answers."""
    router = stage.router
    router.log.flush()
    snapshot = router.statistics.snapshot()
    encode, _ = choose_encoder("text/plain")
    form = TextFormatter("%(name)s %(message)s", secret=True)
    lines = "\n".join(form.format(record) for record in caplog.records if record.name.startswith("signalbox"))
    return b"\n".join(
        (
            router.log_path.read_bytes(),
            encode(Families(snapshot, Process())),
            msgspec.json.encode(snapshot),
            lines.encode(),
        )
    )


def nothing_of_it(found: bytes) -> None:
    for mark in MARKS:
        at = found.find(mark)
        assert at < 0, found[max(0, at - 200) : at + 100]


@pytest.fixture
async def stage(tmp_path: Path, start_router: StartRouter) -> AsyncIterator[Stage]:
    (tmp_path / "policies").mkdir()
    made = Stage(tmp_path / "policies", start_router)
    yield made
    await made.close()


BODY = chat(text=PROMPT)
BODY["messages"].insert(0, {"role": "system", "content": SYSTEM})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("how", QUOTING)
async def test_whatever_engines_and_classifiers_quote(
    stage: Stage, caplog: pytest.LogCaptureFixture, table: Table, how: str
) -> None:
    caplog.set_level(logging.DEBUG)
    quoters = await opened(stage, table, QUOTING[how])
    lines = (f"authorization: Bearer {KEY}", "x-signalbox-debug: true")
    for streaming in (False, True):
        client = await stage.router.connect()
        answer = await client.ask(request("POST", CHAT, *lines, body={**BODY, "stream": streaming}))
        own = [item for item in answer.headers if item[0].startswith(b"x-signalbox-") or item[0] == b"x-request-id"]
        nothing_of_it(repr(own).encode())
        client.leave()
    await until(lambda: len(stage.router.entries()) == 2)
    assert any(each.requests for each in quoters)
    nothing_of_it(told(stage, caplog))
    for each in quoters:
        assert all(KEY.encode() not in repr(asked).encode() for asked in each.requests)
        await each.stop()


REFUSED = {
    "no JSON": request("POST", CHAT, f"authorization: Bearer {KEY}", body=f'{{"model": "auto", "{PROMPT}'.encode()),
    "an unknown model": request("POST", CHAT, f"authorization: Bearer {KEY}", body=chat(model=PROMPT)),
    "a wrong key": request("POST", CHAT, f"authorization: Bearer {KEY}-not", body=BODY),
    "a key where none is looked for": request(
        "POST", CHAT, f"authorization: Basic {KEY}", f"api-key: {OURS}", body=BODY
    ),
    "a key in the path": request("POST", f"/v1/{KEY}?key={OURS}", f"authorization: Bearer {KEY}", body=BODY),
    "an unknown method": request("BREW", CHAT, f"authorization: Bearer {KEY}", body=BODY),
    "a number that is none": request("POST", CHAT, f"authorization: Bearer {KEY}", body={**BODY, "max_tokens": PROMPT}),
    "a role that is none": request(
        "POST", CHAT, f"authorization: Bearer {KEY}", body={**BODY, "messages": [{"role": PROMPT, "content": SYSTEM}]}
    ),
    "messages that are none": request("POST", CHAT, f"authorization: Bearer {KEY}", body={**BODY, "messages": PROMPT}),
    "a bad head": f"POST {CHAT} HTTP/1.1\r\nhost: x\r\nx-\x01{KEY}: {PROMPT}\r\n\r\n".encode(),
    "an id that is none": request(
        "POST", CHAT, f"authorization: Bearer {KEY}-not", f"x-request-id: {OURS} x", body=BODY
    ),
    "a trace that is none": request(
        "POST", CHAT, f"authorization: Bearer {KEY}-not", f"traceparent: {OURS}", body=BODY
    ),
}


@pytest.mark.parametrize("how", REFUSED)
async def test_what_is_refused(stage: Stage, caplog: pytest.LogCaptureFixture, how: str) -> None:
    caplog.set_level(logging.DEBUG)
    quoters = await opened(stage, next(each for each in TABLES if each.name == "failover"), honest)
    client = await stage.router.connect()
    await client.ask(REFUSED[how])
    found = told(stage, caplog)
    nothing_of_it(found)
    for each in quoters:
        await each.stop()


@needs_python
async def test_a_defect_of_the_router(
    stage: Stage, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exception may quote whatever it was working on."""
    caplog.set_level(logging.DEBUG)
    quoters = await opened(stage, next(each for each in TABLES if each.name == "failover"), honest)

    def crash(*_: object, **__: object) -> None:
        raise ValueError(f"invalid literal: {PROMPT} {KEY} {OURS}")

    monkeypatch.setattr("signalbox.router.serving.replies.head", crash)
    client = await stage.router.connect()
    answer = await client.ask(request("POST", CHAT, f"authorization: Bearer {KEY}", body=BODY))
    assert answer.status == 500
    assert any("cannot answer" in record.message for record in caplog.records)
    found = told(stage, caplog)
    assert b"ValueError" in found
    nothing_of_it(found + answer.body)
    for each in quoters:
        await each.stop()
