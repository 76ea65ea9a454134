"""A proxy that counts the writes of an operator, and strikes at the Nth: the operator dies, or never hears the answer.

Several operators may share it: each works in a namespace of its own, and the paths of its requests say whose they are.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from aiohttp import web
from faulty import Proxy

from cluster.running import Cluster

_NAMESPACE = re.compile(r"/namespaces/([^/]+)/")
_LEASES = re.compile(r"/leases(/|$)")


def is_write(request: web.Request) -> bool:
    """Whether a request changes what users see; the Lease says who acts, and is none of that."""
    return request.method not in {"GET", "HEAD"} and not _LEASES.search(request.path)


@dataclass
class Cut:
    """What happens at the Nth write of a namespace, once the API server has done it; 0: nothing.

    Either ``struck`` is called and no other request of that namespace passes until ``mend``, or, with ``lives``, the
    answer alone is lost. ``writes`` are those so far, with method and path.
    """

    at: int = 0
    lives: bool = False
    struck: Callable[[], None] = lambda: None
    dead: bool = False
    done: bool = False
    writes: list[str] = field(default_factory=list)

    def mend(self) -> None:
        """Requests pass again: those of the next operator."""
        self.dead = False


class CuttingProxy(Proxy):
    """``cuts`` by namespace."""

    def __init__(self, cluster: Cluster) -> None:
        super().__init__(cluster)
        self.cuts: dict[str, Cut] = {}

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        found = _NAMESPACE.search(request.path)
        cut = self.cuts.get(found[1]) if found else None
        if cut is None:
            return await super()._handle(request)
        if cut.dead:
            return _hang_up(request)
        if not is_write(request):
            return await super()._handle(request)
        return await self._counted(request, cut)

    async def _counted(self, request: web.Request, cut: Cut) -> web.StreamResponse:
        body = await request.read()
        if cut.dead:
            return _hang_up(request)
        cut.writes.append(f"{request.method} {request.path}")
        strikes = len(cut.writes) == cut.at
        if strikes and not cut.lives:
            cut.dead = True  # whatever comes meanwhile is from an operator that is as good as dead
        async with self._sent(request, body) as answer:
            content = await answer.read()
        if not strikes:
            return web.Response(status=answer.status, body=content, content_type=answer.content_type)
        cut.done = True
        cut.struck()
        return _hang_up(request)


def _hang_up(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
