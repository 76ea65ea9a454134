"""The name and port by which a router without an operator finds the pods of a Service."""

from typing import Any

import pytest

from signalbox.plan.services import SERVICE_LABEL, service_of
from signalbox.routing.config import Address

NAME = "engine.team.svc"


def service(cluster_ip: str | None, target: int | str | None = None) -> dict[str, Any]:
    port = {"name": "http", "port": 80, **({} if target is None else {"targetPort": target})}
    return {"spec": {"ports": [port], **({} if cluster_ip is None else {"clusterIP": cluster_ip})}}


def endpoint_slice(port: int, *addresses: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {SERVICE_LABEL: "engine"}},
        "ports": [{"name": "http", "port": port}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }


def dns_of(given: dict[str, Any], *slices: dict[str, Any]) -> Address | None:
    found = service_of(given, slices, "http", NAME).dns
    assert found == service_of(given, reversed(slices), 80, NAME).dns
    return found


@pytest.mark.parametrize("cluster_ip", ["10.96.0.7", None])
def test_the_address_of_a_service_listens_at_its_own_port(cluster_ip: str | None) -> None:
    assert dns_of(service(cluster_ip, 8000), endpoint_slice(8000, "10.1.0.1")) == Address(host=NAME, port=80)


def test_the_name_of_a_headless_service_is_that_of_its_pods_which_listen_at_theirs() -> None:
    assert dns_of(service("None", 8000), endpoint_slice(8000, "10.1.0.1")) == Address(host=NAME, port=8000)
    assert dns_of(service("None", "web"), endpoint_slice(8001, "10.1.0.1")) == Address(host=NAME, port=8001)
    assert dns_of(service("None")) == Address(host=NAME, port=80)
    assert dns_of(service("None", 8000)) == Address(host=NAME, port=8000)


def test_a_further_port_is_found_at_the_same_pods() -> None:
    ports = [{"name": "http", "port": 80}, {"name": "metrics", "port": 9000}]
    given = {"spec": {"ports": ports, "clusterIP": "10.96.0.7"}}
    one, other = endpoint_slice(8000, "10.1.0.1"), endpoint_slice(8000, "10.1.0.2")
    one["ports"].append({"name": "metrics", "port": 9001})
    found = service_of(given, iter([one, other]), "http", NAME, metrics="metrics")
    assert found.endpoints == (Address(host="10.1.0.1", port=8000), Address(host="10.1.0.2", port=8000))
    assert found.metrics == (Address(host="10.1.0.1", port=9001),)
    assert service_of(given, [one, other], "http", NAME, metrics="monitor").metrics is None
    assert service_of(given, [one, other], "http", NAME).metrics is None


def test_of_pods_that_listen_at_different_ports_most_are_found() -> None:
    many, few = endpoint_slice(8001, "10.1.0.1", "10.1.0.2"), endpoint_slice(8000, "10.1.0.3")
    assert dns_of(service("None", "web"), many, few) == Address(host=NAME, port=8001)


def test_a_name_of_a_port_that_no_pod_has_yet_leads_nowhere() -> None:
    assert dns_of(service("None", "web")) is None
