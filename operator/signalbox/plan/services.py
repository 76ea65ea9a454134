"""What a ``serviceRef`` leads to: the ready addresses behind a port of a Service, as a kube-proxy would find them."""

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from signalbox.plan.observed import Service
from signalbox.routing.config import Address

SERVICE_LABEL = "kubernetes.io/service-name"


def service_of(
    service: Mapping[str, Any],
    slices: Iterable[Mapping[str, Any]],
    port: int | str,
    dns: str | None = None,
    metrics: str | None = None,
) -> Service:
    """The endpoints behind ``port``. ``slices`` are the EndpointSlices of the Service; ``dns`` is its name, where
    names of Services resolve; ``metrics`` is the name of a further port. Objects may come from people: whatever has
    another form counts as absent.
    """
    slices = [*slices]
    chosen = _port(service, port)
    if chosen is None:
        return Service(port=False)
    addresses, others = _behind(slices, chosen)
    number = _dns_port(service, chosen, [address.port for address in [*addresses, *others]])
    name = Address(host=dns, port=number) if dns and number is not None else None
    further = _port(service, metrics) if metrics is not None else None
    return Service(
        endpoints=tuple(dict.fromkeys(addresses)),
        total=len(dict.fromkeys([*addresses, *others])),
        dns=name,
        metrics=tuple(dict.fromkeys(_behind(slices, further)[0])) if further is not None else None,
    )


def _port(service: Mapping[str, Any], port: int | str) -> dict[str, Any] | None:
    """A port of a Service, by number or name."""
    return next((p for p in _dicts(at(service, "spec", "ports")) if port in (p.get("port"), p.get("name"))), None)


def _behind(slices: Iterable[Mapping[str, Any]], chosen: Mapping[str, Any]) -> tuple[list[Address], list[Address]]:
    """The addresses behind a port: those that are ready, and the others."""
    addresses: list[Address] = []
    others: list[Address] = []
    for one in slices:
        numbers = [
            p["port"]
            for p in _dicts(one.get("ports"))
            if (p.get("name") or "") == (chosen.get("name") or "") and isinstance(p.get("port"), int)
        ]
        for endpoint in _dicts(one.get("endpoints")):
            found = addresses if at(endpoint, "conditions", "ready") is not False else others
            hosts = [a for a in endpoint.get("addresses") or () if isinstance(a, str) and is_ip(a)]
            found += [Address(host=host, port=number) for host in hosts for number in numbers]
    return addresses, others


def _dns_port(service: Mapping[str, Any], chosen: Mapping[str, Any], at_pods: list[int]) -> int | None:
    """Where the Service's name is listened at: the name of a headless one is that of its pods."""
    number: Any = chosen.get("port")
    if at(service, "spec", "clusterIP") == "None":
        number = chosen.get("targetPort", number)
        if at_pods:
            number = max(set(at_pods), key=lambda port: (at_pods.count(port), -port))
    return number if isinstance(number, int) else None


def is_ip(host: str) -> bool:
    """Whether it is an address and not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def at(data: Any, *path: str) -> Any:
    """What stands at a path of nested mappings; None where any of it is missing."""
    for step in path:
        data = data.get(step) if isinstance(data, Mapping) else None
    return data


def _dicts(data: Any) -> list[dict[str, Any]]:
    return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
