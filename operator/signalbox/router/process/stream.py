"""Between the control stream and the router: what is heard, and what is reported."""

import time
from collections.abc import Callable
from itertools import islice

from signalbox.control.messages import (
    MAX_REPORT_BYTES,
    Config,
    Hello,
    Lease,
    Leases,
    Report,
    Revoked,
    ToRouter,
    Traffic,
    Weights,
)
from signalbox.router.process.follower import Follower
from signalbox.router.process.supervisor import Supervisor
from signalbox.routing.config import FORMAT_VERSION, content_hash

# A backend takes about 300 bytes in a report; where names are long, fewer are said (``report_line``).
MAX_BACKENDS = MAX_REPORT_BYTES // 512
# What is applied of its limits takes as much again, but few backends have limits.
MAX_LEASES = MAX_REPORT_BYTES // 2048


class Bridge:
    """The ``Router`` of a control client. ``supervisor`` is set once it serves; the stream may be there before."""

    def __init__(self, follower: Follower, workers: int, say: Callable[[str], None]) -> None:
        self._follower, self._workers, self._say = follower, workers, say
        self._lost = ""
        self._connected = False
        self._early: tuple[Weights, float] | None = None
        self._told = False
        self._early_leases: dict[str, Lease] = {}
        self._supervisor: Supervisor | None = None

    @property
    def supervisor(self) -> Supervisor | None:
        """Who serves, once somebody does."""
        return self._supervisor

    @supervisor.setter
    def supervisor(self, supervisor: Supervisor | None) -> None:
        self._supervisor = supervisor
        if self._early is not None and supervisor is not None:
            weights, at = self._early
            supervisor.steer(weights, time.monotonic() - at)
            self._early = None
        if self._early_leases and supervisor is not None:
            supervisor.lease(Leases(backends=self._early_leases))
            self._early_leases = {}

    def hello(self) -> Hello:
        """The first message of a connection."""
        self._connected, self._lost, self._told = True, "", False
        self._say("control stream: connected")
        return Hello(
            format_version=FORMAT_VERSION, config_hash=self._hash, workers=self._workers, digests=self._follower.digests
        )

    def report(self) -> Report:
        """The state now."""
        backends: dict[str, Traffic] = {}
        if self.supervisor is not None:
            backends = self.supervisor.traffic(self._follower.backends[:MAX_BACKENDS])
        return Report(
            config_hash=self._hash,
            waits_for=self._follower.waiting,
            rejected=self._follower.rejected,
            backends=backends,
            leases=dict(islice(self.supervisor.leases.items(), MAX_LEASES)) if self.supervisor is not None else {},
            sent=self.supervisor.sent() if self.supervisor is not None else {},
            # Whoever leads has no need to hear what it has said itself.
            weights=self.supervisor.weights if self.supervisor is not None and not self._told else {},
        )

    def heard(self, message: ToRouter) -> None:
        """A configuration that is not what its hash says was not meant so, and is none."""
        match message:
            case Config(hash=name, config=config) if content_hash(bytes(config)) == name:
                self._follower.choice.streamed(bytes(config))
            case Revoked(digests=digests):
                self._follower.revoked.heard(digests)
            case Weights():
                self._told = True
                if self.supervisor is not None:
                    self.supervisor.steer(message)
                else:
                    self._early = message, time.monotonic()
                return
            case Leases():
                if self.supervisor is not None:
                    self.supervisor.lease(message)
                else:
                    self._early_leases |= message.backends
                return
            case _:
                return
        self._follower.wake()

    def lost(self, reason: str) -> None:
        """Say so once, and not for every attempt that fails."""
        self._follower.choice.lost()
        if self._connected or reason != self._lost:
            self._say(f"control stream: {'lost' if self._connected else 'not connected'}: {reason}")
        self._connected, self._lost = False, reason

    @property
    def _hash(self) -> str:
        return self.supervisor.config_hash if self.supervisor is not None else ""
