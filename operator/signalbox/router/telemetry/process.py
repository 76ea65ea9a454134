"""What the supervisor knows of its processes, beside their counters."""

from collections.abc import Mapping, Sequence

import msgspec

from signalbox.router.in_force import InForce


class WorkerState(msgspec.Struct, frozen=True):
    """One worker, as seen from outside. ``memory`` in bytes, ``lag`` of its loop in seconds."""

    index: int
    state: str
    memory: int = 0
    lag: float = 0.0


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """The router as a whole, as its supervisor knows it. ``changed_at`` is in seconds since the epoch, and so is
    ``certificate_ends``, None without HTTPS; ``steered`` goes by policy."""

    workers: Sequence[WorkerState] = ()
    restarts: int = 0
    config_hash: str = ""
    configs_applied: int = 0
    configs_rejected: int = 0
    changed_at: float = 0.0
    certificate_ends: float | None = None
    steered: Mapping[str, InForce] = {}
