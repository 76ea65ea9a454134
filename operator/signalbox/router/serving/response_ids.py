"""Ids of the Responses API that say where the response is kept.

The id that a client gets carries target, endpoint and the original id, authenticated together with policy and tenant:
any worker of any replica can send ``previous_response_id`` to the endpoint that holds it, and nobody can make one up
or use another tenant's.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple

import msgspec

# The entry of the composed Secret that holds the key: any bytes, 16 at least.
KEY_ENTRY = "router.responses"
PREFIX = "resp_sb"
_MAC_BYTES = 16


class Kept(NamedTuple):
    """Where a response is kept. ``endpoint`` is a hash: addresses are nobody's business."""

    target: str
    endpoint: str
    original: str


class ResponseIds:
    """Makes and reads the ids."""

    __slots__ = ("_key",)

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, kept: Kept, policy: str, tenant: str) -> str:
        """The id for the client."""
        payload = msgspec.json.encode(list(kept))
        return PREFIX + urlsafe_b64encode(self._mac(payload, policy, tenant) + payload).rstrip(b"=").decode()

    def open(self, sealed: str, policy: str, tenant: str) -> Kept | None:
        """Where it is kept; None for an id that was not made here, or not for this tenant of this policy."""
        if not sealed.startswith(PREFIX):
            return None
        text = sealed[len(PREFIX) :]
        try:
            data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return None
        mac, payload = data[:_MAC_BYTES], data[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, policy, tenant)):
            return None
        return Kept(*msgspec.json.decode(payload, type=tuple[str, str, str]))

    def endpoint_hash(self, backend: str, label: str) -> str:
        """How an id names an endpoint."""
        return hmac.new(self._key, f"{backend}\0{label}".encode(), hashlib.sha256).hexdigest()[:16]

    def _mac(self, payload: bytes, policy: str, tenant: str) -> bytes:
        scope = b"\0".join((policy.encode(), tenant.encode(), payload))
        return hmac.new(self._key, scope, hashlib.sha256).digest()[:_MAC_BYTES]
