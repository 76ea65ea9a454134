"""Inference requests of a simulated engine: from the HTTP request to the last byte of the answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec
from aiohttp import web

from signalbox.sim import errors
from signalbox.sim.calls import decode, read
from signalbox.sim.errors import RequestError
from signalbox.sim.faults import Faults
from signalbox.sim.format import Format, StreamFormat
from signalbox.sim.log import Logged
from signalbox.sim.prompts import asked
from signalbox.sim.scripted import Turn
from signalbox.sim.transport import json_response, open_stream, reset
from signalbox.sim.work import Work

if TYPE_CHECKING:
    from signalbox.sim.server import SimulatedEngine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


# After a reset nobody is left to answer: handlers end by asyncio.CancelledError, as when a client leaves.


def handler(engine: "SimulatedEngine", path: str, operation: str, form: type[Format]) -> Handler:
    """The handler of one path; it counts and logs what it answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        clock = asyncio.get_running_loop().time
        begun = clock()
        data = await request.read()
        logged = engine.calls.begin(operation, data, time.time())
        try:
            response = await _infer(engine, operation, form, request, data, logged)
            logged.status = response.status
            logged.outcome = "answered" if response.status == 200 and logged.outcome == "open" else "error"
        except RequestError as error:
            logged.status, logged.outcome = error.status, "error"
            response = json_response(error.status, form.wrong(error.status, error.message, error.param))
        except (asyncio.CancelledError, ConnectionResetError):
            # Open still: not the engine ended it, but the client.
            logged.outcome = "cancelled" if logged.outcome == "open" else logged.outcome
            raise asyncio.CancelledError from None
        finally:
            engine.calls.end(logged, clock() - begun)
        sizes = (request.content_length or 0, response.content_length or 0)
        engine.http_metrics.observe(path, request.method, response.status, sizes, clock() - begun)
        return response

    return handle


async def _infer(
    engine: "SimulatedEngine", operation: str, form: type[Format], request: web.Request, data: bytes, logged: Logged
) -> web.StreamResponse:
    if not engine.accepts(form.key(request.headers)):
        return json_response(401, form.unauthorized())
    bad = engine.draw_faults()
    if bad.reset or bad.status is not None:
        return _fail(request, form, bad, logged)
    operation, body = form.understand(operation, decode(data), request.headers)
    turn = _turn(engine, operation, body, logged)
    if turn is not None and bad.error_event is None and bad.cut_after is None:
        bad = turn.faults
        if bad.status is not None:
            await _hold(turn)
            return _fail(request, form, bad, logged)
    reply = None if turn is None else turn.answer
    call = read(operation, body, engine.profile, engine.random, time.time(), _history(engine, body), reply)
    writer = form(call, engine.name)
    # A stream has its 200 before the engine looks at it, so its error comes as an event.
    stream = writer if call.stream and isinstance(writer, StreamFormat) else None
    opened = await open_stream(request) if stream else None
    if turn is not None:
        await _hold(turn)
    work = Work(call)
    refusal = _admit(engine, bad, work)
    if refusal is not None:
        logged.outcome = "error"
        return await _refuse(form, stream, opened, *refusal)
    try:
        if stream and opened:
            response = await _stream(request, opened, work, stream, bad.cut_after, logged)
        else:
            while not work.complete():
                await work.progress()
            if bad.cut_after is not None:
                _cut(request, logged)
            response = json_response(200, msgspec.json.encode(writer.unary(work.sequences)))
    finally:
        engine.core.abort(work.sequences)
        logged.input_tokens = call.prompt_tokens
        logged.output_tokens = sum(sequence.produced for sequence in work.sequences)
    if operation == "responses" and body.get("store", True):
        engine.memory.keep(call.id, f"{call.text}\n{''.join(call.answers[0].tokens)}")
    return response


def _turn(engine: "SimulatedEngine", operation: str, body: dict[str, Any], logged: Logged) -> Turn | None:
    """The rule of the script that answers, if one does. A model that the script names is served, too."""
    request = asked(operation, body, engine.profile.model)
    logged.model, logged.stream = request.model, request.stream
    if request.model != engine.profile.model and request.model not in engine.script.models:
        raise RequestError(f"The model `{request.model}` does not exist.", 404, "model")
    turn = engine.script.pick(request, engine.name)
    if turn is not None:
        logged.rule = turn.rule.name
    return turn


def _history(engine: "SimulatedEngine", body: dict[str, Any]) -> str:
    previous = body.get("previous_response_id")
    if previous is None:
        return ""
    text = engine.memory.recall(str(previous))
    if text is None:
        raise RequestError(f"Response with id '{previous}' not found.", 404, "response_id")
    return text


async def _hold(turn: Turn) -> None:
    """What a rule lets its client wait for, outside of the batch."""
    if turn.rule.stalled:
        await asyncio.get_running_loop().create_future()
    if turn.rule.delay:
        await asyncio.sleep(turn.rule.delay)


def _admit(engine: "SimulatedEngine", bad: Faults, work: Work) -> tuple[int, str] | None:
    """Hand the work to the engine, or say with which error it fails."""
    if bad.error_event is not None:
        return bad.error_event, errors.phrase(bad.error_event)
    if engine.submit(work):
        return None
    return 503, "The engine is shutting down." if engine.core.draining else "The request queue is full."


def _fail(request: web.Request, form: type[Format], bad: Faults, logged: Logged) -> web.Response:
    """The fault that hits a request before anybody reads it."""
    if bad.status is None:
        _cut(request, logged)
    headers = {} if bad.retry_after is None else {"Retry-After": f"{bad.retry_after:g}"}
    return json_response(bad.status, form.wrong(bad.status, code=bad.code), headers)


def _cut(request: web.Request, logged: Logged) -> NoReturn:
    logged.outcome = "cut"
    reset(request.transport)
    raise asyncio.CancelledError


async def _refuse(
    form: type[Format], stream: StreamFormat | None, opened: web.StreamResponse | None, status: int, message: str
) -> web.StreamResponse:
    body = form.wrong(status, message)
    if stream is None or opened is None:
        return json_response(status, body)
    await opened.write(stream.error(body))
    await opened.write_eof()
    return opened


async def _stream(
    request: web.Request,
    response: web.StreamResponse,
    work: Work,
    writer: StreamFormat,
    cut_after: int | None,
    logged: Logged,
) -> web.StreamResponse:
    if head := writer.head():
        await response.write(head)
    sent = [0] * len(work.sequences)
    hidden = [answer.hidden for answer in work.call.answers]
    left = cut_after
    while not work.complete():
        await work.progress()
        out: list[bytes] = []
        for index, sequence in enumerate(work.sequences):
            for position in range(sent[index], sequence.produced - hidden[index]):
                if left is not None and left <= 0:
                    break
                left = None if left is None else left - 1
                out.append(writer.token(index, position, work.sequences))
                sent[index] = position + 1
        if left is not None and left <= 0:
            await response.write(b"".join(out))
            # Resetting at once would also throw away what the kernel has not sent: let the tokens arrive first.
            await asyncio.sleep(0.02)
            _cut(request, logged)
        if work.complete():
            out.append(writer.end(work.sequences))
        await response.write(b"".join(out))
    await response.write_eof()
    return response
