"""What the supervisor knows of weights: the last ones, for workers that come later, for reports and for metrics."""

from collections.abc import Callable

import msgspec

from signalbox.control.messages import MAX_REPORT_BYTES, RouteWeights, Weights
from signalbox.router.in_force import InForce, fitting, in_force
from signalbox.routing.config import Policy, decode

# Of a report, whose other half is for backends.
MAX_WEIGHTS_BYTES = MAX_REPORT_BYTES // 4


class Steered:
    """``clock`` gives seconds. It judges as the workers do: ``router.in_force``."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._policies: tuple[Policy, ...] = ()
        self._heard_at = 0.0
        self._reported: dict[str, dict[str, RouteWeights]] = {}
        self._reported_of: tuple[object, ...] = ()
        self._version = 0
        self.weights: Weights | None = None

    def hear(self, weights: Weights, heard_ago: float = 0.0) -> None:
        """These count from now on."""
        self.weights, self._heard_at = weights, self._clock() - heard_ago
        self._version += 1

    def use(self, config: bytes) -> None:
        """The configuration that the workers have taken."""
        self._version += 1
        try:
            self._policies = decode(config).policies
        except (msgspec.DecodeError, ValueError):
            self._policies = ()

    @property
    def heard_ago(self) -> float:
        """Seconds since the weights were heard."""
        return self._clock() - self._heard_at

    @property
    def in_force(self) -> dict[str, InForce]:
        """By policy; of those that weights name."""
        if self.weights is None:
            return {}
        found = {policy.name: in_force(policy, self.weights, self.heard_ago) for policy in self._policies}
        return {name: force for name, force in found.items() if force.routes}

    @property
    def reported(self) -> dict[str, dict[str, RouteWeights]]:
        """The weights in force, as far as they fit into a report."""
        found = self.in_force
        # Measured when something has changed, and not for every report.
        state = self._version, *((name, force.by_load) for name, force in found.items())
        if self._reported_of != state:
            self._reported = fitting({name: force.routes for name, force in found.items()}, MAX_WEIGHTS_BYTES)
            self._reported_of = state
        return self._reported
