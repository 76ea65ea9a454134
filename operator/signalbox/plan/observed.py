"""What a plan must know of the world beside the resources: names and addresses, never a secret's value."""

from collections.abc import Collection, Mapping

import msgspec

from signalbox.routing.address_rules import AddressRules
from signalbox.routing.config import Address


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a ``serviceRef`` leads to.

    ``endpoints`` are the ready addresses behind the port, of ``total`` that there are; ``dns`` is the Service's own
    name and port number where names of Services resolve. ``port`` is False when the Service has no such port.
    """

    endpoints: tuple[Address, ...] = ()
    total: int = 0
    dns: Address | None = None
    port: bool = True


class Observed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The world, as far as resources refer to it.

    ``services`` is keyed by the name of the *backend* (two backends may use two ports of one Service); ``secrets``
    and ``config_maps`` hold the keys that exist by object name; ``invalid_backends`` are there but not valid.
    ``addresses`` are the rules for addresses, where the plan is to hold them. ``replicas`` are the pods of each router,
    by its name, where there is a Deployment (or where there are sidecars). ``faults`` says what is wrong with
    certificates and keys, by KIND/NAME/KEY; ``kept`` are the entries that routers have a good content of.
    """

    services: Mapping[str, Service] = {}
    secrets: Mapping[str, Collection[str]] = {}
    config_maps: Mapping[str, Collection[str]] = {}
    invalid_backends: frozenset[str] = frozenset()
    addresses: AddressRules | None = None
    replicas: Mapping[str, int] = {}
    faults: Mapping[str, str] = {}
    kept: frozenset[str] = frozenset()
