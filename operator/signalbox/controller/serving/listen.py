"""The ports of the operator."""

import ssl

from aiohttp import web

from signalbox.routing.config import Address

# What is still being answered at the end has this long.
END_SECONDS = 0.5


async def listen(
    application: web.Application, at: Address | None, context: ssl.SSLContext | None = None
) -> web.AppRunner:
    """Serve an application, nowhere where ``at`` is None; ``cleanup`` of the answer ends it. Raises ``OSError``."""
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=END_SECONDS)
    await runner.setup()
    if at is not None:
        await web.TCPSite(runner, at.host, at.port, ssl_context=context).start()
    return runner
