"""The ports of the operator."""

import ssl

from aiohttp import web

from signalbox.routing.config import Address


async def listen(
    application: web.Application, at: Address | None, context: ssl.SSLContext | None = None
) -> web.AppRunner:
    """Serve an application, nowhere where ``at`` is None; ``cleanup`` of the answer ends it. Raises ``OSError``."""
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    if at is not None:
        await web.TCPSite(runner, at.host, at.port, ssl_context=context).start()
    return runner
