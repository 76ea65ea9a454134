"""Names that must be there: targets, classifiers and labels."""

from collections.abc import Collection, Iterable, Iterator

from signalbox.api import RoutingPolicy
from signalbox.api.choosing import Select
from signalbox.api.classifiers import Classifier
from signalbox.plan.checking.closest import Closest
from signalbox.plan.checking.uses import uses_of
from signalbox.plan.problems import Problem, about_policy
from signalbox.routing.expressions.references import references
from signalbox.routing.expressions.tree import Condition
from signalbox.routing.expressions.variables import CLASSIFIER_GROUPS


def check_targets(policy: RoutingPolicy) -> Iterator[Problem]:
    """Targets that are named and not declared."""
    closest = Closest()
    name, targets = policy.metadata.name, [target.name for target in policy.spec.targets]
    for use in uses_of(policy):
        if use.target not in targets:
            message = f'there is no target "{use.target}" in spec.targets'
            fix = closest.meant(use.target, targets, "add it to spec.targets")
            yield about_policy(name, "UnknownTarget", use.path, message, fix)


def check_classifiers(policy: RoutingPolicy, conditions: Iterable[Condition]) -> Iterator[Problem]:
    """Classifiers that are named and not declared, labels that they do not have, and classifiers that nobody asks;
    ``conditions`` are all expressions of the policy."""
    declared = {each.name: each for each in policy.spec.classifiers or ()}
    closest = Closest()
    for index, classifier in enumerate(declared.values()):
        yield from _own_labels(policy.metadata.name, classifier, f"spec.classifiers[{index}]", closest)
    asked = set(_asked(policy))
    for path, name in _asked_at(policy):
        if name not in declared:
            message = f'there is no classifier "{name}" in spec.classifiers'
            fix = closest.meant(name, declared, "declare it there")
            yield about_policy(policy.metadata.name, "UnknownClassifier", path, message, fix)
    for index, route in enumerate(policy.spec.routes):
        if route.select is not None:
            yield from _select(policy, route.select, f"spec.routes[{index}].select", declared, closest)
    for condition in conditions:
        asked.update(_classifier(path) for path in references(condition.tree))
    for index, name in enumerate(declared):
        if name not in asked:
            message = f'no condition and no strategy asks the classifier "{name}"'
            fix = f"remove it, or use it, as in `label.{name}` or select.by"
            path = f"spec.classifiers[{index}]"
            yield about_policy(policy.metadata.name, "UnusedClassifier", path, message, fix, "warning")


def _classifier(path: str) -> str:
    group, _, name = path.partition(".")
    return name if group in CLASSIFIER_GROUPS else ""


def _asked(policy: RoutingPolicy) -> Iterator[str]:
    return (name for _, name in _asked_at(policy))


def _asked_at(policy: RoutingPolicy) -> Iterator[tuple[str, str]]:
    """Fields that name a classifier."""
    for index, route in enumerate(policy.spec.routes):
        path = f"spec.routes[{index}]"
        if route.select is not None and route.select.by is not None:
            yield f"{path}.select.by", route.select.by
        if route.select is not None and route.select.best is not None:
            yield f"{path}.select.best.by", route.select.best.by
        if route.objective is not None and route.objective.quality is not None:
            yield f"{path}.objective.quality.classifier", route.objective.quality.classifier


def _own_labels(policy: str, classifier: Classifier, path: str, closest: Closest) -> Iterator[Problem]:
    """What is said of a classifier's own labels."""
    described = classifier.llm.descriptions or () if classifier.llm is not None else ()
    texts: dict[str, str] = {}
    for index, one in enumerate(described):
        where = f"{path}.llm.descriptions[{index}]"
        yield from _label(policy, one.label, classifier.labels, f"{where}.label", classifier.name, closest)
        same = texts.setdefault(" ".join(one.text.lower().split()), one.label)
        if same != one.label:
            message = f'says the same of "{one.label}" as of "{same}": the model cannot tell them apart'
            fix = "describe what makes the difference, or use one label"
            yield about_policy(policy, "SameMeaning", f"{where}.text", message, fix, "warning")
    scored = classifier.trained.targets or () if classifier.trained is not None else ()
    names: dict[str, str] = {}
    for index, each in enumerate(scored):
        where = f"{path}.trained.targets[{index}]"
        yield from _label(policy, each.label, classifier.labels, f"{where}.label", classifier.name, closest)
        same = names.setdefault(each.target, each.label)
        if same != each.label:
            message = f'the score "{each.target}" stands for "{each.label}" and for "{same}": one is never chosen'
            yield about_policy(
                policy, "SameMeaning", f"{where}.target", message, "name another score, or use one label"
            )


def _label(
    policy: str, label: str, labels: Collection[str], path: str, classifier: str, closest: Closest
) -> Iterator[Problem]:
    if label not in labels:
        message = f'the classifier "{classifier}" has no label "{label}"'
        yield about_policy(policy, "UnknownLabel", path, message, closest.meant(label, labels))


def _select(
    policy: RoutingPolicy, select: Select, path: str, declared: dict[str, Classifier], closest: Closest
) -> Iterator[Problem]:
    name, targets = policy.metadata.name, [target.name for target in policy.spec.targets]
    if select.best is not None and (classifier := declared.get(select.best.by)) is not None:
        strange = [f'"{label}"' for label in classifier.labels if label not in targets]
        if strange:
            message = f'{", ".join(strange)} of the classifier "{classifier.name}" are no targets in spec.targets'
            fix = "write by and targets, which name the target of each label"
            yield about_policy(name, "UnknownTarget", f"{path}.best.by", message, fix)
    if select.by is None or (classifier := declared.get(select.by)) is None:
        return
    named = [each.label for each in select.targets or ()]
    for index, label in enumerate(named):
        yield from _label(name, label, classifier.labels, f"{path}.targets[{index}].label", classifier.name, closest)
    left = [label for label in classifier.labels if label not in named]
    if left and select.otherwise is None:
        message = f'no target for {", ".join(left)} of the classifier "{classifier.name}"'
        fix = "add the target of each label, or otherwise for the rest"
        yield about_policy(name, "LabelsNotCovered", f"{path}.targets", message, fix)
