"""A service that puts labels on queries, as a user might run one, and what can be wrong with it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from signalbox.sim.log import CallLog
from signalbox.sim.transport import reset


class Service:
    """Answers every question as ``reply`` says: ``json`` or ``text``, a ``status``, ``stalled`` or ``reset``."""

    def __init__(self, reply: Mapping[str, Any]) -> None:
        self.reply = reply
        self.calls = CallLog()

    async def start(self) -> "Service":
        app = web.Application()
        app.add_routes([web.post("/classify", self._answer)])
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.address = "{}:{}".format(*self._runner.addresses[0][:2])
        return self

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        call = self.calls.begin("classify", await request.read(), time.time())
        try:
            return await self._said(request)
        except asyncio.CancelledError:
            call.outcome = "cancelled" if call.outcome == "open" else call.outcome
            raise
        finally:
            call.outcome = "answered" if call.outcome == "open" else call.outcome
            self.calls.end(call, 0.0)

    async def _said(self, request: web.Request) -> web.Response:
        call, reply = self.calls[-1], self.reply
        if reply.get("stalled"):
            await asyncio.get_running_loop().create_future()
        if reply.get("reset"):
            call.outcome = "cut"
            reset(request.transport)
            raise asyncio.CancelledError
        if "status" in reply:
            call.outcome = "error"
            return web.Response(status=reply["status"])
        body = reply["text"].encode() if "text" in reply else msgspec.json.encode(reply["json"])
        return web.Response(body=body, content_type="application/json")
