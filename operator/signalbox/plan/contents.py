"""The bytes behind secret entries: which values can serve, and what the router is given of each."""

import hashlib
from collections.abc import Mapping

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
