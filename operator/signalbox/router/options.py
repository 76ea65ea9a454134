"""How a router process is set up; what it routes is the configuration's business."""

import sys

import msgspec


class ProxyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of a proxy. Bytes and seconds; ``max_bodies_bytes`` is of all requests together, ``max_connections`` of
    clients, and fewer where the process may open only few files. ``allow_cidrs`` opens networks that are
    closed to backends otherwise, ``deny_cidrs`` closes more, and so do the addresses of ``deny_hosts``, whatever they
    are at the time. ``lease_patience`` is how long from its start a worker waits for leases, see
    ``routing.limits.BackendLimits``."""

    max_body_bytes: int = 8 << 20
    max_bodies_bytes: int = 256 << 20
    max_header_bytes: int = 64 << 10
    max_connections: int = 8192
    allow_cidrs: tuple[str, ...] = ()
    deny_cidrs: tuple[str, ...] = ()
    deny_hosts: tuple[str, ...] = ()
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    keep_alive: float = 75.0
    lease_patience: float = 0.0


class SupervisorOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Processes, ports and time-outs (seconds).

    ``port`` 0 takes any free port; so does ``admin_port`` 0, and without ``admin_host`` there is no admin port.
    ``access_log`` is a descriptor that the workers inherit, a path, or None. ``drain_timeout`` bounds how long requests
    in flight may take to finish at the end. ``answer_timeout`` is how long a worker may think about a configuration.
    ``tls_directory`` holds tls.crt and tls.key: then clients speak HTTPS. ``command`` starts a worker; the number of
    its control descriptor is appended.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    admin_host: str | None = None
    admin_port: int = 9090
    workers: int = 1
    proxy: ProxyOptions = ProxyOptions()
    access_log: int | str | None = None
    drain_timeout: float = 600.0
    tls_directory: str | None = None
    answer_timeout: float = 10.0
    command: tuple[str, ...] = (sys.executable, "-m", "signalbox.router")
