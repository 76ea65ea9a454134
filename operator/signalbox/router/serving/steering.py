"""The weights that a worker heard last, put in force on its policies; again after a reload, and when they are old."""

from collections.abc import Mapping, Sequence
from itertools import repeat

from signalbox.control.messages import RouteWeights, Weights
from signalbox.router.in_force import InForce, in_force, stale_after
from signalbox.router.serving.live import LivePolicy
from signalbox.router.upstream.backend import BackendState
from signalbox.routing import config
from signalbox.routing.strategies import Weights as ByPosition

_ZEROS = repeat(0.0)


class Steering:
    """All times are monotonic seconds."""

    def __init__(self) -> None:
        self._weights: Weights | None = None
        self._heard_at = 0.0
        self._policies: Mapping[str, LivePolicy] = {}
        self._steered: set[str] = set()

    def hear(self, weights: Weights, heard_at: float, backends: Mapping[str, BackendState], now: float) -> None:
        """Put new weights in force."""
        self._weights, self._heard_at = weights, heard_at
        self._take_loads(backends, now)
        self._apply(now)

    def use(self, policies: Mapping[str, LivePolicy], backends: Mapping[str, BackendState], now: float) -> None:
        """Policies are new: what was in force stays in force."""
        self._policies = policies
        self._steered = set()
        if self._weights is not None:
            self._take_loads(backends, now)
            self._apply(now)

    def expire(self, now: float) -> None:
        """Let go of weights that have become too old; called about once a second."""
        if self._weights is None:
            return
        for name in tuple(self._steered):
            policy = self._policies[name]
            force = in_force(policy.config, self._weights, now - self._heard_at)
            if not force.by_load:
                self._put(policy, force)

    def _take_loads(self, backends: Mapping[str, BackendState], now: float) -> None:
        assert self._weights is not None
        patience = stale_after({name: policy.config for name, policy in self._policies.items()})
        loads = self._weights.loads
        for name, backend in backends.items():
            load = loads.get(name)
            left = patience.get(name, 0.0)
            if load is not None:
                age = load.age_ms / 1000 + now - self._heard_at
                left -= age
            if load is None or left < 0.0:
                backend.backlog.forget()
                backend.engine_load.forget()
                backend.queue.forget()
                continue
            backend.backlog.sample(load.in_system, load.arrivals, age, now)
            backend.engine_load.heard(load.waiting, load.utilization, load.kv_cache_usage, now + left)
            backend.sampled()
            backend.queue.heard(load.waiting, load.in_system, load.rate, now - age)

    def _apply(self, now: float) -> None:
        assert self._weights is not None
        for policy in self._policies.values():
            self._put(policy, in_force(policy.config, self._weights, now - self._heard_at))

    def _put(self, policy: LivePolicy, force: InForce) -> None:
        backlogs = [backend.backlog for backend in policy.backends] if force.by_load else None
        names = [target.name for target in policy.config.targets]
        for route, of in zip(policy.compiled.routes, policy.config.routes, strict=True):
            wanted = force.routes.get(route.name)
            sets, spill = _by_position(wanted, names, of.strategy)
            route.choice.steer(sets, spill, backlogs)
        if force.by_load:
            self._steered.add(policy.name)
        else:
            self._steered.discard(policy.name)


def _by_position(
    wanted: RouteWeights | None, names: Sequence[str], strategy: config.Strategy
) -> tuple[list[ByPosition], float]:
    """Weights of another number of sets are those of another configuration, and mean nothing to this one."""
    count = len(config.sets_of(strategy))
    if wanted is None or len(wanted.sets) != count:
        return [None] * count, 0.0
    sets: list[ByPosition] = []
    for each in wanted.sets:
        weights = list(map(each.effective.get, names, _ZEROS))
        sets.append(weights if max(weights, default=0.0) > 0.0 else None)
    return sets, wanted.spill
