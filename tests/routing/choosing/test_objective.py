"""``objective``: what is best, what meets the bounds, and what holds where something is not known."""

import dataclasses
import itertools
import random
from collections.abc import Sequence

import pytest
from choosing.deciding import AWAITED, facts_of, says
from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.expressions.check import Checker
from signalbox.routing import config
from signalbox.routing.choosing.candidate import Candidate
from signalbox.routing.choosing.objective import ObjectiveChoice, Ranked, missed, rank
from signalbox.routing.choosing.trained import TrainedJudge
from signalbox.routing.config import Backend
from signalbox.routing.expressions.values import UnknownValueError
from signalbox.routing.features import Facts
from signalbox.routing.strategies import compile_strategy

NAMES = ("a", "b", "c", "d", "e")
POSITIONS = {name: position for position, name in enumerate(NAMES)}
CENT = 10**10


def backend(
    price: tuple[int, int] | None = (1_000_000, 10_000_000),
    quality: int | None = None,
    latency: int | None = None,
    **skills: int,
) -> config.Backend:
    """Prices are in 10⁻¹² a token, as in the configuration: 1,000,000 is 1 per million."""
    return config.Backend(
        name="backend",
        model="some-model",
        authority="x",
        context_window=8192,
        pricing=config.Pricing(input=price[0], output=price[1]) if price else None,
        profile=config.Profile(quality=quality, latency_ms=latency, skills=skills),
    )


@dataclasses.dataclass
class Live:
    """A target whose signals are given."""

    config: Backend = dataclasses.field(default_factory=backend)
    token_correction: float = 1.0
    expected_output_tokens: float = 300.0
    expected_ttft_ms: float | None = None
    load: float = 0.0
    in_flight: int = 0
    ttft_ms: int | None = None
    error_rate: float = 0.0
    healthy: bool = True
    waiting: int | None = None
    utilization: float | None = None
    kv_cache_usage: float | None = None
    overloaded: bool = False


def objective(aim: str, *names: str, when: str = "", **fields: object) -> config.Objective:
    condition = Checker(NAMES, {"kind": ["x", "y"]}).check(when, "filter") if when else None
    return config.Objective(aim=aim, targets=names or ("a", "b"), filter=condition, **fields)  # type: ignore[arg-type]


def ranked(strategy: config.Objective, facts: Facts) -> Ranked:
    choice = compile_strategy(strategy, POSITIONS, random.Random(1)).for_(facts)
    assert isinstance(choice, Ranked)
    return choice


def names(strategy: config.Objective, facts: Facts) -> list[str]:
    return [candidate.name for candidate in ranked(strategy, facts).candidates]


def test_cost_is_of_prompt_and_answer_as_the_backend_counts_and_writes() -> None:
    talkative = Live(backend((1_000_000, 10_000_000)), expected_output_tokens=900.0)
    terse = Live(backend((2_000_000, 20_000_000)), expected_output_tokens=100.0)
    targets = {"a": talkative, "b": terse}
    assert names(objective("Cost"), facts_of(targets=targets)) == ["b", "a"]
    # Where the client bounds the answer, both write as much.
    assert names(objective("Cost"), facts_of(targets=targets, max_tokens=50)) == ["a", "b"]
    found = ranked(objective("Cost"), facts_of("x" * 4000, targets=targets, max_tokens=50)).candidates[0]
    assert found.cost == 1000 * 1_000_000 + 50 * 10_000_000
    assert (
        ranked(objective("Cost"), facts_of(targets=targets, n=2)).candidates[0].cost == 2 * 1_000_000 * 2 + 200 * 20e6
    )


def test_an_embedding_writes_nothing() -> None:
    facts = Facts("embeddings", {"model": "auto", "input": "x" * 400}, {}, "", "", {"a": Live(), "b": Live()})
    assert ranked(objective("Cost"), facts).candidates[0].cost == 100 * 1_000_000


def test_latency_is_as_expected_and_load_as_it_is() -> None:
    targets = {"a": Live(expected_ttft_ms=200.0, load=0.1), "b": Live(expected_ttft_ms=90.0, load=0.7)}
    assert names(objective("Latency"), facts_of(targets=targets)) == ["b", "a"]
    assert names(objective("Load"), facts_of(targets=targets)) == ["a", "b"]


def test_one_stream_at_a_time_finds_out_how_fast_an_unknown_target_is() -> None:
    targets = {"a": Live(expected_ttft_ms=90.0), "b": Live()}
    assert names(objective("Latency"), facts_of(targets=targets)) == ["a", "b"]
    assert names(objective("Latency"), facts_of(targets=targets, stream=True)) == ["b", "a"]
    targets["b"].in_flight = 1
    assert names(objective("Latency"), facts_of(targets=targets, stream=True)) == ["a", "b"]


def test_quality_is_by_the_classifier_then_by_skill_then_in_general() -> None:
    targets = {"a": Live(backend(quality=60, code=90)), "b": Live(backend(quality=70))}
    aim = objective("Quality")
    assert names(aim, facts_of(targets=targets)) == ["b", "a"]
    assert names(aim, facts_of("```x```", targets=targets)) == ["a", "b"]
    by = objective("Quality", quality="kind")
    assert names(by, facts_of(judges={"kind": says("a", a=0.95, b=0.5)}, targets=targets)) == ["a", "b"]
    # What the classifier does not know of a target, its profile says.
    assert names(by, facts_of(judges={"kind": says("a", a=0.65)}, targets=targets)) == ["b", "a"]
    # A label without expected scores is a skill.
    targets["a"] = Live(backend(quality=60, law=95))
    assert names(by, facts_of(judges={"kind": says("law")}, targets=targets)) == ["a", "b"]


def test_ties_go_to_the_less_loaded_then_by_order() -> None:
    targets = {"a": Live(load=0.5), "b": Live(load=0.2), "c": Live(load=0.2)}
    for aim in ("Cost", "Quality", "Latency"):
        assert names(objective(aim, "a", "c", "b"), facts_of(targets=targets)) == ["c", "b", "a"]


def test_what_is_not_known_is_worst() -> None:
    targets = {"a": Live(backend(None)), "b": Live(backend(quality=1), expected_ttft_ms=9e9)}
    for aim in ("Cost", "Quality", "Latency"):
        assert names(objective(aim), facts_of(targets=targets)) == ["b", "a"]
    # ... and meets no bound.
    bounds = (config.Bounds(min_quality=1), config.Bounds(max_cost=CENT), config.Bounds(max_first_token_ms=10**11))
    for bound in bounds:
        assert names(objective("Load", bounds=bound), facts_of(targets=targets)) == ["b", "a"]


def test_bounds_come_before_the_aim_and_where_none_is_met_the_nearest_serves() -> None:
    targets = {
        "a": Live(backend((1, 1), quality=30)),
        "b": Live(backend((2, 2), quality=60)),
        "c": Live(backend((3, 3), quality=90)),
    }
    every = ("a", "b", "c")
    assert names(objective("Cost", *every), facts_of(targets=targets))[0] == "a"
    found = ranked(objective("Cost", *every, bounds=config.Bounds(min_quality=50)), facts_of(targets=targets))
    assert [each.name for each in found.candidates] == ["b", "c", "a"]
    assert found.why() == "cost 0.000000001 of b"
    found = ranked(objective("Cost", *every, bounds=config.Bounds(min_quality=95)), facts_of(targets=targets))
    assert [each.name for each in found.candidates] == ["c", "b", "a"]
    assert found.why().endswith("of c, no target meets the bounds, this one comes nearest to minQuality")


def test_a_filter_leaves_out_and_asks_about_one_target_at_a_time() -> None:
    targets = {"a": Live(backend(quality=30)), "b": Live(healthy=False), "c": Live(backend((9, 9), quality=90))}
    facts = facts_of(targets=targets)
    found = ranked(objective("Cost", "a", "b", "c", when="target.healthy && target.quality >= 50"), facts)
    assert ([each.name for each in found.candidates], found.mask) == (["c"], 0b100)
    by_name = objective("Cost", "a", "b", "c", when='target.name == "b" && target.model == "some-model"')
    assert names(by_name, facts) == ["b"]
    assert names(objective("Cost", when="target.inputPerMillion > 1.0"), facts) == []
    assert ranked(objective("Cost", when="target.quality > 99"), facts).why() == "the filter leaves no target"


def test_a_filter_that_errors_leaves_its_target_out_and_says_so() -> None:
    facts = facts_of(targets={"a": Live(in_flight=0), "b": Live(in_flight=1)})
    found = ranked(objective("Cost", when="1 / target.inFlight == 1"), facts)
    assert [each.name for each in found.candidates] == ["b"]
    assert found.failed is not None


def test_a_filter_or_a_quality_waits_for_its_classifier() -> None:
    facts = facts_of(targets={"a": Live(), "b": Live()}, judges={"kind": AWAITED})
    for strategy in (objective("Quality", quality="kind"), objective("Cost", when='label.kind == "x"')):
        with pytest.raises(UnknownValueError) as caught:
            ObjectiveChoice(strategy, POSITIONS).for_(facts)
        assert caught.value.classifier == "kind"
    absorbed = objective("Cost", when='target.healthy || label.kind == "x"')
    assert names(absorbed, facts) == ["a", "b"]


def test_a_classifier_without_an_artefact_expects_nothing() -> None:
    unlearned = config.Classifier(name="kind", labels=("a", "b"), default="b", source=config.Trained())

    def read(data: bytes) -> TrainedJudge:
        raise AssertionError

    targets = {"a": Live(backend(quality=60)), "b": Live(backend(quality=50))}
    judges = {"kind": TrainedJudge(unlearned, read)}  # type: ignore[arg-type]
    assert names(objective("Quality", quality="kind"), facts_of(targets=targets, judges=judges)) == ["a", "b"]


# properties

PRICES = st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(0, 20)))
LIVES = st.builds(
    Live,
    config=st.builds(
        backend,
        price=PRICES,
        quality=st.one_of(st.none(), st.integers(0, 100)),
    ),
    expected_ttft_ms=st.one_of(st.none(), st.floats(1.0, 1000.0)),
    load=st.sampled_from([0.0, 0.25, 0.5, 1.5]),
    in_flight=st.integers(0, 1),
)
PORTFOLIOS = st.lists(LIVES, min_size=1, max_size=5)
BOUNDS = st.builds(
    config.Bounds,
    min_quality=st.one_of(st.none(), st.integers(0, 100)),
    max_cost=st.one_of(st.none(), st.integers(0, 8000)),
    max_first_token_ms=st.one_of(st.none(), st.integers(1, 1000)),
)
AIMS = st.sampled_from(["Cost", "Latency", "Load", "Quality"])


def order_of(lives: Sequence[Live], order: Sequence[int], aim: str, bounds: config.Bounds) -> tuple[Ranked, Facts]:
    facts = facts_of(targets=dict(zip(NAMES, lives, strict=False)), stream=True)
    strategy = objective(aim, *(NAMES[position] for position in order), bounds=bounds)
    return ranked(strategy, facts), facts


@given(PORTFOLIOS, AIMS, BOUNDS, st.randoms(use_true_random=False))
def test_the_order_of_targets_decides_ties_only(
    lives: list[Live], aim: str, bounds: config.Bounds, chance: random.Random
) -> None:
    strategy = objective(aim, bounds=bounds)
    as_listed, _ = order_of(lives, range(len(lives)), aim, bounds)
    shuffled = list(range(len(lives)))
    chance.shuffle(shuffled)
    otherwise, _ = order_of(lives, shuffled, aim, bounds)
    ranks = [[rank(each, strategy) for each in found.candidates] for found in (as_listed, otherwise)]
    assert ranks[0] == ranks[1] == sorted(ranks[0])
    for value, ties in itertools.groupby(otherwise.candidates, key=lambda each: rank(each, strategy)):
        tied = [each.position for each in ties]
        assert tied == [position for position in shuffled if position in tied], value


@given(PORTFOLIOS, AIMS, BOUNDS)
def test_bounds_are_kept_wherever_a_target_can(lives: list[Live], aim: str, bounds: config.Bounds) -> None:
    found, _ = order_of(lives, range(len(lives)), aim, bounds)
    best = found.candidates[0]
    assert missed(best, bounds) == min(missed(each, bounds) for each in found.candidates)
    if any(_meets(each, bounds) for each in found.candidates):
        assert _meets(best, bounds)
        assert "no target meets" not in found.why()
    else:
        assert "no target meets" in found.why()


def _meets(candidate: Candidate, bounds: config.Bounds) -> bool:
    """The bounds once more, in other words."""
    percent, cost, first = candidate.percent, candidate.cost, candidate.first_token_ms
    return (
        (bounds.min_quality is None or (percent is not None and percent >= bounds.min_quality))
        and (bounds.max_cost is None or (cost is not None and cost <= bounds.max_cost))
        and (bounds.max_first_token_ms is None or (first is not None and first <= bounds.max_first_token_ms))
    )


@given(PORTFOLIOS.filter(lambda lives: len(lives) > 1), AIMS, BOUNDS, st.data())
def test_without_a_target_that_was_not_chosen_the_same_is_chosen(
    lives: list[Live], aim: str, bounds: config.Bounds, data: st.DataObject
) -> None:
    found, _ = order_of(lives, range(len(lives)), aim, bounds)
    best = found.candidates[0].position
    gone = data.draw(st.sampled_from([position for position in range(len(lives)) if position != best]))
    rest = [position for position in range(len(lives)) if position != gone]
    again, _ = order_of(lives, rest, aim, bounds)
    assert again.candidates[0].position == best


@given(PORTFOLIOS, AIMS, BOUNDS, st.integers(0, 31))
def test_only_usable_targets_in_the_order_of_their_ranks(
    lives: list[Live], aim: str, bounds: config.Bounds, usable: int
) -> None:
    found, _ = order_of(lives, range(len(lives)), aim, bounds)
    left = usable & found.mask
    got = []
    while (position := found.first(left)) >= 0:
        got.append(position)
        left &= ~(1 << position)
    assert got == [each.position for each in found.candidates if usable >> each.position & 1]
