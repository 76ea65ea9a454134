"""Inference requests of a simulated engine: from the HTTP request to the last byte of the answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from signalbox.sim import errors
from signalbox.sim.calls import Call, decode, read
from signalbox.sim.errors import RequestError
from signalbox.sim.faults import Faults
from signalbox.sim.format import Format, StreamFormat
from signalbox.sim.transport import json_response, open_stream, reset
from signalbox.sim.work import Work

if TYPE_CHECKING:
    from signalbox.sim.server import SimulatedEngine

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_UNAUTHORIZED = b'{"error":"Unauthorized"}'


# After a reset nobody is left to answer: handlers end by asyncio.CancelledError, as when a client leaves.


def handler(engine: "SimulatedEngine", path: str, operation: str, form: type[Format]) -> Handler:
    """The handler of one path; it counts what it answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        begun = asyncio.get_running_loop().time()
        try:
            response = await _infer(engine, operation, form, request)
        except ConnectionResetError:
            raise asyncio.CancelledError from None
        except RequestError as error:
            response = json_response(error.status, errors.body(error.status, error.message, error.param))
        sizes = (request.content_length or 0, response.content_length or 0)
        seconds = asyncio.get_running_loop().time() - begun
        engine.http_metrics.observe(path, request.method, response.status, sizes, seconds)
        return response

    return handle


async def _infer(
    engine: "SimulatedEngine", operation: str, form: type[Format], request: web.Request
) -> web.StreamResponse:
    data = await request.read()
    if not engine.accepts(request.headers.get("Authorization", "").removeprefix("Bearer ")):
        return json_response(401, _UNAUTHORIZED)
    bad = engine.draw_faults()
    if bad.reset:
        reset(request.transport)
        raise asyncio.CancelledError
    if bad.status is not None:
        headers = {} if bad.retry_after is None else {"Retry-After": f"{bad.retry_after:g}"}
        return json_response(bad.status, errors.body(bad.status, code=bad.code), headers)
    body = decode(data)
    if body.get("model") not in {None, engine.profile.model}:
        raise RequestError(f"The model `{body['model']}` does not exist.", 404, "model")
    call = read(operation, body, engine.profile, engine.random, time.time(), _history(engine, body))
    writer = form(call, engine.name)
    work = Work(call)
    refusal = _admit(engine, bad, work)
    if refusal is not None:
        return await _refuse(request, writer, call, *refusal)
    core = engine.core
    try:
        if call.stream and isinstance(writer, StreamFormat):
            response = await _stream(request, work, writer, bad.cut_after)
        else:
            while not work.complete():
                await work.progress()
            if bad.cut_after is not None:
                reset(request.transport)
                raise asyncio.CancelledError
            response = json_response(200, msgspec.json.encode(writer.unary(work.sequences)))
    finally:
        core.abort(work.sequences)
    if operation == "responses" and body.get("store", True):
        engine.memory.keep(call.id, f"{call.text}\n{call.answers[0].text}")
    return response


def _history(engine: "SimulatedEngine", body: dict[str, Any]) -> str:
    previous = body.get("previous_response_id")
    if previous is None:
        return ""
    text = engine.memory.recall(str(previous))
    if text is None:
        raise RequestError(f"Response with id '{previous}' not found.", 404, "response_id")
    return text


def _admit(engine: "SimulatedEngine", bad: Faults, work: Work) -> tuple[int, str] | None:
    """Hand the work to the engine, or say with which error it fails."""
    if bad.error_event is not None:
        return bad.error_event, errors.phrase(bad.error_event)
    if engine.submit(work):
        return None
    return 503, "The engine is shutting down." if engine.core.draining else "The request queue is full."


async def _refuse(request: web.Request, writer: Format, call: Call, status: int, message: str) -> web.StreamResponse:
    """A stream has its 200 before the engine looks at it, so its error comes as an event."""
    body = errors.body(status, message)
    if not (call.stream and isinstance(writer, StreamFormat)):
        return json_response(status, body)
    response = await open_stream(request)
    await response.write(writer.error(body))
    await response.write_eof()
    return response


async def _stream(request: web.Request, work: Work, writer: StreamFormat, cut_after: int | None) -> web.StreamResponse:
    response = await open_stream(request)
    if head := writer.head():
        await response.write(head)
    sent = [0] * len(work.sequences)
    left = cut_after
    while not work.complete():
        await work.progress()
        out: list[bytes] = []
        for index, sequence in enumerate(work.sequences):
            for position in range(sent[index], sequence.produced):
                if left is not None and left <= 0:
                    break
                left = None if left is None else left - 1
                out.append(writer.token(index, position, work.sequences))
                sent[index] = position + 1
        if left is not None and left <= 0:
            await response.write(b"".join(out))
            # Resetting at once would also throw away what the kernel has not sent: let the tokens arrive first.
            await asyncio.sleep(0.02)
            reset(request.transport)
            raise asyncio.CancelledError
        if work.complete():
            out.append(writer.end(work.sequences))
        await response.write(b"".join(out))
    await response.write_eof()
    return response
