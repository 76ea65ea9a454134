"""One policy and recorded queries: which route, which target, by the code that decides in routers."""

import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from signalbox.evaluation import chains
from signalbox.evaluation.bill import Bill, Means
from signalbox.evaluation.classifiers import facts_of, judges_of
from signalbox.evaluation.given import Lacking, Refused, Table
from signalbox.evaluation.lines import Line
from signalbox.evaluation.outcome import Outcome, Way
from signalbox.evaluation.shares import expected_shares
from signalbox.routing import config, prompts
from signalbox.routing.choosing import picking
from signalbox.routing.choosing.assumed import AssumedTarget
from signalbox.routing.choosing.ordered import OrderedChoice
from signalbox.routing.decision import CompiledPolicy, CompiledRoute, Undecided
from signalbox.routing.eligibility import Requirements, shortfall
from signalbox.routing.expressions.values import EvaluationError
from signalbox.routing.features import Facts

LABEL_TOKENS: Final = 8
"""Of the answer of a model that picks a label: {"label": "code"}."""


class Replay:
    """A policy, ready for lines. ``condition_errors`` counts, by route, conditions that had no value."""

    def __init__(
        self, policy: config.Policy, backends: Mapping[str, config.Backend], means: Mapping[str, Means]
    ) -> None:
        """``backends`` go by their own names. Raises ``ValueError`` for a learned model that cannot be read."""
        self.policy = policy
        self.condition_errors: dict[str, int] = {}
        self._by_target = {target.name: backends[target.backend] for target in policy.targets}
        self._bill = Bill(self._by_target, means)
        self._targets = {
            name: AssumedTarget(backend, self._bill.expected_tokens(name)) for name, backend in self._by_target.items()
        }
        self._judges = judges_of(policy)
        self._compiled = CompiledPolicy(policy, random.Random(0))  # noqa: S311 - nothing is drawn: shares are expected ones
        self._names = tuple(self._by_target)
        self._tenants = {tenant.name: tenant for tenant in policy.access.tenants}
        self._classifiers = {classifier.name: classifier for classifier in policy.classifiers}
        self._routes = {route.name: route for route in policy.routes}

    @property
    def targets(self) -> tuple[str, ...]:
        """Their names, in the order of the policy."""
        return self._names

    def outcome(self, line: Line) -> Outcome:
        """What would have come of a line."""
        tenant = self._tenants.get(line.tenant)
        if line.tenant and tenant is None:
            return Outcome(refused="401: the policy does not know the tenant")
        facts = facts_of(line, tenant, self._targets, self._judges, line.model or self.policy.models[0])
        try:
            found = self._compiled.match(facts, self._count_error)
        except Undecided as undecided:
            return Outcome(undecided.route, self._kind(undecided.route), lacks=self._unsaid(undecided.classifier))
        if found is None:
            return Outcome(refused="404: no route takes the request")
        return self._routed(line, found, facts)

    def has_price(self, target: str) -> bool:
        """Whether calls of it can be priced."""
        return self._by_target[target].pricing is not None

    def costs(self, line: Line) -> list[float | None]:
        """What each target alone would cost, in their order."""
        facts = facts_of(line, None, self._targets, {}, self.policy.models[0])
        return [self._bill.call(name, facts, line.answers.get(name)).cost for name in self._names]

    def _routed(self, line: Line, found: CompiledRoute, facts: Facts) -> Outcome:
        strategy = self._routes[found.name].strategy
        try:
            urge = 0.0
            if isinstance(strategy, config.Cascade | config.BestOf | config.Consensus):
                table = Table(line, facts, self._bill, self._by_target, self._eligible(facts))
                ways, urge = chains.run(table, strategy)
            else:
                ways = [self._unary(line, facts, name, share) for name, share in self._expected(found, strategy, facts)]
                urge = self._urge(strategy, facts)
        except Undecided as undecided:
            return Outcome(found.name, self._kind(found.name), lacks=self._unsaid(undecided.classifier))
        except Refused as refused_by:
            return Outcome(found.name, self._kind(found.name), refused=str(refused_by))
        except Lacking as lacking:
            return Outcome(found.name, self._kind(found.name), lacks=str(lacking))
        ways = [self._with_classifiers(way, facts) for way in ways]
        refused = "" if ways else "400: no target of the route can serve it"
        labels = {name: result.label for name, result in facts.classified.results.items()}
        return Outcome(found.name, self._kind(found.name), tuple(ways), refused=refused, urge=urge, labels=labels)

    def _expected(self, found: CompiledRoute, strategy: config.Strategy, facts: Facts) -> list[tuple[str, float]]:
        """Targets of the first attempt and their shares."""
        choice = found.choice_for(facts)
        eligible = self._eligible(facts)
        if isinstance(choice, OrderedChoice):
            position = choice.first(sum(1 << at for at, name in enumerate(self._names) if name in eligible))
            return [(self._names[position], 1.0)] if position >= 0 else []
        for each in config.sets_of(strategy):
            if shares := expected_shares(each.targets, eligible):
                return shares
        return []

    def _unary(self, line: Line, facts: Facts, target: str, share: float) -> Way:
        took = self._bill.call(target, facts, line.answers.get(target))
        quality = line.quality(target)
        why = "" if quality is not None else f"no score of target {target}"
        return Way(share, target, quality, took.cost, took.latency_ms, 1.0, took.estimated, why)

    def _with_classifiers(self, way: Way, facts: Facts) -> Way:
        """With the calls of models that picked a label: nobody records those, so their cost is an estimate."""
        for name in facts.classified.results:
            classifier = self._classifiers.get(name)
            if classifier is None or not isinstance(classifier.source, config.Llm):
                continue
            target = classifier.source.target
            asked = picking.body(classifier, facts.query_text, self._by_target[target].features)
            cost = self._bill.priced(target, prompts.prompt_tokens("chat", asked), LABEL_TOKENS)
            total = None if way.cost is None or cost is None else way.cost + cost
            way = replace(way, cost=total, calls=way.calls + 1, estimated=True)
        return way

    def _eligible(self, facts: Facts) -> frozenset[str]:
        needs = Requirements(facts)
        return frozenset(name for name, backend in self._by_target.items() if shortfall(backend, needs) is None)

    def _urge(self, strategy: config.Strategy, facts: Facts) -> float:
        """The score of the classifier that chose."""
        match strategy:
            case config.Select(by=name):
                pass
            case config.Objective(quality=name) if name:
                pass
            case _:
                return 0.0
        return facts.classified.of(name).score

    def _kind(self, route: str) -> str:
        return config.kind_of(self._routes[route].strategy)

    def _unsaid(self, name: str) -> str:
        kind = "llm" if isinstance(self._classifiers[name].source, config.Llm) else "http"
        return f"what the {kind} classifier {name} says was not recorded (labels.{name})"

    def _count_error(self, route: str, _: EvaluationError) -> None:
        self.condition_errors[route] = self.condition_errors.get(route, 0) + 1
