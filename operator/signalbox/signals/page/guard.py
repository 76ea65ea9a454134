"""Who may ask: a browser on this machine that shows our own page, and nobody else's page in it.

The port is open on loopback only, so whoever can connect is on this machine or came by ``kubectl port-forward``. What
remains are foreign pages in the same browser: they may point a name of their own at 127.0.0.1, and are told apart by
the ``Host`` that their requests carry, or ask across origins, and are told apart by ``Origin`` and ``Sec-Fetch-Site``.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from yarl import URL

from signalbox.signals.page.hosts import HOSTS

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def refusal(host: str, origin: str | None, site: str | None, *, data: bool) -> str | None:
    """Why a request is refused, None where it is not. ``data``: it asks for more than the page itself, which a link
    elsewhere may lead to."""
    if _name(host) not in HOSTS:
        return "this page answers to 127.0.0.1 and localhost only"
    if origin is not None and origin.lower() != f"http://{host.lower()}":
        return "this page answers to itself only"
    if data and site not in {None, "same-origin", "none"}:
        return "this page answers to itself only"
    return None


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse, or answer with headers that let a browser load nothing from elsewhere."""
    headers = request.headers
    reason = refusal(
        headers.get("Host", ""), headers.get("Origin"), headers.get("Sec-Fetch-Site"), data=request.path != "/"
    )
    if reason is not None:
        return web.Response(status=403, text=reason + "\n", headers=HEADERS)
    return await handler(request)


async def protect(_: web.Request, response: web.StreamResponse) -> None:
    """To be called when an answer is about to leave."""
    response.headers.update(HEADERS)


def _name(host: str) -> str:
    try:
        return (URL(f"http://{host}/").host or "").lower()
    except ValueError:
        return ""
