"""Chains that cannot do what they are there for."""

from collections.abc import Iterator

from signalbox.api import RoutingPolicy
from signalbox.plan.problems import Problem, about_policy
from signalbox.routing import config
from signalbox.routing.expressions.references import references
from signalbox.routing.expressions.variables import CLASSIFIER_GROUPS


def check_chains(policy: RoutingPolicy, routes: tuple[config.Route, ...]) -> Iterator[Problem]:
    """Budgets that never suffice, judges of themselves, and choices among one."""
    for index, route in enumerate(routes):
        path, name, chain = f"spec.routes[{index}]", policy.metadata.name, route.strategy
        match chain:
            case config.Cascade():
                yield from _cascade(name, path, chain)
            case config.BestOf():
                yield from _best_of(name, path, chain)
            case config.Consensus():
                yield from _consensus(name, path, chain)
            case _:
                continue
        yield from _budget(name, path, chain)
        yield from _slow(policy, path, route, chain.limits.timeout_ms)


def calls_of(chain: config.Chain) -> int:
    """Of a whole chain, as far as its last step. Answers of one step are asked for at once; failures, and other targets
    that are tried instead, come on top."""
    match chain:
        case config.Cascade(steps=steps):
            return sum(map(_of_step, steps))
        case config.BestOf(targets=targets, judge=judge):
            return sum(each.samples for each in targets) + (judge is not None)
        case config.Consensus(targets=voters, judge=judge):
            return len(voters) + (judge is not None) + 1


def _of_step(step: config.Step) -> int:
    match step.accept:
        case config.ByAgreement(samples=samples):
            return samples
        case config.ByJudge():
            return 2
        case _:
            return 1


def _budget(policy: str, path: str, chain: config.Chain) -> Iterator[Problem]:
    needed, most = calls_of(chain), chain.limits.max_calls
    if most < needed:
        aim = {"cascade": "to come to the last step", "bestOf": "to choose", "consensus": "to escalate"}
        message = f"{most} calls can never suffice {aim[config.kind_of(chain)]}: {needed} are needed"
        fix = f"write {needed} or more, or ask for less"
        yield about_policy(policy, "TooFewCalls", f"{path}.limits.maxCalls", message, fix)


def _cascade(policy: str, path: str, chain: config.Cascade) -> Iterator[Problem]:
    for index, step in enumerate(chain.steps):
        if isinstance(step.accept, config.ByJudge):
            asked = [share.target for share in step.targets]
            yield from _own_judge(policy, f"{path}.cascade.steps[{index}].accept.judge", step.accept.judge, asked)


def _best_of(policy: str, path: str, chain: config.BestOf) -> Iterator[Problem]:
    if sum(each.samples for each in chain.targets) < 2:
        message = "asks for one answer only: there is nothing to choose from"
        fix = "write samples: 3, or add a target"
        yield about_policy(policy, "TooFewAnswers", f"{path}.bestOf.targets", message, fix)
    if chain.judge is not None:
        yield from _own_judge(policy, f"{path}.bestOf.judge", chain.judge, [each.target for each in chain.targets])


def _consensus(policy: str, path: str, chain: config.Consensus) -> Iterator[Problem]:
    voters = [each.target for each in chain.targets]
    if chain.judge is not None:
        yield from _own_judge(policy, f"{path}.consensus.judge", chain.judge, voters)
    if chain.escalate_to in voters:
        message = f'"{chain.escalate_to}" has had a vote: where they do not agree, it is asked once more'
        fix = "name a stronger target"
        yield about_policy(policy, "EscalatesToVoter", f"{path}.consensus.escalateTo", message, fix, "warning")


def _slow(policy: RoutingPolicy, path: str, route: config.Route, timeout_ms: int) -> Iterator[Problem]:
    """A classifier that may take longer than the whole chain."""
    asked = references(route.when.tree) if route.when is not None else ()
    for classifier in policy.spec.classifiers or ():
        takes = classifier.timeout_in_force.milliseconds
        if takes >= timeout_ms and any(f"{group}.{classifier.name}" in asked for group in CLASSIFIER_GROUPS):
            message = f'the classifier "{classifier.name}" may take {takes} ms, all calls of the chain {timeout_ms} ms'
            fix = "write a longer timeout here, or a shorter one there"
            yield about_policy(
                policy.metadata.name, "SlowClassifier", f"{path}.limits.timeout", message, fix, "warning"
            )


def _own_judge(policy: str, path: str, judge: config.Judge, asked: list[str]) -> Iterator[Problem]:
    if judge.target in asked:
        message = f'"{judge.target}" judges its own answers: models prefer what they wrote themselves'
        fix = "name another target"
        yield about_policy(policy, "JudgesItself", f"{path}.target", message, fix, "warning")
