"""From a request's facts to a route: conditions in order, the first that holds."""

import random as randomness
from collections.abc import Callable

from signalbox.routing.chains.compiled import CompiledChain, compile_chain
from signalbox.routing.config import Policy, Route
from signalbox.routing.expressions.translate import query_patterns, translate
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError, Unknown, UnknownValueError
from signalbox.routing.features import Facts
from signalbox.routing.regex import join
from signalbox.routing.strategies import Choice, compile_strategy


class Undecided(Exception):  # noqa: N818 - no error: the request waits
    """What a classifier says decides where the request goes, and has to be waited for; from ``route`` on it goes on."""

    def __init__(self, classifier: str, route: str) -> None:
        super().__init__(classifier, route)
        self.classifier = classifier
        self.route = route


class CompiledRoute:
    """A route, ready to be asked. ``choice`` keeps the positions of its draws; ``chain`` is there where several models
    are asked for one answer."""

    __slots__ = ("chain", "choice", "condition", "name")

    def __init__(
        self,
        name: str,
        condition: Callable[[Facts], bool | Unknown] | None,
        choice: Choice,
        chain: CompiledChain | None = None,
    ) -> None:
        self.name = name
        self.condition = condition
        self.choice = choice
        self.chain = chain

    def choice_for(self, facts: Facts) -> Choice:
        """The choice for one request. Raises ``Undecided``."""
        try:
            return self.choice.for_(facts)
        except UnknownValueError as error:
            raise Undecided(error.classifier, self.name) from None


class CompiledPolicy:
    """A policy's routes, ready to be asked; targets are known by their position."""

    __slots__ = ("_joined", "config", "routes")

    def __init__(self, config: Policy, random: randomness.Random, before: "CompiledPolicy | None" = None) -> None:
        """Compile; routes that ``before`` has too, over the same targets, keep their draws."""
        positions = {target.name: position for position, target in enumerate(config.targets)}
        kept: dict[Route, CompiledRoute] = {}
        if before is not None and before.config.targets == config.targets:
            kept = dict(zip(before.config.routes, before.routes, strict=True))
        conditions = (route.when for route in config.routes if route.when is not None)
        self._joined = join(pattern for condition in conditions for pattern in query_patterns(condition))
        self.config: Policy = config
        self.routes: tuple[CompiledRoute, ...] = tuple(
            kept.get(route) or _compile(route, positions, random) for route in config.routes
        )

    def match(
        self, facts: Facts, on_error: Callable[[str, EvaluationError], None], start: str = ""
    ) -> CompiledRoute | None:
        """The first route that holds; with ``start``, of that one and those behind it. A condition that errors does not
        match. Raises ``Undecided``."""
        if facts.joined is not self._joined:
            facts.look_for(self._joined)
        for route in self._from(start) if start else self.routes:
            condition = route.condition
            if condition is None:
                return route
            try:
                holds = condition(facts)
            except EvaluationError as error:
                on_error(route.name, error)
                continue
            if holds is False:
                continue
            if holds is UNKNOWN:
                raise Undecided(facts.awaited, route.name)
            return route
        return None

    def _from(self, name: str) -> tuple[CompiledRoute, ...]:
        position = next(position for position, route in enumerate(self.routes) if route.name == name)
        return self.routes[position:]


def _compile(route: Route, positions: dict[str, int], random: randomness.Random) -> CompiledRoute:
    condition = translate(route.when) if route.when is not None else None
    choice = compile_strategy(route.strategy, positions, random)
    return CompiledRoute(route.name, condition, choice, compile_chain(route.strategy, choice, positions))
