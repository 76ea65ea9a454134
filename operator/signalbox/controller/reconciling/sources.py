"""The Secrets and ConfigMaps that a namespace's resources refer to.

Of each only facts are remembered (which keys can serve, and their digests), until its resource version changes. The
bytes that routers get are in the composed Secret already; only what is not there is fetched, and dropped after use.
"""

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from signalbox.controller.applying.apply import is_ours
from signalbox.controller.reconciling.pem import faults
from signalbox.controller.reconciling.together import in_turn
from signalbox.controller.watching.store import Store
from signalbox.kube.client import Client
from signalbox.kube.contents import values
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import CONFIG_MAPS, SECRETS, Resource
from signalbox.plan.children.names import SERVING_CERTIFICATE, SERVING_KEY
from signalbox.plan.contents import Fact, digests, fact
from signalbox.plan.credentials import Entry
from signalbox.plan.lessons import Source as LessonSource
from signalbox.plan.references import References

Place = tuple[Resource, str, str]  # kind, namespace, name

# Objects that are read at the same time, over all namespaces.
AT_ONCE = 8
# Then it is no matter of the object: the server is away, does not know us, or has too much to do.
EVERYBODYS = frozenset({0, 401, 429, 503, 504})


def usable(used: References, secret: str, one: Fact) -> bool:
    """Whether a value can serve for anything that its Secret is referred to for; else it counts as absent."""
    return (
        (secret in used.tenants and one.tenant_key)
        or (secret in used.keys and one.api_key)
        or secret in used.pairs
        or secret in used.example_secrets
    )


@dataclass(frozen=True)
class Known:
    """Facts about one object at a resource version; ``faults`` are those of certificates and keys."""

    version: int
    facts: Mapping[str, Fact]
    faults: Mapping[str, str]


class Sources:
    """What is known of all namespaces; ``reading`` begins one reconcile of one of them."""

    def __init__(self, client: Client, store: Store, children: Store) -> None:
        self._client, self._store, self._children = client, store, children
        self._known: dict[Place, Known] = {}
        self._limit = asyncio.Semaphore(AT_ONCE)

    def reading(self, namespace: str) -> "Reading":
        """To be kept no longer than the reconcile lasts."""
        return Reading(namespace, self._client, self._store, self._children, self._known, self._limit)

    def forget(self, namespace: str, used: References) -> None:
        """Drop what is not among the references any more."""
        wanted = {(SECRETS, name) for name in used.secrets} | {(CONFIG_MAPS, name) for name in used.config_maps}
        for place in [p for p in self._known if p[1] == namespace and (p[0], p[2]) not in wanted]:
            del self._known[place]


@dataclass
class Reading:
    """One reconcile's look at the sources: what it had to fetch is fetched once, but for examples, which are large and
    which no router gets. ``unreadable`` are those that exist and could not be read, by kind and name."""

    namespace: str
    client: Client
    store: Store
    children: Store
    known: dict[Place, Known]
    limit: asyncio.Semaphore
    fetched: dict[tuple[str, str], dict[str, bytes]] = field(default_factory=dict)
    unreadable: dict[tuple[str, str], ApiError] = field(default_factory=dict)
    away: ApiError | None = None
    used: References = field(default_factory=References)

    async def facts(self, used: References) -> tuple[dict[str, dict[str, Fact]], dict[str, dict[str, Fact]]]:
        """The usable values of the Secrets and ConfigMaps that can be read. Raises ``ApiError`` where none can be."""
        self.used = used
        secrets = await self._of_all(SECRETS, used.secrets)
        for name, found in secrets.items():
            secrets[name] = {key: one for key, one in found.items() if usable(used, name, one)}
        return secrets, await self._of_all(CONFIG_MAPS, used.config_maps)

    def faults(self) -> dict[str, str]:
        """What is wrong with certificates and keys, by kind, name and key, and with objects, by kind and name; known
        once their facts are."""
        return {
            f"{kind}/{name}/": f"cannot be read: the API server answers {error.status} {error.reason}"
            for (kind, name), error in self.unreadable.items()
        } | {
            f"{resource.kind}/{name}/{key}": fault
            for (resource, namespace, name), known in self.known.items()
            if namespace == self.namespace and (resource is SECRETS or name in self.used.authorities)
            for key, fault in known.faults.items()
        }

    def examples(self) -> dict[LessonSource, str]:
        """Digests of everything that is learned from, as far as it could be read; known once its facts are."""
        found = dict[LessonSource, str]()
        for resource, names in ((SECRETS, self.used.example_secrets), (CONFIG_MAPS, self.used.example_maps)):
            for name in names:
                known = self.known.get((resource, self.namespace, name))
                there = self.store.get(resource, self.namespace, name) is not None
                if known is not None and there and (resource.kind, name) not in self.unreadable:
                    kind: Literal["Secret", "ConfigMap"] = "Secret" if resource is SECRETS else "ConfigMap"
                    found |= {LessonSource(kind, name, key): one.digest for key, one in known.facts.items()}
        return found

    def digest(self, entries: Mapping[str, Entry]) -> list[tuple[object, ...]]:
        """What tells whether the bytes of a router's entries are others than they were."""
        found: list[tuple[object, ...]] = []
        for source in entries.values():
            known = self.known.get((SECRETS if source.kind == "Secret" else CONFIG_MAPS, self.namespace, source.name))
            if known is None:
                found.append(())
            elif source.key:
                found.append((known.facts.get(source.key), source.key in known.faults))
            else:
                found.append((digests(known.facts),))
        return found

    async def contents(self, router: str, entries: Mapping[str, Entry]) -> dict[str, bytes]:
        """The bytes of every entry of a router. Raises ``ApiError``."""
        live = self.children.get(SECRETS, self.namespace, router)
        composed: Mapping[str, str] = (live.get("data") if live is not None else None) or {}
        return {entry: await self._content(entry, source, composed.get(entry)) for entry, source in entries.items()}

    async def _content(self, entry: str, source: Entry, composed: str | None) -> bytes:
        resource = SECRETS if source.kind == "Secret" else CONFIG_MAPS
        if (source.kind, source.name) in self.unreadable:
            return self._last_good(entry, source, composed)
        known = self.known[resource, self.namespace, source.name]
        facts = known.facts
        if not source.key:
            return digests(facts)
        if source.key in known.faults:
            return self._last_good(entry, source, composed)
        if composed is not None:
            value = _decoded(composed)
            if hashlib.sha256(value).hexdigest() == facts[source.key].digest:
                return value
        found = self.fetched.get((source.kind, source.name)) or await self._fetch(resource, source.name)
        if found is None or source.key not in found:  # it is news that we shall be told of
            raise ApiError(409, "Conflict", f"{source.kind} {source.name} has changed meanwhile")
        return found[source.key].strip() if resource is SECRETS else found[source.key]

    def _last_good(self, entry: str, source: Entry, composed: str | None) -> bytes:
        """Also from another router, which serves the same backend; a certificate for clients is each router's own."""
        if composed is None and entry not in {SERVING_CERTIFICATE, SERVING_KEY}:
            others = [live for live in self.children.of(SECRETS, self.namespace) if is_ours(live)]
            composed = next((live["data"][entry] for live in others if entry in (live.get("data") or ())), None)
        if composed is None:
            raise ApiError(409, "Conflict", f"{source.kind} {source.name}: its last good content is gone")
        return _decoded(composed)

    async def _of_all(self, resource: Resource, names: Collection[str]) -> dict[str, dict[str, Fact]]:
        ordered = sorted(names)
        found = await in_turn((self._facts(resource, name) for name in ordered), AT_ONCE)
        return {name: dict(facts) for name, facts in zip(ordered, found, strict=True) if facts is not None}

    async def _facts(self, resource: Resource, name: str) -> Mapping[str, Fact] | None:
        there = self.store.get(resource, self.namespace, name)
        if there is None or (resource.kind, name) in self.unreadable:
            return None  # whatever appears is seen by the watch
        known = self.known.get((resource, self.namespace, name))
        if known is None or known.version < int(there["metadata"]["resourceVersion"]):
            try:
                if await self._fetch(resource, name) is None:
                    return None
            except ApiError as error:
                if error.status in EVERYBODYS:
                    self.away = error  # nobody else is to wait for as long
                    raise
                self.unreadable[resource.kind, name] = error
                return None
            known = self.known[resource, self.namespace, name]
        return known.facts

    async def _fetch(self, resource: Resource, name: str) -> dict[str, bytes] | None:
        async with self.limit:
            if self.away is not None:
                raise self.away
            obj = await self.client.get(resource, self.namespace, name)
        if obj is None:
            return None
        found = values(resource, obj)
        facts = {key: fact(resource.kind, value) for key, value in found.items()}
        self.known[resource, self.namespace, name] = Known(
            int(obj["metadata"]["resourceVersion"]), facts, faults(resource, found)
        )
        if name not in (self.used.example_secrets if resource is SECRETS else self.used.example_maps):
            self.fetched[resource.kind, name] = found
        return found


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""
