"""The bytes behind secret entries: which values can serve, and what the router is given of each."""

import hashlib
from collections.abc import Mapping

import msgspec

from signalbox.plan.credentials import Entry

MIN_KEY_BYTES = 16

Values = Mapping[str, Mapping[str, bytes]]


def is_tenant_key(value: bytes) -> bool:
    """Whether a value, its white space cut off, is long enough to be a key of a tenant."""
    return len(value.strip()) >= MIN_KEY_BYTES


def is_api_key(value: bytes) -> bool:
    """Whether a value can be sent as a credential: one line of printable ASCII without spaces."""
    stripped = value.strip()
    return bool(stripped) and all(0x21 <= byte <= 0x7E for byte in stripped)


def content(source: Entry, secrets: Values, config_maps: Values) -> bytes:
    """What the router is given under an entry. Raises ``KeyError`` for what does not exist.

    Of a tenant's keys it gets only digests, and only of those that can serve.
    """
    if source.kind == "ConfigMap":
        return config_maps[source.name][source.key]
    values = secrets[source.name]
    if source.key:
        return values[source.key].strip()
    usable = [value.strip() for _, value in sorted(values.items()) if is_tenant_key(value)]
    return "\n".join(hashlib.sha256(value).hexdigest() for value in usable).encode()


class Fact(msgspec.Struct, frozen=True):
    """What may be remembered of a value: enough to plan with, and to know its content again when it is seen.

    ``digest`` is the SHA-256 of what a router is given, in hex: of a tenant's key it is all that a router is given.
    """

    digest: str
    tenant_key: bool
    api_key: bool


Facts = Mapping[str, Mapping[str, Fact]]


def fact(kind: str, value: bytes) -> Fact:
    """The fact about one value of a Secret or ConfigMap."""
    given = value if kind == "ConfigMap" else value.strip()
    return Fact(hashlib.sha256(given).hexdigest(), is_tenant_key(value), is_api_key(value))


def digests(facts: Mapping[str, Fact]) -> bytes:
    """The content of an entry for all the keys of tenants in a Secret; the same as ``content`` gives."""
    return "\n".join(one.digest for _, one in sorted(facts.items()) if one.tenant_key).encode()
