"""From the store to what a plan must know beside the resources."""

from collections.abc import Iterable, Mapping

from signalbox.controller.applying.apply import is_ours
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Object
from signalbox.kube.resources import BACKENDS, DEPLOYMENTS, ENDPOINT_SLICES, SECRETS, SERVICES
from signalbox.plan.contents import Facts
from signalbox.plan.observed import Observed, Service
from signalbox.plan.outlines import BackendOutline
from signalbox.plan.services import SERVICE_LABEL, is_ip, service_of
from signalbox.routing.address_rules import AddressRules, Network, parse_networks

KUBERNETES = "default", "kubernetes"


def services(store: Store, namespace: str, backends: Iterable[BackendOutline]) -> dict[str, Service]:
    """What each ``serviceRef`` leads to, by name of the backend."""
    slices: dict[str, list[Object]] = {}
    for one in store.of(ENDPOINT_SLICES, namespace):
        slices.setdefault(_service_name(one), []).append(one)
    found: dict[str, Service] = {}
    for backend in backends:
        if backend.service is None:
            continue
        name, port = backend.service
        service = store.get(SERVICES, namespace, name)
        if service is not None:
            found[backend.name] = service_of(
                service, slices.get(name, ()), port, f"{name}.{namespace}.svc", backend.metrics
            )
    return found


def observed(
    store: Store,
    children: Store,
    namespace: str,
    backends: Mapping[str, BackendOutline],
    secrets: Facts,
    config_maps: Facts,
    faults: Mapping[str, str],
    rules: AddressRules,
    own: Iterable[tuple[str, str]] = (),
) -> Observed:
    """What the plan must know: names and addresses. Backends that are there but not among ``backends`` are invalid;
    ``own`` are the operator's Services."""
    there = store.kept(BACKENDS, namespace).keys()
    return Observed(
        services=services(store, namespace, backends.values()),
        secrets=_names(secrets),
        config_maps=_names(config_maps),
        invalid_backends=frozenset(there - backends.keys()),
        addresses=rules.denying(_addresses(store, (KUBERNETES, *own))),
        faults=faults,
        kept=_kept(children, namespace) if faults else {},  # asked only about what is no good now
        replicas={
            name: brief["spec"]["replicas"]
            for name, kept in children.kept(DEPLOYMENTS, namespace).items()
            if "replicas" in (brief := kept.brief or kept.object)["spec"]
        },
    )


def _kept(children: Store, namespace: str) -> dict[str, frozenset[str]]:
    """The entries that each router has a content of."""
    return {
        live["metadata"]["name"]: frozenset(live.get("data") or ())
        for live in children.of(SECRETS, namespace)
        if is_ours(live)
    }


def _addresses(store: Store, services: Iterable[tuple[str, str]]) -> tuple[Network, ...]:
    """The addresses of Services by namespace and name, and those behind them, where their namespaces are watched."""
    hosts: list[str] = []
    for namespace, name in services:
        hosts += (store.get(SERVICES, namespace, name) or {"spec": {}})["spec"].get("clusterIPs") or ()
        slices = [one for one in store.of(ENDPOINT_SLICES, namespace) if _service_name(one) == name]
        hosts += [host for one in slices for endpoint in one["endpoints"] for host in endpoint.get("addresses") or ()]
    return parse_networks(sorted({host for host in hosts if is_ip(host)}))


def _names(values: Facts) -> dict[str, frozenset[str]]:
    return {name: frozenset(found) for name, found in values.items()}


def _service_name(endpoint_slice: Object) -> str:
    return str((endpoint_slice["metadata"].get("labels") or {}).get(SERVICE_LABEL, ""))
