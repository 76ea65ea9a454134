"""Faults, script and log of calls by HTTP, on the engine's own port or on the admin port."""

from typing import Protocol

from aiohttp import web

from signalbox.sim import errors, faults, script
from signalbox.sim.faults import Faults
from signalbox.sim.log import CallLog
from signalbox.sim.scripted import Script
from signalbox.sim.transport import json_response


class Controlled(Protocol):
    """An engine as it is seen from here."""

    faults: Faults
    script: Script
    calls: CallLog

    async def apply(self, wanted: Faults) -> None:
        """Replace the faults in force."""


async def faults_by_http(engine: Controlled, request: web.Request) -> web.StreamResponse:
    """GET shows the faults in force, POST replaces them, DELETE clears them."""
    if request.method in {"POST", "PUT"}:
        try:
            wanted = faults.decode(await request.read())
        except ValueError as error:
            return json_response(400, errors.body(400, str(error)))
    elif request.method == "DELETE":
        wanted = faults.HEALTHY
    else:
        return json_response(200, faults.encode(engine.faults))
    response = json_response(200, faults.encode(wanted))
    if wanted.dead:
        # The answer leaves first: it may travel over a connection that dies with the engine.
        await response.prepare(request)
        await response.write_eof()
    await engine.apply(wanted)
    return response


async def script_by_http(engine: Controlled, request: web.Request) -> web.Response:
    """GET shows the rules, POST replaces them (YAML or JSON; they begin anew), DELETE leaves none."""
    if request.method in {"POST", "PUT"}:
        try:
            engine.script = Script(script.parse(await request.read()))
        except ValueError as error:
            return json_response(400, errors.body(400, str(error)))
    elif request.method == "DELETE":
        engine.script = Script()
    return json_response(200, script.encode(engine.script.rules))


async def calls_by_http(engine: Controlled, request: web.Request) -> web.Response:
    """GET shows what was asked and what came of it, DELETE forgets it."""
    if request.method == "DELETE":
        engine.calls.clear()
    return json_response(200, engine.calls.encode())
