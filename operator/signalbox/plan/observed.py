"""What a plan must know of the world beside the resources: names and addresses, never a secret's value."""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from signalbox.plan.references import References
from signalbox.routing.address_rules import AddressRules
from signalbox.routing.config import Address


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a ``serviceRef`` leads to.

    ``endpoints`` are the ready addresses behind the port, of ``total`` that there are; ``dns`` is the Service's own
    name and port number where names of Services resolve. ``port`` is False when the Service has no such port.
    ``metrics`` is where the same pods show their load, where that is another port of the Service; None when it has no
    such port.
    """

    endpoints: tuple[Address, ...] = ()
    total: int = 0
    dns: Address | None = None
    port: bool = True
    metrics: tuple[Address, ...] | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The world, as far as resources refer to it.

    ``services`` is keyed by the name of the *backend* (two backends may use two ports of one Service); ``secrets``
    and ``config_maps`` hold the keys that exist by object name; ``invalid_backends`` are there but not valid.
    ``addresses`` are the rules for addresses, where the plan is to hold them. ``replicas`` are the pods of each router,
    by its name, where there is a Deployment (or where there are sidecars). ``faults`` says what is wrong with
    certificates and keys, by KIND/NAME/KEY, and why an object cannot be read at all, without the KEY; ``kept`` are the
    entries that each router, by its name, has a good content of. ``artefacts`` are models that were learned, by the key
    of their lesson.
    """

    services: Mapping[str, Service] = {}
    secrets: Mapping[str, Collection[str]] = {}
    config_maps: Mapping[str, Collection[str]] = {}
    invalid_backends: frozenset[str] = frozenset()
    addresses: AddressRules | None = None
    replicas: Mapping[str, int] = {}
    faults: Mapping[str, str] = {}
    kept: Mapping[str, frozenset[str]] = {}
    artefacts: Mapping[str, bytes] = {}

    def for_backend(self, name: str, references: References) -> "Observed":
        """What a backend refers to, and nothing else: only of that may it be compiled."""
        service = self.services.get(name)
        return msgspec.structs.replace(
            self._for(references), services={} if service is None else {name: service}, addresses=self.addresses
        )

    def for_policy(self, targets: Iterable[str], references: References, lessons: Iterable[str]) -> "Observed":
        """The same for a policy; ``lessons`` are the keys of its own."""
        invalid = self.invalid_backends
        return msgspec.structs.replace(
            self._for(references),
            invalid_backends=invalid.intersection(targets) if invalid else invalid,
            addresses=self.addresses,
            artefacts={key: self.artefacts[key] for key in lessons if key in self.artefacts},
        )

    def _for(self, references: References) -> "Observed":
        secrets, config_maps = references.secrets, references.config_maps
        faults = {place: fault for place, fault in self.faults.items() if _names(place, secrets, config_maps)}
        return Observed(
            secrets={name: self.secrets[name] for name in secrets if name in self.secrets},
            config_maps={name: self.config_maps[name] for name in config_maps if name in self.config_maps},
            faults=faults,
            kept=self.kept if faults else {},  # asked only about what is no good now
        )


def _names(place: str, secrets: Collection[str], config_maps: Collection[str]) -> bool:
    """Whether KIND/NAME/KEY is about one of these."""
    kind, name, _ = place.split("/", 2)
    return name in (secrets if kind == "Secret" else config_maps)
