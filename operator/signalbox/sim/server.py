"""One simulated engine behind HTTP: a thin shell of aiohttp around the pure engine."""

import asyncio
import random
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from signalbox.sim import errors, faults
from signalbox.sim.calls import Call, decode, read
from signalbox.sim.engine import Engine, Sequence
from signalbox.sim.errors import RequestError
from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.formats import FORMATS, Format
from signalbox.sim.profile import Profile

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY = 64 << 20
_RESET = struct.pack("ii", 1, 0)


class Work:
    """One request inside the engine; its handler sleeps on ``progress`` and is woken once per step."""

    def __init__(self, call: Call) -> None:
        self.call = call
        per_prompt = call.choices_per_prompt if call.answers else 1
        self.sequences = [
            Sequence(tokens, len(call.answers[i * per_prompt + j].tokens) if call.answers else 0, prefix, owner=self)
            for i, (tokens, prefix) in enumerate(call.prompts)
            for j in range(per_prompt)
        ]
        self._waiter: asyncio.Future[None] | None = None

    def complete(self) -> bool:
        """All its answers are there."""
        return all(sequence.done for sequence in self.sequences)

    def wake(self) -> None:
        """A step gave it something."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def progress(self) -> None:
        """Wait for the next wake."""
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class SimulatedEngine:
    """Serves one model on one address. ``keys``: accepted API keys, none means open."""

    def __init__(self, name: str, profile: Profile, *, keys: tuple[str, ...] = (), seed: int | None = None) -> None:
        self.name, self.profile = name, profile
        self.faults = HEALTHY
        self.engine = Engine(profile, random.Random(seed))  # noqa: S311 (jitter and prose, not secrets)
        self._random = random.Random(seed)  # noqa: S311 (as above)
        self._keys = keys
        self._timer: asyncio.TimerHandle | None = None
        self._cure: asyncio.TimerHandle | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._address = ("127.0.0.1", 0)
        self._switching = asyncio.Lock()

    # Life

    @property
    def address(self) -> str:
        """host:port, known once started."""
        host, port = self._address
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen; port 0 takes a free one. Raises ``OSError`` when the address is taken."""
        self._address = (host, port)
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                *(web.post(path, self._inference(op)) for path, (op, _) in FORMATS.items()),
                web.get("/v1/models", self._models),
                web.get("/health", self._health),
                web.get("/sim/faults", self._show_faults),
                web.post("/sim/faults", self._set_faults),
                web.delete("/sim/faults", self._clear_faults),
            ]
        )
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        await self._listen()

    async def stop(self) -> None:
        """Close the listener and every connection."""
        for handle in (self._timer, self._cure):
            if handle is not None:
                handle.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = self._site = None

    async def apply(self, wanted: Faults) -> None:
        """Replace the faults in force; ``HEALTHY`` cures everything."""
        async with self._switching:
            now = asyncio.get_running_loop().time()
            if self._cure is not None:
                self._cure.cancel()
                self._cure = None
            if wanted.seconds is not None:
                self._cure = asyncio.get_running_loop().call_later(wanted.seconds, self._cured)
            self.faults = wanted
            self.engine.slow, self.engine.draining = wanted.slow, wanted.draining
            if self.engine.stalled and not wanted.stalled:
                self.engine.resume(now)
            self.engine.stalled = wanted.stalled
            if wanted.dead:
                await self._die()
            elif self._site is None:
                await self._listen()
            self._arm()

    def _cured(self) -> None:
        self._cure = None
        self._curing = asyncio.get_running_loop().create_task(self.apply(HEALTHY))

    async def _listen(self) -> None:
        if self._runner is None:
            return
        host, port = self._address
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=4096)
        self._address = listener.getsockname()[:2]
        self._site = web.SockSite(self._runner, listener)
        await self._site.start()

    async def _die(self) -> None:
        """As a killed process looks from outside: nobody listens, and every connection is reset."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        server = self._runner.server if self._runner is not None else None
        for connection in server.connections if server is not None else ():
            _reset(connection.transport)

    # The engine's clock

    def _arm(self) -> None:
        due = self.engine.due
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer = asyncio.get_running_loop().call_at(due, self._pump)

    def _pump(self) -> None:
        self._timer = None
        for step in self.engine.poll(asyncio.get_running_loop().time()):
            for sequence in step.advanced:
                if isinstance(sequence.owner, Work):
                    sequence.owner.wake()
        self._arm()

    # Requests

    def _inference(self, operation: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await self._infer(operation, request)
            except RequestError as error:
                return _json(error.status, errors.body(error.status, error.message, error.param))

        return handle

    async def _infer(self, operation: str, request: web.Request) -> web.StreamResponse:
        data = await request.read()
        self._authorize(request)
        bad = self.faults if self._random.uniform(0, 100) < self.faults.percent else HEALTHY
        if bad.reset:
            _reset(request.transport)
            raise ConnectionResetError
        if bad.status is not None:
            headers = {} if bad.retry_after is None else {"Retry-After": f"{bad.retry_after:g}"}
            return _json(bad.status, errors.body(bad.status, code=bad.code), headers)
        body = decode(data)
        if body.get("model") not in {None, self.profile.model}:
            raise RequestError(f"The model `{body['model']}` does not exist.", 404, "model")
        work = Work(read(operation, body, self.profile, self._random, time.time()))
        form = dict(FORMATS.values())[operation](work.call, self.name)
        refusal = self._refusal(bad, work)
        if refusal is not None:
            return await self._refuse(request, form, work.call, *refusal)
        self._arm()
        try:
            if work.call.stream:
                return await self._stream(request, work, form, bad.cut_after)
            while not work.complete():
                await work.progress()
            if bad.cut_after is not None:
                _reset(request.transport)
                raise ConnectionResetError
            return _json(200, msgspec.json.encode(form.unary(work.sequences)))
        finally:
            self.engine.abort(work.sequences)

    def _authorize(self, request: web.Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._keys and given not in self._keys:
            raise RequestError("Unauthorized", 401)

    def _refusal(self, bad: Faults, work: Work) -> tuple[int, str] | None:
        """Admit the work, or say with which error it fails."""
        if bad.error_event is not None:
            return bad.error_event, errors.phrase(bad.error_event)
        if not self.engine.submit(work.sequences, asyncio.get_running_loop().time()):
            return 503, "The engine is shutting down." if self.engine.draining else "The request queue is full."
        return None

    async def _refuse(
        self, request: web.Request, form: Format, call: Call, status: int, message: str
    ) -> web.StreamResponse:
        """A stream has its 200 before the engine looks at it, so its error comes as an event."""
        body = errors.body(status, message)
        if not call.stream:
            return _json(status, body)
        response = await _open_stream(request)
        await response.write(form.error(body))
        await response.write_eof()
        return response

    async def _stream(
        self, request: web.Request, work: Work, form: Format, cut_after: int | None
    ) -> web.StreamResponse:
        response = await _open_stream(request)
        head = form.head()
        if head:
            await response.write(head)
        sent = [0] * len(work.sequences)
        while not work.complete():
            await work.progress()
            out: list[bytes] = []
            for index, sequence in enumerate(work.sequences):
                for position in range(sent[index], sequence.produced):
                    if cut_after is not None and sum(sent) >= cut_after:
                        await response.write(b"".join(out))
                        _reset(request.transport)
                        raise ConnectionResetError
                    out.append(form.token(index, position, work.sequences))
                    sent[index] += 1
            if work.complete():
                out.append(form.end(work.sequences))
            await response.write(b"".join(out))
        await response.write_eof()
        return response

    async def _models(self, request: web.Request) -> web.Response:
        model = {
            "id": self.profile.model,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "signalbox",
            "root": self.profile.model,
            "parent": None,
            "max_model_len": self.profile.context_window,
        }
        return web.json_response({"object": "list", "data": [model]})

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    # Faults by HTTP

    async def _show_faults(self, request: web.Request) -> web.Response:
        return _json(200, faults.encode(self.faults))

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            wanted = faults.decode(await request.read())
        except ValueError as error:
            return _json(400, errors.body(400, str(error)))
        response = _json(200, faults.encode(wanted))
        if wanted.dead:
            await response.prepare(request)
            await response.write_eof()
        await self.apply(wanted)
        return response

    async def _clear_faults(self, request: web.Request) -> web.Response:
        await self.apply(HEALTHY)
        return _json(200, faults.encode(HEALTHY))


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, headers=headers, content_type="application/json")


async def _open_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
    await response.prepare(request)
    return response


def _reset(transport: Any) -> None:
    """Close with RST, as the kernel does for a process that died."""
    if transport is None or transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
