"""What a ``serviceRef`` leads to without a cluster: ``--endpoint``, or Service and EndpointSlice in the directory."""

from collections.abc import Iterable, Mapping, Sequence

from signalbox.api import ModelBackend
from signalbox.local.source import Source
from signalbox.plan.observed import Service
from signalbox.plan.outlines import metrics_port
from signalbox.plan.services import SERVICE_LABEL, at, is_ip, service_of
from signalbox.routing.addresses import AddressError, read_address
from signalbox.routing.config import Address


def read_endpoints(texts: Iterable[str]) -> dict[str, Service]:
    """``NAME=HOST:PORT`` by name of the backend; several of one name add up. Raises ``AddressError``."""
    found: dict[str, list[Address]] = {}
    for text in texts:
        name, equals, address = text.partition("=")
        if not equals or not name:
            raise AddressError(f"{text!r} is not NAME=HOST:PORT, such as llama-8b=127.0.0.1:9101")
        found.setdefault(name, []).append(read_address(address))
    return {name: _service(name, addresses) for name, addresses in found.items()}


def _service(name: str, addresses: Sequence[Address]) -> Service:
    """One address stands for every port of the Service: without a cluster nobody knows the others."""
    named = [a for a in addresses if not is_ip(a.host)]
    if not named:
        unlike = tuple(dict.fromkeys(addresses))
        return Service(endpoints=unlike, metrics=unlike)
    if len(addresses) > 1:
        raise AddressError(f"{name} has several endpoints, so all must be IP addresses: {named[0].host} is none")
    return Service(dns=named[0], metrics=(named[0],))


def observe(backends: Iterable[ModelBackend], source: Source, given: Mapping[str, Service]) -> dict[str, Service]:
    """The Service of every backend with a ``serviceRef``, as far as it is known, by name of the backend."""
    found: dict[str, Service] = {}
    for backend in backends:
        reference, name = backend.spec.service_ref, backend.metadata.name
        if reference is None:
            continue
        service = given.get(name) or _from_yaml(source, reference.name, reference.port, metrics_port(backend))
        if service is not None:
            found[name] = service
    return found


def _from_yaml(source: Source, name: str, port: int | str, metrics: str | None) -> Service | None:
    """Endpoints as a kube-proxy would find them; None without the Service or without any EndpointSlice of it."""
    service = source.find("Service", name)
    slices = [s for s in source.of_kind("EndpointSlice") if at(s.data, "metadata", "labels", SERVICE_LABEL) == name]
    if service is None or not slices:
        return None
    return service_of(service.data, [one.data for one in slices], port, metrics=metrics)
