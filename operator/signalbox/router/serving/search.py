"""Where a request goes: targets as the strategy says, endpoints inside a target, and what to say without any."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from signalbox.router.upstream.backend import BackendState
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.wire.errors import Refusal
from signalbox.routing.affinity import key_of
from signalbox.routing.choosing.objective import Ranked
from signalbox.routing.decision import CompiledRoute
from signalbox.routing.eligibility import Requirements
from signalbox.routing.features import Facts
from signalbox.routing.strategies import Choice

if TYPE_CHECKING:
    from signalbox.router.serving.live import LivePolicy


class Search:
    """Of one request: where it goes next, and what was tried. Sets of targets are bitmasks.

    ``position`` in the policy, ``backend`` and ``endpoint`` are where it is now, which counts as tried.
    """

    __slots__ = (
        "_affinity",
        "_choice",
        "_policy",
        "_route",
        "_tried_endpoints",
        "_tried_targets",
        "backend",
        "endpoint",
        "needs",
        "position",
    )

    def __init__(self, policy: "LivePolicy") -> None:
        self._policy = policy
        self._affinity: int | None = None
        self._tried_targets = 0
        self._tried_endpoints: list[Endpoint] = []
        self._route: CompiledRoute | None = None
        self._choice: Choice | None = None
        self.needs: Requirements | None = None
        self.position: int
        self.backend: BackendState
        self.endpoint: Endpoint

    @property
    def movable(self) -> bool:
        """Whether there is anywhere else to go at all."""
        return self._choice is not None

    @property
    def placed(self) -> bool:
        """Whether it has gone anywhere yet."""
        return bool(self._tried_endpoints)

    @property
    def why(self) -> str:
        """What an objective went by, in words."""
        return self._choice.why() if isinstance(self._choice, Ranked) else ""

    def first(self, route: CompiledRoute, facts: Facts, now: float) -> None:
        """Go to a target of a route; of one that asks several, only see that somebody can be asked.

        Raises ``Undecided``, and ``Refusal``: none can serve it, at all too many wait, or none has room or is well.
        """
        policy = self._policy
        self._route = route
        self.needs, eligible = policy.eligible(route, facts)
        self._choice = choice = policy.choice(route, facts)
        if policy.affinity is not None:
            self._affinity = key_of(policy.affinity, facts.request_operation, facts.body, facts.headers)
        among = choice.mask & eligible
        if not among and self.needs is not None:  # a filter has left only targets that cannot serve it
            raise policy.no_eligible(choice.mask, self.needs, f"route {route.name}")
        usable, full, wait = policy.available(among, now, self.needs)
        if usable:
            if after := policy.too_crowded(usable, policy.rank(facts.user_tier), now):
                policy.turned_away(choice.next(usable))
                message = "Too many requests wait at every target of this route."
                raise Refusal(429, "overloaded", message, retry_after=after)
            if route.chain is not None or self._draw(choice.first, usable, now):
                return
        if full:
            policy.turned_away(choice.next(full))
            raise Refusal(429, "rate_limit_exceeded", "Every target of this route is at its limit.", retry_after=wait)
        self._probe(among, now)

    def among(self, choice: Choice, facts: Facts, now: float) -> None:
        """Go to one of some targets for a call of the router's own: nobody is shed and nothing probed by those.

        Raises ``Refusal``: none can serve it, none has room, or none is well.
        """
        policy = self._policy
        self.needs = policy.requirements(facts)
        if policy.affinity is not None:
            self._affinity = key_of(policy.affinity, facts.request_operation, facts.body, facts.headers)
        self.within(choice, now)

    def within(self, choice: Choice, now: float) -> None:
        """Go to one of some targets of the route that was found. Raises as ``among`` does."""
        policy = self._policy
        self._choice = choice
        eligible = choice.mask & policy.still_eligible(self.needs)
        if not eligible and self.needs is not None:
            raise policy.no_eligible(choice.mask, self.needs, "those to be asked")
        usable, full, wait = policy.available(eligible, now, self.needs)
        if self._draw(choice.first, usable, now):
            return
        if full:
            policy.turned_away(choice.next(full))
            raise Refusal(429, "rate_limit_exceeded", "The target is at its limit.", retry_after=wait)
        raise Refusal(503, "no_healthy_target", "The target is not healthy right now.", retry_after=1)

    def follow(self, position: int, endpoint: Endpoint) -> None:
        """Go where a response is kept; without a route there is nowhere else."""
        self._move(position, self._policy.backends[position], endpoint)

    def elsewhere(self, now: float, among: int = -1) -> bool:
        """Go to a target of ``among`` that was not tried yet; False where there is none that takes a request now."""
        choice = self._choice
        if choice is None:
            return False
        usable, _, _ = self._policy.available(self._untried(choice) & among, now, self.needs)
        return self._draw(choice.next, usable, now)

    def beside(self, now: float) -> bool:
        """Go to another endpoint of the same target: a declared share stays where it was drawn."""
        endpoint = self.backend.choose(now, self._tried_endpoints, self._affinity, self._policy.overload)
        if endpoint is None:
            return False
        self._move(self.position, self.backend, endpoint)
        return True

    def has_alternative(self, now: float) -> bool:
        """Whether another endpoint of the same target, or another target, would take the request now."""
        choice = self._choice
        if choice is None:
            return False
        if self.backend.choose(now, self._tried_endpoints) is not None:
            return True
        return bool(self._policy.available(self._untried(choice), now, self.needs)[0])

    def larger(self) -> int:
        """Targets with a larger window that were not tried yet."""
        return 0 if self._choice is None else self._policy.larger_windows(self.position) & ~self._tried_targets

    def _untried(self, choice: Choice) -> int:
        return self._policy.still_eligible(self.needs) & choice.mask & ~self._tried_targets

    def _draw(self, draw: Callable[[int], int], usable: int, now: float) -> bool:
        policy = self._policy
        while usable:
            position = draw(usable)
            if position < 0:
                break
            backend = policy.backends[position]
            endpoint = backend.choose(now, self._tried_endpoints, self._affinity, policy.overload)
            if endpoint is not None:
                self._move(position, backend, endpoint)
                return True
            usable &= ~(1 << position)
        return False

    def _probe(self, positions: int, now: float) -> None:
        """Nothing is usable: let one request a second through to each endpoint, and refuse the others."""
        policy = self._policy
        known = False
        for position, backend in enumerate(policy.backends):
            if not positions >> position & 1 or policy.weightless(self._route, position):
                continue
            known = known or bool(backend.endpoints)
            endpoint = backend.probe(now)
            if endpoint is not None and backend.limits.wait(now, 0) == 0.0:
                self._move(position, backend, endpoint)
                return
        if not known:
            raise Refusal(503, "no_backend", "No target of this route has an endpoint.", retry_after=5)
        raise Refusal(503, "no_healthy_target", "No target of this route is healthy right now.", retry_after=1)

    def _move(self, position: int, backend: BackendState, endpoint: Endpoint) -> None:
        self.position = position
        self.backend = backend
        self.endpoint = endpoint
        self._tried_targets |= 1 << position
        self._tried_endpoints.append(endpoint)
