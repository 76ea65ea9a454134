"""The configuration as a ConfigMap holds it, which is 1 MiB at most."""

from typing import Final

import msgspec

from signalbox.routing.config import Backend, ConfigStruct, RouterConfig, encode

CONFIG_MAP_BYTES: Final = 1024 * 1024
MAX_BYTES: Final = 768 * 1024
"""Of the configuration; the rest is for what the ConfigMap holds beside it."""


def as_file(config: RouterConfig) -> bytes:
    """Where it is too large, the addresses behind the largest Services are left out: there are names for those, and
    the operator tells routers all addresses by itself.
    """
    data = encode(config)
    excess = len(data) - MAX_BYTES
    if excess <= 0:
        return data
    shortened = set[str]()
    for backend in sorted(config.backends, key=lambda backend: len(backend.endpoints), reverse=True):
        if excess > 0 and backend.dns is not None:
            shortened.add(backend.name)
            excess -= size_of(backend) - size_of(by_name(backend))
    backends = tuple(by_name(each) if each.name in shortened else each for each in config.backends)
    return encode(msgspec.structs.replace(config, backends=backends))


def by_name(backend: Backend) -> Backend:
    """Without its addresses, where there is a name instead."""
    return backend if backend.dns is None else msgspec.structs.replace(backend, endpoints=())


def size_of(part: ConfigStruct) -> int:
    """What a part adds to a configuration, in bytes."""
    return len(msgspec.json.encode(part)) + 1  # and a comma
