"""An admin port beside the engines, so that even a dead one can be brought back."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from aiohttp import web

from signalbox.sim import errors
from signalbox.sim.control import calls_by_http, faults_by_http, script_by_http
from signalbox.sim.server import SimulatedEngine
from signalbox.sim.transport import json_response

_CONTROLS: dict[str, Callable[[SimulatedEngine, web.Request], Awaitable[web.StreamResponse]]] = {
    "faults": faults_by_http,
    "script": script_by_http,
    "calls": calls_by_http,
}


async def serve(engines: Sequence[SimulatedEngine], host: str, port: int) -> web.AppRunner:
    """Listen; the caller cleans the runner up. ``/sim/engines`` lists them, ``/sim/engines/NAME/faults`` switches."""
    by_name = {engine.name: engine for engine in engines}

    async def show(request: web.Request) -> web.Response:
        listed = [
            {"name": e.name, "model": e.profile.model, "address": e.address, "faults": msgspec.to_builtins(e.faults)}
            for e in engines
        ]
        return json_response(200, msgspec.json.encode(listed))

    async def control(request: web.Request) -> web.StreamResponse:
        engine = by_name.get(request.match_info["name"])
        if engine is None:
            return json_response(404, errors.body(404, f"no engine is named {request.match_info['name']!r}"))
        return await _CONTROLS[request.match_info["control"]](engine, request)

    app = web.Application()
    app.add_routes(
        [web.get("/sim/engines", show), web.route("*", "/sim/engines/{name}/{control:faults|script|calls}", control)]
    )
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
