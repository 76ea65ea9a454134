"""Classifiers are asked lazily and once; what is awaited is exactly what a condition still needs."""

import itertools
import random

import pytest
from choosing.deciding import AWAITED, facts_of, says

from signalbox.plan.expressions.check import Checker
from signalbox.routing import config
from signalbox.routing.choosing.classified import Result
from signalbox.routing.choosing.trained import TrainedJudge, settled
from signalbox.routing.classifiers.trained import Prediction
from signalbox.routing.decision import CompiledPolicy, Undecided
from signalbox.routing.expressions.values import EvaluationError

CHECKER = Checker(["a", "b"], {"kind": ["a", "code", "math"], "mood": ["a", "calm"]})


def policy(*conditions: str, strategy: config.Strategy | None = None) -> CompiledPolicy:
    to_a = strategy or config.Weighted(targets=(config.Share(target="a"),))
    routes = [
        config.Route(name=f"r{number}", strategy=to_a, when=CHECKER.check(when))
        for number, when in enumerate(conditions)
    ]
    made = config.Policy(
        name="p",
        models=("auto",),
        access=config.Access(anonymous=True),
        targets=(config.Target(name="a", backend="a"), config.Target(name="b", backend="b")),
        routes=(*routes, config.Route(name="rest", strategy=to_a)),
    )
    return CompiledPolicy(made, random.Random(1))


def refuse(route: str, error: EvaluationError) -> None:
    raise AssertionError(f"{route}: {error}")


def test_a_classifier_is_asked_once_for_all_conditions_and_only_when_one_depends_on_it() -> None:
    kind, mood = says("code", 0.2, 0.9), says("calm")
    facts = facts_of(judges={"kind": kind, "mood": mood})
    found = policy(
        'query.chars > 99 && label.mood == "calm"', 'label.kind == "math"', "score.kind > 0.5", "confidence.kind > 0.5"
    ).match(facts, refuse)
    assert found is not None
    assert found.name == "r3"
    assert (kind.asked, mood.asked) == (1, 0)
    assert list(facts.classified.results) == ["kind"]


@pytest.mark.parametrize(
    ("when", "awaited"),
    [
        ('label.kind == "a"', "kind"),
        ('label.mood == "a" && label.kind == "a"', "mood"),
        ('label.kind == "a" || query.chars == 5', ""),
        ('label.kind == "a" && query.chars != 5', ""),
        # What is absorbed inside is not asked, though the whole stays undecided for the sake of another.
        ('(label.kind == "a" || 1 / int(query.chars - 4) == 1) && label.mood == "a"', "mood"),
        ('query.chars == 5 ? label.mood == "a" : label.kind == "a"', "mood"),
        ('["x", "y"].exists(x, x == label.kind)', "kind"),
        ("score.mood > 0.5", "mood"),
    ],
)
def test_exactly_what_is_undecided_is_awaited(when: str, awaited: str) -> None:
    compiled = policy(when)
    facts = facts_of(judges={"kind": AWAITED, "mood": AWAITED})
    if not awaited:
        assert compiled.match(facts, refuse) is not None
        return
    with pytest.raises(Undecided) as caught:
        compiled.match(facts, refuse)
    assert (caught.value.classifier, caught.value.route) == (awaited, "r0")


def test_what_was_awaited_is_told_and_the_decision_goes_on_from_its_route() -> None:
    compiled = policy("query.chars > 9", 'label.kind == "code" && label.mood == "calm"', 'label.kind == "math"')
    facts = facts_of(judges={"kind": AWAITED, "mood": AWAITED})
    with pytest.raises(Undecided) as caught:
        compiled.match(facts, refuse)
    assert (caught.value.classifier, caught.value.route) == ("kind", "r1")
    facts.classified.tell("kind", Result("math", 0.0, 1.0))
    found = compiled.match(facts, refuse, caught.value.route)
    assert found is not None
    assert found.name == "r2"  # the mood was never needed
    assert compiled.match(facts, refuse, "rest") is compiled.routes[-1]


def test_several_are_awaited_one_after_the_other() -> None:
    compiled = policy('label.mood == "a" && label.kind == "a"')
    for mood, kind in itertools.product("ab", repeat=2):
        facts = facts_of(judges={"kind": AWAITED, "mood": AWAITED})
        asked, start = [], ""
        while True:
            try:
                found = compiled.match(facts, refuse, start)
            except Undecided as undecided:
                asked.append(undecided.classifier)
                start = undecided.route
                facts.classified.tell(undecided.classifier, Result({"mood": mood, "kind": kind}[asked[-1]], 0.0, 1.0))
                continue
            break
        assert found is not None
        assert found.name == ("r0" if mood == kind == "a" else "rest")
        assert asked == (["mood", "kind"] if mood == "a" else ["mood"])


def test_a_strategy_waits_for_its_classifier_too() -> None:
    select = config.Select(by="kind", targets=(config.Labelled(label="code", target="b"),), otherwise="a")
    compiled = policy("query.chars > 9", strategy=select)
    facts = facts_of(judges={"kind": AWAITED})
    route = compiled.match(facts, refuse)
    assert route is not None
    with pytest.raises(Undecided) as caught:
        route.choice_for(facts)
    assert (caught.value.classifier, caught.value.route) == ("kind", "rest")
    facts.classified.tell("kind", Result("code", 0.0, 1.0))
    assert route.choice_for(facts).first(0b11) == 1


CLASSIFIER = config.Classifier(
    name="kind", labels=("easy", "hard"), default="hard", source=config.Trained(), min_confidence_percent=60
)


class Fixed:
    """A model that always predicts the same."""

    def __init__(self, result: Result) -> None:
        self._result = result

    def predict(self, text: str) -> Prediction:
        label, score, confidence, *_ = self._result
        return Prediction(label, score, confidence, {}, 0.0, {})


@pytest.mark.parametrize(
    ("said", "holds"),
    [
        (Result("easy", 0.1, 0.6), Result("easy", 0.1, 0.6)),
        (Result("easy", 0.1, 0.59), Result("hard", 0.1, 0.59, outcome="unsure")),
        (Result("other", 0.9, 0.9), Result("hard", 0.0, 0.0, outcome="failed")),
    ],
)
def test_the_default_holds_where_the_answer_is_unsure_or_no_label(said: Result, holds: Result) -> None:
    assert settled(CLASSIFIER, said) == holds
    source = config.Trained(model=b"an artefact")
    trained = TrainedJudge(
        config.Classifier(
            name="kind", labels=("easy", "hard"), default="hard", source=source, min_confidence_percent=60
        ),
        lambda data: Fixed(said),
    )
    assert trained.judge("hello") == holds


def test_without_an_artefact_the_default_holds_and_nothing_is_read() -> None:
    def read(data: bytes) -> Fixed:
        raise AssertionError("nothing to read")

    assert TrainedJudge(CLASSIFIER, read).judge("hello") == Result("hard", 0.0, 0.0, outcome="untrained")
