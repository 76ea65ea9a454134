"""Where the page is: on a loopback address, at a port that is asked for or at any free one."""

from aiohttp import web

from signalbox.signals.page.server import Page

END_SECONDS = 0.5


async def serve(page: Page, host: str, port: int, *, free: bool = False) -> tuple[web.AppRunner, str]:
    """The runner, whose ``cleanup`` ends it, and the URL. With ``free``, another port will do where this one is taken.
    Raises ``OSError``."""
    runner = web.AppRunner(page.application(), access_log=None, shutdown_timeout=END_SECONDS)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError:
            if not free:
                raise
            await web.TCPSite(runner, host, 0).start()
    except OSError:
        await runner.cleanup()
        raise
    bound = runner.addresses[0][1]
    shown = f"[{host}]" if ":" in host else host
    return runner, f"http://{shown}:{bound}"
