"""What is scraped: engines, an operator with a router, local mode, and traffic through both."""

import asyncio
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import trustme
from world import World, backend, policy

from cluster.api import Object
from signalbox.sim.client import drive

RBAC = "rbac.authorization.k8s.io/v1"
RATE = 20.0


def resources(engines: Sequence[int], closed: int, least: int = 1) -> list[Object]:
    """Two engines that work, one that isn't there, and one whose metrics are elsewhere. A route of few requests spills
    from one tier to the next; ``least`` is how long a query of it is."""

    def engine(name: str, port: int, **signals: Any) -> Object:
        url = f"http://127.0.0.1:{port}/v1"
        return backend(name, url=url, model="sim", signals={"engine": "VLLM", **signals}, capacity={"concurrency": 4})

    small, large = engines
    names = ("small", "large", "gone", "mute")
    targets = [{"name": name} for name in names]
    spill = {"tiers": [{"targets": targets[:1]}, {"targets": targets[1:2]}]}
    spill["spill"] = {"fromPercent": 80, "toPercent": 100}
    routes = [
        {"name": "spilling", "when": f'query.chars > {least} && request.header("x-spill") == "yes"', "failover": spill},
        {"name": "all", "weighted": {"targets": targets}},
    ]
    return [
        engine("small", small),
        engine("large", large),
        engine("gone", closed),
        engine("mute", large, path="/nothing"),
        policy(
            targets=[{"name": name, "backendRef": {"name": name}} for name in names],
            routes=routes,
            feedback={"interval": "1s", "staleAfter": "3s"},
            router={"deployment": {"replicas": 2}},
        ),
    ]


def certificate(directory: Path) -> str:
    """A directory with one for HTTPS."""
    directory.mkdir()
    issued = trustme.CA().issue_cert("router.example.com")
    (directory / "tls.crt").write_bytes(issued.cert_chain_pems[0].bytes())
    (directory / "tls.key").write_bytes(issued.private_key_pem.bytes())
    return str(directory)


@contextmanager
def running(*arguments: str) -> Iterator[None]:
    """A command of ours as a process."""
    process = subprocess.Popen([sys.executable, "-m", "signalbox.cli", *arguments], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def traffic(port: int) -> Iterator[None]:
    """Clients of a router; now and then one asks for a model that nobody has."""
    url = f"http://127.0.0.1:{port}"
    end = threading.Event()

    async def send() -> None:
        driving = asyncio.create_task(drive(url, "auto", RATE, None, lambda _: None))
        while not end.is_set():
            await asyncio.to_thread(_ask_for_nothing, url)
            await asyncio.sleep(0.5)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(send()))
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _ask_for_nothing(url: str) -> None:
    body = json.dumps({"model": "nobody-has-it", "messages": [{"role": "user", "content": "hello"}]}).encode()
    request = urllib.request.Request(f"{url}/v1/chat/completions", body, {"content-type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=10).close()
    except urllib.error.HTTPError as error:
        error.close()
    except OSError:
        pass  # it does not listen yet


@contextmanager
def reader(world: World) -> Iterator[str]:
    """The token of one who may read the metrics."""
    name = f"metrics-{world.namespace}"
    world.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}})
    rules = [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    world.api.apply({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules})
    subjects = [{"kind": "ServiceAccount", "name": "reader", "namespace": world.namespace}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
    binding = {"apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": name}}
    world.api.apply({**binding, "roleRef": role, "subjects": subjects})
    try:
        yield world.api.token("reader", world.namespace)
    finally:
        world.api.delete(RBAC, "ClusterRoleBinding", name)
        world.api.delete(RBAC, "ClusterRole", name)
