"""Faults switched by HTTP, on the engine's own port or on the admin port."""

from typing import Protocol

from aiohttp import web

from signalbox.sim import errors, faults
from signalbox.sim.faults import Faults
from signalbox.sim.transport import json_response


class Faulty(Protocol):
    """What has faults."""

    faults: Faults

    async def apply(self, wanted: Faults) -> None:
        """Replace the faults in force."""


async def faults_by_http(engine: Faulty, request: web.Request) -> web.StreamResponse:
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
