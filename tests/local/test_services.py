"""What a serviceRef leads to without a cluster."""

from pathlib import Path

import pytest

from signalbox.api import ModelBackend
from signalbox.local.services import AddressError, observe, read_address, read_endpoints
from signalbox.local.source import choose_namespace, load
from signalbox.plan.observed import Service
from signalbox.routing.config import Address

SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: llama}
spec:
  ports: [{name: http, port: 80, targetPort: 8000}, {name: metrics, port: 9000}]
"""
SLICE = """
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: llama-%s, labels: {kubernetes.io/service-name: llama}}
ports: [{name: http, port: 8000}, {name: metrics, port: 9000}]
endpoints:
- {addresses: [10.0.0.%s], conditions: {ready: true}}
- {addresses: [10.0.1.%s], conditions: {ready: false}}
- {addresses: [10.0.2.%s]}
"""


def backend(port: int | str = "http", service: str = "llama") -> ModelBackend:
    return ModelBackend.model_validate(
        {
            "apiVersion": "signalbox.dev/v1alpha1",
            "kind": "ModelBackend",
            "metadata": {"name": "b"},
            "spec": {"model": "m", "serviceRef": {"name": service, "port": port}},
        }
    )


def seen(path: Path, text: str, one: ModelBackend, given: dict[str, Service] | None = None) -> Service | None:
    (path / "a.yaml").write_text(text)
    source = load(path)
    choose_namespace(source, None)
    return observe([one], source, given or {}).get("b")


def slices(*numbers: int) -> str:
    return "".join(SLICE % (n, n, n, n) for n in numbers)


@pytest.mark.parametrize("port", ["http", 80])
def test_ready_endpoints_of_all_slices(tmp_path: Path, port: int | str) -> None:
    found = seen(tmp_path, SERVICE + slices(1, 2), backend(port))
    assert found is not None
    assert [a.host for a in found.endpoints] == ["10.0.0.1", "10.0.2.1", "10.0.0.2", "10.0.2.2"]
    assert {a.port for a in found.endpoints} == {8000}


def test_a_port_that_the_service_does_not_have(tmp_path: Path) -> None:
    assert seen(tmp_path, SERVICE + slices(1), backend("grpc")) == Service(port=False)


@pytest.mark.parametrize("text", [SERVICE, slices(1), SERVICE.replace("llama", "other") + slices(1)])
def test_half_of_the_pair_is_nothing(tmp_path: Path, text: str) -> None:
    assert seen(tmp_path, text, backend()) is None


def test_endpoints_that_are_given_win(tmp_path: Path) -> None:
    given = read_endpoints(["b=127.0.0.1:9101", "b=[::1]:9102", "b=127.0.0.1:9101"])
    found = seen(tmp_path, SERVICE + slices(1), backend(), given)
    given_twice = (Address(host="127.0.0.1", port=9101), Address(host="::1", port=9102))
    assert found == Service(endpoints=given_twice, metrics=given_twice)


def test_one_name_is_resolved_by_the_router() -> None:
    box = Address(host="gpu-box", port=8000)
    assert read_endpoints(["b=gpu-box:8000"]) == {"b": Service(dns=box, metrics=(box,))}
    with pytest.raises(AddressError, match="gpu-box is none"):
        read_endpoints(["b=gpu-box:8000", "b=10.0.0.1:8000"])


def test_localhost_is_the_loopback_address() -> None:
    assert read_address("localhost:9101") == Address(host="127.0.0.1", port=9101)


@pytest.mark.parametrize("text", ["b", "=127.0.0.1:1", "b=127.0.0.1", "b=:80", "b=x:0", "b=x:65536", "b=x:http"])
def test_what_is_no_endpoint(text: str) -> None:
    with pytest.raises(AddressError, match="such as"):
        read_endpoints([text])
