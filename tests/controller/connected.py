"""Routers of this machine that stand for the pods of a Deployment on the API server, and their way to the leader.

There is no kubelet in this tier: what it would do (mount files, give the pod a token, forward a Service's connections)
is done here, and only that.
"""

import asyncio
import base64
import re
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from world import SECONDS, OperatorProcess, World, eventually

from cluster.api import ApiError, Object
from cluster.processes import free_ports

AUDIENCE = "signalbox.dev/control"
SERVICE = "signalbox-leader"
# Engines and routers of tests are on this machine.
LOOPBACK = ("--allow-cidr", "127.0.0.0/8")


class StreamingOperator(OperatorProcess):
    """An operator that serves the control stream, on a port of its own."""

    def __init__(self, access: Path, namespace: str, *options: str) -> None:
        (self.port,) = free_ports(1)
        super().__init__(access, namespace, "--listen", f"127.0.0.1:{self.port}", *options)


class LeaderService:
    """As kube-proxy: connections go to the port of the EndpointSlice, which is on this machine here."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.closed = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(SECONDS)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/v1/control"

    def endpoint(self) -> int:
        """The port of the leader."""
        found = self._world.api.get("discovery.k8s.io/v1", "EndpointSlice", SERVICE, self._world.namespace)
        return int(found["ports"][0]["port"])

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(SECONDS)

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(self._forward, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._end.wait()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers = [writer]
        try:
            if self.closed:
                return  # as long as it is, nobody reaches any leader
            port = await asyncio.to_thread(self.endpoint)
            there, back = await asyncio.open_connection("127.0.0.1", port)
            writers.append(back)
            pipes = [asyncio.create_task(_pipe(reader, back)), asyncio.create_task(_pipe(there, writer))]
            await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        except (OSError, ApiError):
            pass  # nobody is there
        finally:
            for each in writers:
                each.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


def pods(world: World, router: str = "chat-router") -> list[Object]:
    """The pods that the Deployment made."""
    return world.api.list("v1", "Pod", world.namespace, labelSelector=f"app.kubernetes.io/instance={router}")


def token_of(world: World, pod: Object, audience: str = AUDIENCE, account: str | None = None) -> str:
    """As the kubelet asks for it."""
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    reference = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
    running_as = account or pod["spec"]["serviceAccountName"]
    return world.api.token(running_as, pod["metadata"]["namespace"], audience, seconds=600, boundObjectRef=reference)


class RouterProcess:
    """``signalbox router`` as one pod. ``mount`` brings its files up to date, which here nobody does by himself."""

    def __init__(
        self, world: World, pod: Object, service: LeaderService, directory: Path, options: tuple[str, ...] = ()
    ) -> None:
        self._world, self._directory = world, directory
        self.router = pod["metadata"]["labels"]["app.kubernetes.io/instance"]
        self.pod = pod
        for name in ("config", "secrets"):
            (directory / name).mkdir(parents=True)
        (directory / "token").write_text(token_of(world, pod))
        self.mount()
        command = ["router", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *options]
        command += ["--config-dir", str(directory / "config"), "--secrets-dir", str(directory / "secrets")]
        command += ["--control-url", service.url, "--control-ca", str(directory / "config" / "control-ca.crt")]
        command += ["--control-token", str(directory / "token"), "--grace", "0", "--access-log", "none"]
        self.log = directory / "log"
        self._command = command
        self.start()
        self.port = self.serving()

    def start(self, *program: str) -> None:
        """Anew; ``program`` in the place of this release's."""
        with self.log.open("w") as log:
            command = [sys.executable, *(program or ("-m", "signalbox.cli")), *self._command]
            self.process = subprocess.Popen(command, stderr=log)

    def serving(self) -> int:
        """The port, once it serves."""
        return int(eventually(lambda: re.search(r"serving on port (\d+)", self.said))[1])

    @property
    def said(self) -> str:
        return self.log.read_text()

    def mount(self, *, secrets: bool = True) -> None:
        """The files as the children are now."""
        for name, content in self._world.child("v1", "ConfigMap", self.router)["data"].items():
            _put(self._directory / "config" / name, content.encode())
        if secrets:
            data = self._world.child("v1", "Secret", self.router).get("data") or {}
            for name, content in data.items():
                _put(self._directory / "secrets" / name, base64.b64decode(content))

    def models(self, key: str | None = None) -> list[str]:
        """The models that it serves."""
        headers = {"authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(f"http://127.0.0.1:{self.port}/v1/models", headers=headers, timeout=SECONDS, trust_env=False)
        return [card["id"] for card in answer.raise_for_status().json()["data"]]

    def ask(self, model: str = "auto") -> int:
        """The status of the answer to a chat completion."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        return httpx.post(url, json=body, timeout=SECONDS, trust_env=False).status_code

    def spoil(self, entry: str, content: bytes) -> None:
        """A secret entry that nobody meant to be so."""
        _put(self._directory / "secrets" / entry, content)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _put(file: Path, content: bytes) -> None:
    """In one step, as mounted files change."""
    new = file.with_name(f".{file.name}.new")
    new.write_bytes(content)
    new.rename(file)


def published(world: World, name: str = "chat-router") -> Any:
    """The hash of the newest configuration."""
    return world.child("v1", "ConfigMap", name)["metadata"]["annotations"]["signalbox.dev/config-hash"]


class Routers:
    """Both pods of the policy chat, as processes."""

    def __init__(self, world: World, service: LeaderService, directory: Path, *options: str) -> None:
        eventually(lambda: len(pods(world)) == 2)
        self.all = [
            RouterProcess(world, pod, service, directory / pod["metadata"]["name"], options) for pod in pods(world)
        ]

    def connected(self) -> None:
        for router in self.all:
            eventually(lambda router=router: "control stream: connected" in router.said)

    def serve(self, *models: str) -> None:
        for router in self.all:
            eventually(lambda router=router: router.models() == list(models))

    def kill(self) -> None:
        for router in self.all:
            router.kill()
