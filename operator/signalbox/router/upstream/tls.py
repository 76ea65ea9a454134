"""TLS towards backends: one context for each content of authorities, certificate and key."""

import hashlib
import ssl
from collections.abc import Mapping
from weakref import WeakValueDictionary

from signalbox.pem import load_authorities, load_pair
from signalbox.routing.config import Tls


class TlsContexts:
    """Makes contexts and shares them: building one reads all authorities of the system, about 30 ms and 1 MB.

    Contexts live as long as somebody holds them, so a reload that changes nothing finds the old ones.
    """

    def __init__(self) -> None:
        self._contexts: WeakValueDictionary[bytes, ssl.SSLContext] = WeakValueDictionary()

    def context(self, tls: Tls, secrets: Mapping[str, bytes]) -> ssl.SSLContext:
        """A client context that verifies certificate and name; pass ``tls.server_name`` when connecting (SNI).

        Raises ``ValueError`` naming the secret entry that is missing or no good PEM text.
        """
        authorities = _entry(tls.ca, secrets)
        certificate = _entry(tls.certificate, secrets)
        key = _entry(tls.key, secrets)
        name = hashlib.sha256()
        for part in (authorities, certificate, key):
            name.update(b"-" if part is None else len(part).to_bytes(8, "big") + part)
        context = self._contexts.get(name.digest())
        if context is None:
            context = _build(tls, authorities, certificate, key)
            self._contexts[name.digest()] = context
        return context


def _entry(name: str | None, secrets: Mapping[str, bytes]) -> bytes | None:
    if name is None:
        return None
    if name not in secrets:
        raise ValueError(f"secret entry {name} is missing")
    return secrets[name]


def _build(tls: Tls, authorities: bytes | None, certificate: bytes | None, key: bytes | None) -> ssl.SSLContext:
    if authorities is None:
        context = ssl.create_default_context()
    else:
        # Given authorities replace the system's: whoever pins a private CA does not want the public ones as well.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        _load_authorities(context, tls.ca, authorities)
    context.set_alpn_protocols(["http/1.1"])
    if (certificate is None) != (key is None):
        present, absent = ("certificate", "key") if key is None else ("key", "certificate")
        raise ValueError(f"secret entry {tls.certificate or tls.key}: a client {present} without its {absent}")
    if certificate is not None and key is not None:
        _load_client_certificate(context, tls, certificate, key)
    return context


def _load_authorities(context: ssl.SSLContext, entry: str | None, pem: bytes) -> None:
    try:
        load_authorities(context, pem)
    except ValueError as error:
        raise ValueError(f"secret entry {entry}: no PEM certificates: {error}") from None


def _load_client_certificate(context: ssl.SSLContext, tls: Tls, certificate: bytes, key: bytes) -> None:
    _load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), tls.certificate, certificate)
    try:
        load_pair(context, certificate, key)
    except ValueError as error:
        raise ValueError(f"secret entry {tls.key}: no usable PEM private key for {tls.certificate}: {error}") from None
