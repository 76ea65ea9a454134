"""From a request's facts to a route: conditions in order, the first that holds."""

import random as randomness
from collections.abc import Callable

from signalbox.routing.config import Policy, Route
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import EvaluationError, Unknown
from signalbox.routing.features import Facts
from signalbox.routing.strategies import Choice, compile_strategy


class CompiledRoute:
    """A route, ready to be asked. ``choice`` keeps the positions of its draws."""

    __slots__ = ("choice", "condition", "name")

    def __init__(self, name: str, condition: Callable[[Facts], bool | Unknown] | None, choice: Choice) -> None:
        self.name = name
        self.condition = condition
        self.choice = choice


class CompiledPolicy:
    """A policy's routes, ready to be asked; targets are known by their position."""

    __slots__ = ("config", "routes")

    def __init__(self, config: Policy, random: randomness.Random, before: "CompiledPolicy | None" = None) -> None:
        """Compile; routes that ``before`` has too, over the same targets, keep their draws."""
        positions = {target.name: position for position, target in enumerate(config.targets)}
        kept: dict[Route, CompiledRoute] = {}
        if before is not None and before.config.targets == config.targets:
            kept = dict(zip(before.config.routes, before.routes, strict=True))
        self.config: Policy = config
        self.routes: tuple[CompiledRoute, ...] = tuple(
            kept.get(route) or _compile(route, positions, random) for route in config.routes
        )

    def match(self, facts: Facts, on_error: Callable[[str, EvaluationError], None]) -> CompiledRoute | None:
        """The first route that holds. A condition that errors, or stays unknown, does not match."""
        for route in self.routes:
            condition = route.condition
            if condition is None:
                return route
            try:
                if condition(facts) is True:
                    return route
            except EvaluationError as error:
                on_error(route.name, error)
        return None


def _compile(route: Route, positions: dict[str, int], random: randomness.Random) -> CompiledRoute:
    condition = translate(route.when) if route.when is not None else None
    return CompiledRoute(route.name, condition, compile_strategy(route.strategy, positions, random))
