"""A proxy between a client and the real API server, which does what networks and servers do on bad days."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml
from aiohttp import web

from cluster import kubeconfig
from cluster.running import Cluster
from waiting import hang_up

DROPPED = {"host", "authorization", "content-length", "transfer-encoding", "accept-encoding"}


def is_watch(request: web.Request) -> bool:
    return request.query.get("watch") in {"1", "true"}


def is_list(request: web.Request) -> bool:
    return request.method == "GET" and not is_watch(request) and request.path.rsplit("/", 1)[-1].endswith("s")


@dataclass
class Fault:
    """What happens to the next so many requests of a kind.

    A ``status`` is the server's whole answer; without one the request is passed on and the answer ends with ``tail``,
    after ``events`` events of a watch: cut off, or hanging where ``hang`` says so. With ``late`` it arrives as it is,
    after so many seconds.
    """

    kind: Callable[[web.Request], bool]
    times: int = 1
    status: int = 0
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    events: int = 0
    tail: bytes = b""
    hang: bool = False
    late: float = 0.0


class Proxy:
    """``seen`` are the requests so far, ``url`` is where it listens (without TLS)."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.faults: list[Fault] = []
        self.seen: list[web.Request] = []
        self.unauthorized: set[str] = set()

    async def start(self) -> None:
        access = kubeconfig.read(self._cluster.kubeconfig)
        context = ssl.create_default_context(cafile=access.ca)
        if access.client:
            context.load_cert_chain(access.client.certificate, access.client.key)
        headers = {"authorization": f"Bearer {access.token}"} if access.token else {}
        self._upstream = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0), headers=headers)
        application = web.Application(client_max_size=1 << 26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()
        await self._upstream.close()
        await hang_up()

    def kubeconfig(self, file: Path, token: str = "any") -> Path:
        """A kubeconfig that leads through the proxy."""
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "faulty", "cluster": {"server": self.url}}],
            "users": [{"name": "me", "user": {"token": token}}],
            "contexts": [{"name": "faulty", "context": {"cluster": "faulty", "user": "me"}}],
            "current-context": "faulty",
        }
        file.write_text(yaml.safe_dump(content))
        return file

    def count(self, kind: Callable[[web.Request], bool]) -> int:
        return sum(kind(request) for request in self.seen)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.unauthorized:
            return _status(401, "Unauthorized")
        fault = next((each for each in self.faults if each.times and each.kind(request)), None)
        if fault is not None:
            fault.times -= 1
            if fault.status:
                return _status(fault.status, fault.reason, fault.headers)
        return await self._pass_on(request, fault)

    def _sent(self, request: web.Request, body: bytes) -> Any:
        """The request as the API server gets it."""
        headers = {key: value for key, value in request.headers.items() if key.lower() not in DROPPED}
        url = self._cluster.server + request.raw_path
        return self._upstream.request(request.method, url, data=body or None, headers=headers)

    async def _pass_on(self, request: web.Request, fault: Fault | None) -> web.StreamResponse:
        async with self._sent(request, await request.read()) as answer:
            if fault is not None and fault.late:
                await asyncio.sleep(fault.late)
                fault = None
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            await response.prepare(request)
            try:
                await self._copy(answer, response, fault)
            finally:
                if answer.connection is not None and answer.connection.transport is not None:
                    answer.connection.transport.abort()
            if fault is not None and request.transport is not None:
                request.transport.abort()
            return response

    async def _copy(self, answer: aiohttp.ClientResponse, response: web.StreamResponse, fault: Fault | None) -> None:
        if fault is None:
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            return
        for _ in range(fault.events):
            await response.write(await answer.content.readline())
        await response.write(fault.tail)
        if fault.hang:
            await asyncio.sleep(3600)


def _status(code: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "reason": reason, "message": f"injected: {reason}"}
    return web.json_response(body, status=code, headers=headers)
