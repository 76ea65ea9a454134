"""One simulated engine behind HTTP: its life, its clock and its faults. Requests are in ``inference``."""

import asyncio
import random
import socket
import time
from collections.abc import Sequence

import msgspec
from aiohttp import web

from signalbox.sim.control import calls_by_http, faults_by_http, script_by_http
from signalbox.sim.engine import Engine
from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.formats import PATHS
from signalbox.sim.inference import handler
from signalbox.sim.log import CallLog
from signalbox.sim.memory import Memory
from signalbox.sim.metrics import HttpMetrics, Metrics
from signalbox.sim.profile import Profile
from signalbox.sim.script import Rule
from signalbox.sim.scripted import Script
from signalbox.sim.transport import json_response, reset
from signalbox.sim.work import Work

MAX_BODY = 64 << 20


class SimulatedEngine:
    """Serves one model on one address. ``keys``: accepted API keys, none means open.

    ``script`` says what it answers to whom; ``calls`` is what it was asked, and what came of it.
    """

    def __init__(
        self,
        name: str,
        profile: Profile,
        *,
        keys: tuple[str, ...] = (),
        seed: int | None = None,
        script: Sequence[Rule] = (),
    ) -> None:
        self.name, self.profile = name, profile
        self.script = Script(script)
        self.calls = CallLog()
        self.faults = HEALTHY
        self.random = random.Random(seed)  # noqa: S311 (jitter and prose, not secrets)
        self._keys = keys
        self._timer: asyncio.Handle | None = None
        self._timer_due = 0.0
        self._cure: asyncio.TimerHandle | None = None
        self._curing: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.SockSite | None = None
        self._address = ("127.0.0.1", 0)
        self._switching = asyncio.Lock()
        self._forget()

    def _forget(self) -> None:
        """A fresh process: empty queue, empty caches, counters at 0."""
        self.core = Engine(self.profile, self.random)
        self.metrics = Metrics(self.profile)
        self.http_metrics = HttpMetrics(self.metrics.registry)
        self.memory = Memory()

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
                *(web.post(path, handler(self, path, *spoken)) for path, spoken in PATHS.items()),
                web.get("/v1/models", self._models),
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
                web.route("*", "/sim/faults", self._faults),
                web.route("*", "/sim/script", self._script),
                web.route("*", "/sim/calls", self._calls),
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
        async with self._switching:
            if self._runner is not None:
                await self._runner.cleanup()
                self._runner = self._site = None

    async def apply(self, wanted: Faults) -> None:
        """Replace the faults in force; ``HEALTHY`` cures everything. Who was dead comes back as a fresh process."""
        async with self._switching:
            loop = asyncio.get_running_loop()
            if self._cure is not None:
                self._cure.cancel()
                self._cure = None
            if wanted.seconds is not None:
                self._cure = loop.call_later(wanted.seconds, self._begin_cure)
            self.faults = wanted
            if wanted.dead:
                await self._die()
            elif self._site is None:
                self._forget()
                await self._listen()
            self.core.slow, self.core.draining = wanted.slow, wanted.draining
            if self.core.stalled and not wanted.stalled:
                self.core.resume(loop.time())
            self.core.stalled = wanted.stalled
            self._arm()

    def _begin_cure(self) -> None:
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
            reset(connection.transport)

    # What requests need

    def accepts(self, key: str) -> bool:
        """Whether a request with this API key is served."""
        return not self._keys or key in self._keys

    def draw_faults(self) -> Faults:
        """The faults that hit the next request: all in force, or none, by their share."""
        return self.faults if self.random.uniform(0, 100) < self.faults.percent else HEALTHY

    def submit(self, work: Work) -> bool:
        """Hand work to the engine; False when it is full or draining."""
        admitted = self.core.submit(work.sequences, asyncio.get_running_loop().time())
        if not admitted and not self.core.draining:
            self.metrics.rejected(len(work.sequences))
        self._arm()
        return admitted

    def _arm(self) -> None:
        """One timer for the engine's next step, whatever the number of streams."""
        due = self.core.due
        if self._timer is not None:
            if self._timer_due == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None:
            self._timer_due = due
            self._timer = asyncio.get_running_loop().call_at(due, self._pump)

    def _pump(self) -> None:
        self._timer = None
        for step in self.core.poll(asyncio.get_running_loop().time()):
            self.metrics.step(step)
            for sequence in step.advanced:
                if isinstance(sequence.owner, Work):
                    sequence.owner.wake()
        self._arm()

    # The other paths

    async def _models(self, request: web.Request) -> web.Response:
        if not self.accepts(request.headers.get("Authorization", "").removeprefix("Bearer ")):
            return json_response(401, b'{"error":"Unauthorized"}')
        model = {
            "id": self.profile.model,
            "object": "model",
            "created": int(time.time()),
            "owned_by": "signalbox",
            "root": self.profile.model,
            "parent": None,
            "max_model_len": self.profile.context_window,
        }
        return json_response(200, msgspec.json.encode({"object": "list", "data": [model]}))

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response()

    async def _metrics(self, request: web.Request) -> web.Response:
        text = self.metrics.render(self.core)
        return web.Response(body=text, headers={"Content-Type": "text/plain; version=1.0.0; charset=utf-8"})

    async def _faults(self, request: web.Request) -> web.StreamResponse:
        return await faults_by_http(self, request)

    async def _script(self, request: web.Request) -> web.StreamResponse:
        return await script_by_http(self, request)

    async def _calls(self, request: web.Request) -> web.StreamResponse:
        return await calls_by_http(self, request)
