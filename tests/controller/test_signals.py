"""What the operator says of engines' load: a real operator asks an engine of this machine, on a real API server."""

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from world import API, World, backend, eventually, policy

from cluster.api import Object
from cluster.kubectl import kubectl

METRICS = """\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{model_name="m"}} {running}
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{model_name="m"}} {waiting}
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{model_name="m"}} 0.5
# TYPE vllm:generation_tokens_total counter
vllm:generation_tokens_total{{model_name="m"}} 100000
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{model_name="m"}} 100000
# TYPE vllm:request_success_total counter
vllm:request_success_total{{model_name="m"}} 1000
"""
FEEDBACK = {"interval": "1s", "staleAfter": "2s"}
REST_SECONDS = 6.0


class Engine:
    """Serves metrics on this machine; ``answer`` is what it says."""

    def __init__(self) -> None:
        self.answer = 200, METRICS.format(running=40, waiting=3)
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                status, text = engine.answer
                self.send_response(status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: Any) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    running = Engine()
    yield running
    running.close()


def status(world: World, kind: str, name: str) -> Object:
    found: Object = world.api.get(API, kind, name, world.namespace)["status"]
    return found


def fresh(world: World, kind: str = "ModelBackend", name: str = "a") -> tuple[str, str]:
    return world.conditions(kind, name)["SignalsFresh"]


@pytest.mark.usefixtures("permissive")
def test_load_and_weights_are_shown_and_stale_signals_are_nobodys_end(world: World, engine: Engine) -> None:
    two = [{"name": name, "backendRef": {"name": name}} for name in ("a", "b")]
    route = {"name": "all", "weighted": {"targets": [{"name": "a"}, {"name": "b"}]}}
    world.apply(backend("a", url=engine.url, signals={"engine": "VLLM"}), backend("b"))
    world.apply(policy(targets=two, routes=[route], feedback=FEEDBACK))
    eventually(lambda: fresh(world) == ("True", "Fresh"))
    eventually(lambda: fresh(world, "RoutingPolicy", "chat") == ("True", "Fresh"))
    assert "SignalsFresh" not in world.conditions("ModelBackend", "b")
    load = status(world, "ModelBackend", "a")["load"]
    assert (load["running"], load["waiting"], load["kvCacheUsagePercent"]) == (40, 3, 50)
    (shown,) = status(world, "RoutingPolicy", "chat")["routes"]
    assert shown["name"] == "all"
    assert {each["target"] for each in shown["weights"]} == {"a", "b"}
    assert sum(each["effectivePermille"] for each in shown["weights"]) == pytest.approx(1000, abs=1)
    listed = kubectl(world.cluster, "get", "mb,rp", "-n", world.namespace).stdout
    assert shown["summary"] in listed
    assert re.search(r"/a +m +True +1 +40 +3 +Ready", listed), listed

    world.settle()
    before = world.versions()
    time.sleep(REST_SECONDS)
    assert world.versions() == before, "times alone are no reason to write"

    engine.answer = 200, "<html>moved</html>"
    eventually(lambda: fresh(world) == ("False", "MissingSeries"))
    eventually(lambda: fresh(world, "RoutingPolicy", "chat") == ("False", "Stale"))
    conditions = {each["type"]: each for each in status(world, "ModelBackend", "a")["conditions"]}
    assert conditions["SignalsFresh"]["message"].startswith("1 of 1 endpoints do not say")
    assert conditions["Ready"]["status"] == "True"
    assert "moved" not in str(status(world, "ModelBackend", "a")), "what an engine says is in no status"
    eventually(lambda: "FellBack" in world.told())

    engine.answer = 404, "moved"
    eventually(lambda: fresh(world) == ("False", "NotMetrics"))
    engine.answer = 401, ""
    eventually(lambda: fresh(world) == ("False", "Unauthorized"))
    engine.answer = 200, METRICS.format(running=8, waiting=0)
    eventually(lambda: fresh(world) == ("True", "Fresh"))
    eventually(lambda: "FollowsLoad" in world.told())

    world.apply(policy(targets=two, routes=[route], feedback={"mode": "Disabled"}))
    eventually(lambda: "routes" not in status(world, "RoutingPolicy", "chat"))
    eventually(lambda: fresh(world) == ("True", "Fresh"))

    world.api.delete(API, "RoutingPolicy", "chat", world.namespace)
    eventually(lambda: "load" not in status(world, "ModelBackend", "a"))
    eventually(lambda: "SignalsFresh" not in (world.conditions("ModelBackend", "a") or {"SignalsFresh": ""}))


@pytest.mark.usefixtures("permissive")
def test_a_port_that_the_service_does_not_have_is_said(world: World) -> None:
    ports = {"ports": [{"name": "http", "port": 80}]}
    world.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": ports})
    signals = {"engine": "VLLM", "port": "metrics"}
    world.apply(backend("a", serviceRef={"name": "s", "port": "http"}, signals=signals), policy())
    eventually(lambda: fresh(world) == ("False", "PortNotFound"))
    ports["ports"].append({"name": "metrics", "port": 9000})
    world.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": ports})
    eventually(lambda: "SignalsFresh" not in (world.conditions("ModelBackend", "a") or {"SignalsFresh": ""}))
