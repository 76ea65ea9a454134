"""What a large cluster holds: policies of the usual kind, their backends, and much that is none of our business."""

import base64
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from cluster.api import Object

API = "signalbox.dev/v1alpha1"
UNRELATED_BYTES = 100_000


@dataclass(frozen=True)
class Size:
    """How many of each, over how many namespaces."""

    policies: int
    backends: int
    unrelated: int
    namespaces: int

    def namespace(self, number: int) -> str:
        return f"team-{number % self.namespaces}"


def namespaces(size: Size) -> Iterator[Object]:
    for number in range(size.namespaces):
        yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": size.namespace(number)}}


def unrelated(size: Size) -> Iterator[Object]:
    """Secrets that nobody refers to."""
    for number in range(size.unrelated):
        yield _secret(f"unrelated-{number}", size.namespace(number), secrets.token_bytes(UNRELATED_BYTES))


def referred(size: Size) -> Iterator[Object]:
    """One Secret for each namespace's backends, one for its tenants; a Service with four endpoints for every fifth
    backend."""
    for number in range(size.namespaces):
        yield _secret("upstream", size.namespace(number), b"a-token-of-somebody")
        yield _secret("tenants", size.namespace(number), b"a-key-of-some-tenant")
    for number in range(0, size.backends, 5):
        yield from _service(number, size.namespace(_policy_of(number, size)))


def backends(size: Size) -> Iterator[Object]:
    for number in range(size.backends):
        place = {"serviceRef": {"name": f"engine-{number}", "port": 8000}}
        if number % 5:
            auth = {"apiKey": {"secretRef": {"name": "upstream", "key": "value"}}}
            place = {"url": f"https://api-{number}.example.com/v1", "auth": auth}
        spec = {
            "model": f"organisation/model-{number}",
            **place,
            "profile": {"contextWindow": 131072, "features": ["Tools", "JSONSchema"]},
            "pricing": {"inputPerMillion": "0.05", "outputPerMillion": "0.08"},
            "limits": {"requestsPerMinute": 600},
        }
        yield _object("ModelBackend", f"backend-{number}", size.namespace(_policy_of(number, size)), spec)


def policies(size: Size) -> Iterator[Object]:
    each = max(1, size.backends // size.policies)
    for number in range(size.policies):
        names = [f"backend-{number * each + position}" for position in range(each)]
        targets = [{"name": f"t{position}", "backendRef": {"name": name}} for position, name in enumerate(names)]
        everywhere = [{"name": target["name"]} for target in targets]
        short = {"name": "short", "when": "query.chars < 50 && !query.text.contains('?')"}
        long = {"name": "long", "when": "query.tokens > 8000 || conversation.turns > 20"}
        spec = {
            "models": [f"auto-{number}", f"chat-{number}"],
            "access": {"tenants": [{"name": "team", "keysFrom": [{"secretRef": {"name": "tenants"}}]}]},
            "targets": targets,
            "routes": [
                short | {"weighted": {"targets": everywhere[:1]}},
                long | {"weighted": {"targets": everywhere[-1:]}},
                {"name": "rest", "weighted": {"targets": everywhere}},
            ],
        }
        yield _object("RoutingPolicy", f"policy-{number}", size.namespace(number), spec)


def _policy_of(backend: int, size: Size) -> int:
    return backend // max(1, size.backends // size.policies)


def _object(kind: str, name: str, namespace: str, spec: Object) -> Object:
    return {"apiVersion": API, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def _secret(name: str, namespace: str, value: bytes) -> Object:
    data = {"value": base64.b64encode(value).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "data": data,
    }


def _service(number: int, namespace: str) -> Iterator[Object]:
    name = f"engine-{number}"
    metadata = {"name": name, "namespace": namespace}
    yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 8000}]}}
    addresses = [f"10.{number // 250 % 200 + 1}.{number % 250}.{last}" for last in range(1, 5)]
    yield {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata | {"labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"port": 8000}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    }
