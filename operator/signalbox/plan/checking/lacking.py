"""What a policy wants to know of its backends, and they do not say."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from signalbox.api import RoutingPolicy
from signalbox.api.classifiers import Classifier
from signalbox.plan.backends import Standing
from signalbox.plan.checking.uses import uses_of
from signalbox.plan.problems import Problem, about_policy
from signalbox.routing import config


def check_backends(
    policy: RoutingPolicy, routes: Iterable[config.Route], backends: Mapping[str, Standing]
) -> Iterator[Problem]:
    """Features, prices, qualities, latencies and signals that are missing; backends that are not there are no news."""
    known = {t.name: backends[t.backend_ref.name] for t in policy.spec.targets if t.backend_ref.name in backends}
    names = {t.name: t.backend_ref.name for t in policy.spec.targets}
    facts = _Known(policy.metadata.name, known, names)
    yield from _talking(facts, policy)
    labels = {each.name: _expected_of(each) for each in policy.spec.classifiers or ()}
    for index, route in enumerate(routes):
        path = f"spec.routes[{index}]"
        match route.strategy:
            case config.Objective() as objective:
                yield from _objective(facts, f"{path}.objective", objective, labels.get(objective.quality, ()))
            case config.Cascade() as cascade:
                yield from _log_probs(facts, f"{path}.cascade", cascade)
                yield from _chain(facts, path, cascade)
            case config.Consensus() as consensus:
                yield from _votes(facts, f"{path}.consensus", consensus)
                yield from _chain(facts, path, consensus)
            case config.BestOf() as best:
                yield from _chain(facts, path, best)
            case _:
                pass


def _expected_of(classifier: Classifier) -> Collection[str]:
    """The names by which a classifier tells of quality; none where a finished model has names of its own."""
    trained = classifier.trained
    if trained is None or trained.targets is None:
        return classifier.labels if trained is None or trained.model_from is None else ()
    stands_for = {one.label: one.target for one in trained.targets}
    return [stands_for.get(label, label) for label in classifier.labels]


class _Known:
    """The targets whose backends are known, and the names of those that lack something."""

    def __init__(self, policy: str, standing: Mapping[str, Standing], backends: Mapping[str, str]) -> None:
        self.policy, self.standing, self._backends = policy, standing, backends

    def without(self, targets: Iterable[str], has: Callable[[Standing], bool]) -> str:
        """The backends of these targets that do not have it, as words; empty where all do."""
        lacking = {self._backends[t]: None for t in targets if t in self.standing and not has(self.standing[t])}
        return ("ModelBackend " if len(lacking) == 1 else "ModelBackends ") + ", ".join(lacking) if lacking else ""


def _talking(facts: _Known, policy: RoutingPolicy) -> Iterator[Problem]:
    """Who picks labels or judges answers is asked by chat."""
    for use in uses_of(policy):
        backend = facts.standing.get(use.target)
        if use.role != "answers" and backend is not None and backend.features == ("Embeddings",):
            does = "judge answers" if use.role == "judges" else "pick a label"
            message = f'"{use.target}" makes embeddings only, and cannot {does}'
            yield about_policy(facts.policy, "CannotTalk", use.path, message, "name a target that answers chats")


def _log_probs(facts: _Known, path: str, cascade: config.Cascade) -> Iterator[Problem]:
    for index, step in enumerate(cascade.steps):
        if not isinstance(step.accept, config.ByLogProbs):
            continue
        lacking = facts.without((share.target for share in step.targets), _has_log_probs)
        if lacking:
            message = f"{lacking} gives no log-probabilities, by its features"
            fix = "add LogProbs to profile.features if it does, else accept by agreement, judge or expression"
            where = f"{path}.steps[{index}].accept.logProbs"
            yield about_policy(facts.policy, "NoLogProbs", where, message, fix)


def _has_log_probs(backend: Standing) -> bool:
    return backend.features is None or "LogProbs" in backend.features


def _chain(facts: _Known, path: str, chain: config.Chain) -> Iterator[Problem]:
    if chain.limits.max_cost is None:
        return
    lacking = facts.without(config.targets_of(chain), lambda backend: backend.priced)
    if lacking:
        message = f"calls of {lacking} cost nothing as far as is known: they do not count"
        yield _warning(facts, "CostNotKnown", f"{path}.limits.maxCost", message, "add pricing there")


def _votes(facts: _Known, path: str, consensus: config.Consensus) -> Iterator[Problem]:
    """One vote that is enough by itself makes an agreement of nothing."""
    total = sum(voter.weight for voter in consensus.targets)
    for voter in consensus.targets:
        percent = 100 * voter.weight // total if total else 0
        if percent >= consensus.min_percent:
            message = f'"{voter.target}" has {percent} % of the votes: it agrees with itself, whatever the others say'
            fix = f"write minPercent: {min(percent + 1, 100)} or more; profile.quality weighs the votes"
            yield _warning(facts, "OneVoteSuffices", f"{path}.minPercent", message, fix)


def _objective(facts: _Known, path: str, objective: config.Objective, labels: Collection[str]) -> Iterator[Problem]:
    bounds, targets = objective.bounds, objective.targets
    aim = f"{path}.maximize" if objective.aim == "Quality" else f"{path}.minimize"
    wants_quality = [aim] if objective.aim == "Quality" else []
    wants_quality += [f"{path}.bounds.minQuality"] if bounds.min_quality is not None else []
    if labels and not _expects(facts, objective, labels):
        message = f'the labels of the classifier "{objective.quality}" are no targets of this objective, and no skills'
        fix = "use one whose labels are targets, learned from scores, or name its labels in profile.skills of backends"
        yield _warning(facts, "NothingExpected", f"{path}.quality.classifier", message, fix)
    expected = set(labels)
    if lacking := facts.without((t for t in targets if t not in expected), _has_quality):
        for where in wants_quality:
            message = f"the quality of {lacking} is not known: it counts as the worst"
            yield _warning(facts, "QualityNotKnown", where, message, "add profile.quality there")
    wants_cost = [aim] if objective.aim == "Cost" else []
    wants_cost += [f"{path}.bounds.maxCost"] if bounds.max_cost is not None else []
    if lacking := facts.without(targets, lambda backend: backend.priced):
        for where in wants_cost:
            message = f"the price of {lacking} is not known: it counts as the dearest"
            yield _warning(facts, "CostNotKnown", where, message, "add pricing there")
    wants_latency = [aim] if objective.aim == "Latency" else []
    wants_latency += [f"{path}.bounds.maxFirstToken"] if bounds.max_first_token_ms is not None else []
    if lacking := facts.without(targets, lambda backend: backend.profile.latency_ms is not None):
        for where in wants_latency:
            message = f"the latency of {lacking} is not known before it was measured"
            yield _warning(facts, "LatencyNotKnown", where, message, "add profile.latency there")
    if objective.aim == "Load" and (lacking := facts.without(targets, lambda backend: backend.gauged)):
        message = f"how busy {lacking} is cannot be known: only what this router sends there counts"
        yield _warning(facts, "LoadNotKnown", aim, message, "say signals.engine there, or limits.maxInFlight")


def _has_quality(backend: Standing) -> bool:
    return backend.profile.quality is not None


def _expects(facts: _Known, objective: config.Objective, labels: Iterable[str]) -> bool:
    skills = {skill for target in objective.targets if target in facts.standing for skill in _skills(facts, target)}
    return any(label in objective.targets or label in skills for label in labels)


def _skills(facts: _Known, target: str) -> Iterable[str]:
    return facts.standing[target].profile.skills


def _warning(facts: _Known, reason: str, path: str, message: str, fix: str) -> Problem:
    return about_policy(facts.policy, reason, path, message, fix, "warning")
