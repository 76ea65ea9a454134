"""All lines through all policies: who serves which line, and what is to be said beside the figures."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from signalbox.evaluation.bill import means_of
from signalbox.evaluation.classifiers import untrained
from signalbox.evaluation.lines import Line
from signalbox.evaluation.outcome import Outcome
from signalbox.evaluation.replay import Replay
from signalbox.evaluation.report import PolicyReport, report
from signalbox.routing import config

Progress = Callable[[int], None]
"""Hears how many lines are done, of all policies together."""


@dataclass(frozen=True)
class Run:
    """One policy, the lines that it serves, and what came of each."""

    replay: Replay
    lines: Sequence[Line]
    outcomes: Sequence[Outcome]

    @property
    def policy(self) -> str:
        return self.replay.policy.name

    def report(self) -> PolicyReport:
        """Its figures."""
        policy = self.replay.policy
        labels = {each.name: each.labels for each in policy.classifiers}
        costs = [self.replay.costs(line) for line in self.lines]
        return report(policy.name, self.replay.targets, labels, self.lines, self.outcomes, costs, self._notes())

    def _notes(self) -> list[str]:
        policy = self.replay.policy
        routes = {outcome.route for outcome in self.outcomes if outcome.evaluable}
        notes = [f"classifier {name} has learned nothing yet: its default holds" for name in untrained(policy)]
        notes += [
            f"the condition of route {route} had no value for {count} queries and counted as not matching"
            for route, count in self.replay.condition_errors.items()
        ]
        by_load = [
            route.name
            for route in policy.routes
            if route.name in routes
            and any(each.free and len(each.targets) > 1 for each in config.sets_of(route.strategy))
        ]
        if by_load:
            notes.append(f"shares of {', '.join(by_load)} follow load, which is not replayed: equal ones are assumed")
        if any(isinstance(each.source, config.Llm) for each in policy.classifiers):
            notes.append("calls of models that pick a label count, their time does not: it is not recorded")
        strangers = 0 if policy.access.anonymous else sum(not line.tenant for line in self.lines)
        if strangers:
            notes.append(
                f"{strangers} queries name no tenant, which the policy demands: replayed as if that was allowed"
            )
        unpriced = [name for name in self.replay.targets if not self.replay.has_price(name)]
        if unpriced:
            notes.append(f"no prices, so no cost where they answer: {', '.join(unpriced)} (spec.pricing)")
        return notes


def run(
    served: Iterable[tuple[config.Policy, Mapping[str, config.Backend]]], lines: Sequence[Line], progress: Progress
) -> list[Run]:
    """A line that names a model is for the policy with that model, one without for every policy. ``served`` has each
    policy with its backends. Raises ``ValueError`` for a learned model that cannot be read."""
    means = means_of(lines)
    runs: list[Run] = []
    done = 0
    for policy, backends in served:
        replay = Replay(policy, backends, means)
        mine = [line for line in lines if not line.model or line.model in policy.models]
        outcomes = []
        for line in mine:
            outcomes.append(replay.outcome(line))
            done += 1
            progress(done)
        runs.append(Run(replay, mine, outcomes))
    return runs


def unserved(runs: Iterable[Run], lines: Sequence[Line]) -> dict[str, int]:
    """By model that no policy has, how many lines ask for it."""
    known = {model for each in runs for model in each.replay.policy.models}
    found: dict[str, int] = {}
    for line in lines:
        if line.model and line.model not in known:
            found[line.model] = found.get(line.model, 0) + 1
    return found
