"""A configuration in force: policies bound to the live backends. Replaced as a whole by a reload."""

import random as randomness
from collections.abc import Iterator, Mapping

from signalbox.router.serving.attempt import Attempt
from signalbox.router.serving.classifiers.counted import CountedClassifier, Sources, sources_of
from signalbox.router.serving.keys import KeyTable
from signalbox.router.serving.response_ids import ResponseIds
from signalbox.router.telemetry.accesslog import AccessLog
from signalbox.router.telemetry.statistics import Series, Statistics
from signalbox.router.upstream.backend import BackendState
from signalbox.router.wire.errors import Refusal
from signalbox.routing.choosing.classified import Result
from signalbox.routing.choosing.objective import Ranked
from signalbox.routing.config import Policy, sets_of, targets_of
from signalbox.routing.decision import CompiledPolicy, CompiledRoute
from signalbox.routing.eligibility import Requirements, shortfall
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.features import Facts
from signalbox.routing.retries import RetryBudget
from signalbox.routing.shedding import retry_after
from signalbox.routing.strategies import Choice


class LivePolicy:
    """A policy and the backends of its targets, by position; sets of targets are bitmasks."""

    def __init__(
        self,
        compiled: CompiledPolicy,
        backends: Mapping[str, BackendState],
        statistics: Statistics,
        sources: Sources,
    ) -> None:
        config: Policy = compiled.config
        self.compiled = compiled
        self.config = config
        self.name = config.name
        self.backends = tuple(backends[target.backend] for target in config.targets)
        self.positions = {target.name: position for position, target in enumerate(config.targets)}
        self.facts = {target.name: backends[target.backend] for target in config.targets}
        self.sources = sources
        self.classifiers = {
            name: CountedClassifier(config.name, classifier, source, statistics)
            for name, (classifier, source) in sources.items()
        }
        self.affinity = config.affinity
        self.overload = config.affinity.max_overload_percent if config.affinity is not None else 0
        tiers = config.access.tiers
        self._ranks = {tier: rank for rank, tier in enumerate(tiers)}
        self._rank_count = len(tiers) + 1 if tiers else 1
        self._sheds = config.feedback.mode == "Active"
        self._stale_after = config.feedback.stale_after_ms / 1000
        self._all = (1 << len(self.backends)) - 1
        self._statistics = statistics
        self._series: dict[tuple[CompiledRoute | None, str, str, str], Series] = {}
        self._route_lines: dict[tuple[CompiledRoute | None, str], bytes] = {}
        self._weighted = {
            route.name: {share.target for each in sets_of(route.strategy) for share in each.targets if share.weight}
            or set(targets_of(route.strategy))
            for route in config.routes
        }
        self._filters = any(
            b.config.features is not None or b.config.context_window is not None or b.config.format != "OpenAI"
            for b in self.backends
        )
        self._counts_tokens = any(b.config.limits.tokens_per_minute is not None for b in self.backends)

    def match(self, facts: Facts, start: str = "") -> CompiledRoute:
        """The route of a request; ``start`` see ``CompiledPolicy.match``. Raises ``Undecided``, and ``Refusal`` where
        none matches."""
        route = self.compiled.match(facts, self._condition_failed, start)
        if route is None:
            raise Refusal(503, "no_route", "No route of the policy matches this request.", retriable=False)
        return route

    def choice(self, route: CompiledRoute, facts: Facts) -> Choice:
        """How a route chooses for a request. Raises ``Undecided``, and ``Refusal`` where nothing is left to choose."""
        choice = route.choice_for(facts)
        if isinstance(choice, Ranked):
            if choice.failed is not None:
                self._condition_failed(route.name, choice.failed)
            if not choice.mask:
                raise Refusal(503, "no_target", f"The filter of route {route.name} leaves no target for this request.")
        return choice

    def _condition_failed(self, route: str, error: EvaluationError) -> None:
        self._statistics.condition_error(self.name, route)

    def eligible(self, route: CompiledRoute, facts: Facts) -> tuple[Requirements | None, int]:
        """The targets of a route that can serve the request. Raises ``Refusal`` naming what is missing."""
        needs = self.requirements(facts)
        if needs is None:
            return None, self._all
        mask = self.still_eligible(needs)
        if not mask & route.choice.mask:
            raise self.no_eligible(route.choice.mask, needs, f"route {route.name}")
        return needs, mask

    def requirements(self, facts: Facts) -> Requirements | None:
        """What a request needs, where any target has a bound that it is to be held against."""
        if not self._filters and not self._counts_tokens and facts.message is None:
            return None
        return Requirements(facts)

    def no_eligible(self, mask: int, needs: Requirements, whose: str) -> Refusal:
        """Why none of some targets can serve a request."""
        lacks = {
            target.name: shortfall(backend.config, needs, backend.correction.value)
            for position, (target, backend) in enumerate(zip(self.config.targets, self.backends, strict=True))
            if mask >> position & 1
        }
        what = "; ".join(f"{name}: {why}" for name, why in lacks.items())
        return Refusal(400, "no_eligible_target", f"No target of {whose} can serve this request: {what}.")

    def still_eligible(self, needs: Requirements | None) -> int:
        """All targets of the policy that can serve what a request needs."""
        if needs is None or (not self._filters and needs.obstacle is None):
            return self._all
        mask = 0
        for position, backend in enumerate(self.backends):
            if shortfall(backend.config, needs, backend.correction.value) is None:
                mask |= 1 << position
        return mask

    def available(self, positions: int, now: float, needs: Requirements | None) -> tuple[int, int, float]:
        """Of some targets those that take a request now; those that are only full; and for how long (seconds)."""
        usable = 0
        full = 0
        wait = 60.0
        for position, backend in enumerate(self.backends):
            if not positions >> position & 1 or not backend.usable(now):
                continue
            delay = backend.limits.wait(now, 0 if needs is None else backend.tokens(needs))
            if delay:
                full |= 1 << position
                wait = min(wait, delay)
            else:
                usable |= 1 << position
        return usable, full, wait

    def rank(self, tier: str) -> int:
        """How important a caller is, 0 most; who is in none of the tiers comes last, without tiers all are equal."""
        return self._ranks.get(tier, len(self._ranks))

    def too_crowded(self, usable: int, rank: int, now: float) -> float:
        """0.0 where a request is to be served; else after how many seconds it may come again."""
        if not self._sheds:
            return 0.0
        least = None
        oldest = now - self._stale_after
        for position, backend in enumerate(self.backends):
            if usable >> position & 1:
                queue = backend.queue
                wait = queue.wait(backend.backlog.estimate, oldest)
                if not wait:
                    return 0.0
                if least is None or wait / queue.bearable < least[0] / least[1]:
                    least = wait, queue.bearable
        if least is None:
            return 0.0
        return retry_after(*least, rank, self._rank_count, randomness.random())  # noqa: S311 - a draw, not a secret

    def turned_away(self, position: int) -> None:
        """For want of room at a target, which was drawn as if there was some: nothing else would show the demand."""
        if position >= 0:
            self._statistics.turned_away(self.backends[position].config.name)

    def weightless(self, route: CompiledRoute | None, position: int) -> bool:
        """Whether a route gives a target nothing."""
        return route is not None and self.config.targets[position].name not in self._weighted[route.name]

    def larger_windows(self, position: int) -> int:
        """Targets with a larger context window than that of one, which said that a prompt was too long."""
        window = self.backends[position].config.context_window or 0
        mask = 0
        for other, backend in enumerate(self.backends):
            if other != position and (backend.config.context_window or 0) > window:
                mask |= 1 << other
        return mask

    def series(self, route: CompiledRoute | None, target: str, backend: str, operation: str, model: str) -> Series:
        """The counters of one way through the policy."""
        key = (route, target, operation, model)
        series = self._series.get(key)
        if series is None:
            name = route.name if route is not None else ""
            series = self._series[key] = self._statistics.series(self.name, name, target, backend, model, operation)
        return series

    def route_lines(self, route: CompiledRoute | None, target: str) -> bytes:
        """The headers that say where a request went."""
        lines = self._route_lines.get((route, target))
        if lines is None:
            lines = b"x-signalbox-target: %b\r\n" % target.encode() if target else b""
            if route is not None:
                lines += b"x-signalbox-route: %b\r\n" % route.name.encode()
            self._route_lines[route, target] = lines
        return lines

    def reason(self, route: CompiledRoute | None, tries: int | None, said: Mapping[str, Result], why: str) -> str:
        """Why a request went where it went, for the debug header; ``tries``: None where they are not over."""
        if route is None:
            return "follows its previous response"
        config = next(r for r in self.config.routes if r.name == route.name)
        when = "no condition" if config.when is None else f"when {config.when.source}"
        kind = type(config.strategy).__name__.lower() + (" by load" if route.choice.by_load else "")
        count = "" if tries is None else f"try {tries}"
        words = (f"route {route.name} ({when})", kind, *_told(said), why, count)
        return " ".join(", ".join(each for each in words if each).split()).encode("ascii", "replace").decode()


def _told(said: Mapping[str, Result]) -> Iterator[str]:
    """What classifiers said, in words."""
    for name, result in said.items():
        unless = "" if result.outcome == "answered" else f" by default, {result.outcome}"
        yield f"{name} is {result.label} (confidence {result.confidence:.2f}{unless})"


class Live:
    """All that requests of one configuration share. Requests keep the one that they began with."""

    __slots__ = (
        "attempts",
        "backends",
        "budget",
        "by_model",
        "closed",
        "config_bytes",
        "keys",
        "log",
        "models",
        "policies",
        "response_ids",
        "services",
        "statistics",
    )

    def __init__(
        self,
        policies: Mapping[str, LivePolicy],
        backends: Mapping[str, BackendState],
        keys: KeyTable,
        response_ids: ResponseIds,
        budget: RetryBudget,
        attempts: set[Attempt],
        statistics: Statistics,
        log: AccessLog,
        services: Mapping[str, BackendState],
    ) -> None:
        self.policies = policies
        self.backends = backends
        self.keys = keys
        self.response_ids = response_ids
        self.budget = budget
        self.attempts = attempts
        self.statistics = statistics
        self.log = log
        self.services = services
        self.by_model = {model: policy for policy in policies.values() for model in policy.config.models}
        # Whether a caller without a key can be turned away before its body is read.
        self.closed = not any(policy.config.access.anonymous for policy in policies.values())


def compile_policies(
    policies: tuple[Policy, ...], before: Mapping[str, LivePolicy], random: randomness.Random
) -> dict[str, CompiledPolicy]:
    """Compile; routes that have not changed keep their draws. Raises ``ValueError`` for a tree that is malformed."""
    compiled = {}
    for policy in policies:
        old = before.get(policy.name)
        compiled[policy.name] = CompiledPolicy(policy, random, old.compiled if old is not None else None)
    return compiled


def sources(policies: tuple[Policy, ...], before: Mapping[str, LivePolicy]) -> dict[str, Sources]:
    """The classifiers of all policies; those that have not changed keep what they know. Raises ``ValueError`` for an
    artefact that cannot be read."""
    return {
        policy.name: sources_of(policy, old.sources if (old := before.get(policy.name)) is not None else {})
        for policy in policies
    }
