"""Addresses that no backend may have: problems with the field and the fix."""

from typing import Any

import pytest

from signalbox.api import ModelBackend
from signalbox.plan.backends import PlannedBackend, compile_backend
from signalbox.plan.observed import Observed, Service
from signalbox.plan.problems import Problem
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.routing.config import Address

RULES = AddressRules(deny=parse_networks(["10.96.0.1"]))


def compiled(observed: Observed, **spec: Any) -> tuple[PlannedBackend, list[Problem]]:
    document = {"apiVersion": "signalbox.dev/v1alpha1", "kind": "ModelBackend", "metadata": {"name": "b"}}
    problems: list[Problem] = []
    backend = ModelBackend.model_validate({**document, "spec": {"model": "m", **spec}})
    return compile_backend(backend, observed, problems.append), problems


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1:8000/v1", "127.0.0.1 is a loopback address"),
        ("http://[fe80::1]/v1", "fe80::1 is a link-local address"),
        ("http://169.254.169.254/v1", "169.254.169.254 is a metadata address of a cloud"),
        ("https://[::ffff:169.254.169.254]/v1", "169.254.169.254 is a metadata address of a cloud"),
        ("https://10.96.0.1/v1", "10.96.0.1 is reserved for the operator or the API server"),
    ],
)
def test_a_url_with_a_closed_address_is_refused(url: str, reason: str) -> None:
    planned, (problem,) = compiled(Observed(addresses=RULES), url=url)
    assert not planned.resolved
    assert planned.config.dns is None
    assert (problem.reason, problem.path, problem.condition) == ("AddressRefused", "spec.url", "ResolvedRefs")
    assert problem.message == reason
    network = f"{reason.split(maxsplit=1)[0]}/{128 if 'fe80' in reason else 32}"
    assert problem.fix == f"use another address, or start the operator with --allow-cidr {network}"
    opened = AddressRules(parse_networks([network]), parse_networks(["10.96.0.1"]))
    assert compiled(Observed(addresses=opened), url=url)[1] == []


@pytest.mark.parametrize("url", ["http://10.0.0.1/v1", "https://api.example.com/v1", "http://localhost/v1"])
def test_others_and_names_are_the_routers_affair(url: str) -> None:
    assert compiled(Observed(addresses=RULES), url=url)[1] == []


def endpoints(*hosts: str) -> Observed:
    service = Service(
        endpoints=tuple(Address(host=host, port=80) for host in hosts), dns=Address(host="s.n.svc", port=80)
    )
    return Observed(services={"b": service}, addresses=RULES)


def test_endpoints_with_closed_addresses_are_left_out() -> None:
    planned, (problem,) = compiled(endpoints("10.0.0.1", "127.0.0.1"), serviceRef={"name": "s", "port": 80})
    assert planned.config.endpoints == (Address(host="10.0.0.1", port=80),)
    assert (problem.severity, problem.path) == ("warning", "spec.serviceRef")
    assert problem.message == "127.0.0.1 is a loopback address"


def test_a_service_with_nothing_else_is_refused_as_a_whole() -> None:
    planned, (problem,) = compiled(endpoints("127.0.0.1", "10.96.0.1"), serviceRef={"name": "s", "port": 80})
    assert (planned.config.endpoints, planned.config.dns, planned.resolved) == ((), None, False)
    assert problem.severity == "error"
    assert problem.fix.endswith("--allow-cidr 10.96.0.1/32 --allow-cidr 127.0.0.1/32")


def test_without_rules_a_metadata_address_is_a_warning() -> None:
    planned, (problem,) = compiled(Observed(), url="http://169.254.169.254/v1")
    assert planned.resolved
    assert problem.severity == "warning"
    assert compiled(Observed(), url="http://127.0.0.1/v1")[1] == []
