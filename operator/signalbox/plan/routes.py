"""The routes of a policy: conditions, strategies, and which of them can ever serve."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Final

from signalbox.api.routes import Route
from signalbox.api.routingpolicy import RoutingPolicy
from signalbox.api.weighted import WeightedTarget
from signalbox.plan.checking.chains import check_chains
from signalbox.plan.checking.names import check_classifiers, check_targets
from signalbox.plan.checking.uses import sets, uses_of
from signalbox.plan.expressions.check import Checker, ExpressionError
from signalbox.plan.expressions.reachability import Reachability
from signalbox.plan.problems import Problem, Severity, about_policy
from signalbox.plan.strategies import Labels, strategy_of
from signalbox.routing import config
from signalbox.routing.expressions.references import compared_loads
from signalbox.routing.expressions.tree import Condition, Constant
from signalbox.routing.expressions.variables import Purpose

KIND = "RoutingPolicy"
Report = Callable[[Problem], None]

MAX_CHARACTERS: Final = 65_536
"""Of all conditions of a policy together: to check that many takes half a second of a processor."""
MAX_PROBLEMS: Final = 100
"""With the routes of one policy: nobody reads more, and a policy can have very many."""

_INVALID = Constant(value=None)
"""Stands in the place of a condition that does not compile, so that the other routes can be checked still."""


CompiledRoutes = tuple[tuple[config.Route, ...], tuple[Problem, ...]]


def compiled_routes(policy: RoutingPolicy) -> CompiledRoutes:
    """The routes of a policy and the problems with them; both depend on nothing but the policy."""
    first = _First(policy)
    routes = _compile(policy, first.report)
    return routes, first.problems


class _First:
    """Keeps the first problems, and says what the others were."""

    def __init__(self, policy: RoutingPolicy) -> None:
        self._policy = policy
        self._found: list[Problem] = []
        self._left_out: dict[Severity, int] = {}

    def report(self, problem: Problem) -> None:
        if len(self._found) < MAX_PROBLEMS:
            self._found.append(problem)
        else:
            self._left_out[problem.severity] = self._left_out.get(problem.severity, 0) + 1

    @property
    def problems(self) -> tuple[Problem, ...]:
        if not self._left_out:
            return tuple(self._found)
        message = f"{sum(self._left_out.values())} more problems are not shown"
        severity: Severity = "error" if "error" in self._left_out else "warning"
        fix = "mend those that are, and see again"
        rest = _problem(self._policy, "TooManyProblems", "spec.routes", message, fix, severity)
        return *self._found, rest


def _compile(policy: RoutingPolicy, report: Report) -> tuple[config.Route, ...]:
    """Compile every route, as far as it is sound."""
    length = sum(len(source) for route in policy.spec.routes for source in _expressions(route))
    if length > MAX_CHARACTERS:
        message = f"the conditions have {length} characters together; at most {MAX_CHARACTERS} are allowed"
        fix = "make them shorter, or split the policy"
        report(_problem(policy, "ConditionsTooLong", "spec.routes", message, fix))
        return ()
    names = [target.name for target in policy.spec.targets]
    labels = {each.name: each.labels for each in policy.spec.classifiers or ()}
    expressions = _Expressions(policy, Checker(names, labels), report)
    routes: list[config.Route] = []
    for index, route in enumerate(policy.spec.routes):
        path = f"spec.routes[{index}]"
        compiled = partial(expressions.compiled, path)
        when = compiled(route.when, "when", "when") if route.when is not None else None
        for where, targets in sets(route, path):
            _check_set(policy, where, targets, report)
        if when is not None:
            _check_ramp(policy, path, when, report)
        routes.append(config.Route(name=route.name, strategy=strategy_of(route, labels, compiled), when=when))
    for problem in (
        *check_targets(policy),
        *check_classifiers(policy, expressions.sound),
        *check_chains(policy, tuple(routes)),
    ):
        report(problem)
    _check_reach(policy, routes, labels, report)
    _check_use(policy, routes, report)
    return tuple(routes)


def _expressions(route: Route) -> Iterator[str]:
    if route.when is not None:
        yield route.when
    if route.objective is not None and route.objective.filter is not None:
        yield route.objective.filter
    for step in route.cascade.steps if route.cascade is not None else ():
        if step.accept is not None and step.accept.expression is not None:
            yield step.accept.expression


class _Expressions:
    """Compiles the expressions of a policy, keeps those that are ``sound``, and reports the others."""

    def __init__(self, policy: RoutingPolicy, checker: Checker, report: Report) -> None:
        self._name, self._checker, self._report = policy.metadata.name, checker, report
        self.sound: list[Condition] = []

    def compiled(self, route: str, source: str, purpose: Purpose, path: str) -> Condition:
        """The expression at a path below a route; one that no request meets where it does not compile."""
        try:
            condition = self._checker.check(source, purpose)
        except ExpressionError as error:
            problem = Problem(
                kind=KIND,
                name=self._name,
                reason="InvalidExpression",
                path=f"{route}.{path}",
                message=error.message,
                fix=error.fix,
                expression=source,
                line=error.line,
                column=error.column,
            )
            self._report(problem)
            return Condition(source=source, tree=_INVALID)
        self.sound.append(condition)
        return condition


def _check_ramp(policy: RoutingPolicy, path: str, when: Condition, report: Report) -> None:
    """A bound for the load that the condition itself causes: beyond it all requests leave, and then all come back."""
    loads = compared_loads(when.tree)
    if not loads:
        return
    overloaded = " and ".join(dict.fromkeys(f"targets.{load.split('.')[1]}.overloaded" for load in loads))
    message = f"compares the load of a target ({', '.join(loads)}): requests leave all at once, and return all at once"
    fix = f"use {overloaded}, on at 0.9 and off at 0.7, or failover with spill, which moves a part that grows"
    report(_problem(policy, "LoadWithoutRamp", f"{path}.when", message, fix, "warning"))


def _check_set(policy: RoutingPolicy, path: str, targets: Sequence[WeightedTarget], report: Report) -> None:
    bare = [target.name for target in targets if target.weight is None]
    if bare and len(bare) < len(targets):
        message = f"some targets have a weight, but {', '.join(bare)} {'has' if len(bare) == 1 else 'have'} none"
        fix = "give a weight to all targets of the set, or to none (then capacity and load decide)"
        report(_problem(policy, "MixedWeights", path, message, fix))


def _check_reach(policy: RoutingPolicy, routes: Sequence[config.Route], labels: Labels, report: Report) -> None:
    reach = Reachability(labels=labels)
    for index, route in enumerate(routes):
        if route.when is not None and route.when.tree is _INVALID:
            continue
        path = f"spec.routes[{index}]"
        blocker = next((earlier for earlier in routes[:index] if _takes_all(earlier, route, reach)), None)
        if blocker is not None:
            everything = blocker.when is None or reach.always(blocker.when)
            catches = "takes every request" if everything else "takes all of its requests"
            message = f'is never reached: the earlier route "{blocker.name}" {catches}'
            fix = f'move it before "{blocker.name}", change one of the two conditions, or remove it'
            report(_problem(policy, "UnreachableRoute", path, message, fix))
        elif route.when is not None and reach.never(route.when):
            message = "never holds: this route takes no request"
            fix = "remove the route, or write the condition that is meant"
            report(_problem(policy, "NeverHolds", f"{path}.when", message, fix, severity="warning"))
    if reach.exhausted:
        message = "the conditions are too long to compare all of them: a route that is never reached may go unnoticed"
        fix = "make them shorter, or split the policy"
        report(_problem(policy, "ReachNotChecked", "spec.routes", message, fix, severity="warning"))


def _takes_all(earlier: config.Route, later: config.Route, reach: Reachability) -> bool:
    if earlier.when is None:
        return True
    if earlier.when.tree is _INVALID:
        return False
    return reach.always(earlier.when) or (later.when is not None and reach.covers(earlier.when, later.when))


def _check_use(policy: RoutingPolicy, routes: Iterable[config.Route], report: Report) -> None:
    """Who judges answers, or picks labels, is used, too."""
    used = {use.target: True for use in uses_of(policy) if use.role != "answers"}
    for route in routes:
        weights: dict[str, int] = {}
        for share in (share for each in config.sets_of(route.strategy) for share in each.targets):
            weights[share.target] = max(share.weight, weights.get(share.target, 0))
        for target in config.targets_of(route.strategy):
            used[target] = used.get(target, False) or weights.get(target, 1) != 0
    for index, declared in enumerate(policy.spec.targets):
        path = f"spec.targets[{index}]"
        if declared.name not in used:
            message = f'no route uses the target "{declared.name}"'
            report(_problem(policy, "UnusedTarget", path, message, "remove it, or name it in a route", "warning"))
        elif not used[declared.name]:
            message = f'no route can use the target "{declared.name}": its weight is 0 everywhere'
            report(_problem(policy, "UnusableTarget", path, message, "give it a weight above 0 in a route", "warning"))


def _problem(
    policy: RoutingPolicy, reason: str, path: str, message: str, fix: str, severity: Severity = "error"
) -> Problem:
    return about_policy(policy.metadata.name, reason, path, message, fix, severity)
