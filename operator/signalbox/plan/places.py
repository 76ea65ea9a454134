"""Where a router finds what it calls."""

from typing import Final
from urllib.parse import urlsplit

import msgspec

from signalbox.routing import config

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Place(msgspec.Struct, frozen=True):
    """The Host header, the path before the operation, the TLS name, whether there is TLS, and addresses or a name."""

    authority: str
    base_path: str
    host: str
    tls: bool
    endpoints: tuple[config.Address, ...] = ()
    dns: config.Address | None = None


NOWHERE: Final = Place("", "", "", False)


def of_url(url: str) -> Place:
    """What a URL names. Raises ``ValueError`` where its host is none."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme]
    dns = config.Address(host=host, port=port)
    return Place(parts.netloc, parts.path.rstrip("/"), host, parts.scheme == "https", dns=dns)
