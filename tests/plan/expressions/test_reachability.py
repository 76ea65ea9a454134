"""Conditions that an earlier one forestalls."""

import itertools
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.expressions.reachability import Reachability
from signalbox.routing.expressions.tree import Call, Condition, Constant, ListLiteral, Logic, Node, Variable

A, B, C = Variable("request.stream"), Variable("query.hasCode"), Variable("targets.a.healthy")
TRUE, FALSE = Constant(value=True), Constant(value=False)


def condition(tree: Node) -> Condition:
    return Condition(source="", tree=tree)


def both(*parts: Node) -> Logic:
    return Logic(operator="and", operands=parts)


def either(*parts: Node) -> Node:
    return Logic(operator="or", operands=parts)


def implies(premise: Node, conclusion: Node) -> bool:
    return Reachability().implies(premise, conclusion)


def covers(earlier: Condition, later: Condition) -> bool:
    return Reachability().covers(earlier, later)


def always(tested: Condition) -> bool:
    return Reachability().always(tested)


def never(tested: Condition) -> bool:
    return Reachability().never(tested)


def test_equal_conditions_cover_each_other() -> None:
    assert covers(condition(A), condition(A))
    assert not covers(condition(A), condition(B))


def test_a_wider_condition_covers_a_narrower_one() -> None:
    assert covers(condition(A), condition(both(A, B)))
    assert covers(condition(either(A, B)), condition(B))
    assert covers(condition(either(A, B)), condition(both(B, C)))
    assert not covers(condition(both(A, B)), condition(A))


def test_a_label_covers_itself_and_no_other() -> None:
    simple, complex_ = (Call("equals", (Variable("label.kind"), Constant(value=v))) for v in ("simple", "complex"))
    elsewhere = Call("equals", (Variable("label.mood"), Constant(value="simple")))
    assert covers(condition(simple), condition(both(A, simple)))
    assert covers(condition(either(simple, complex_)), condition(simple))
    assert not covers(condition(simple), condition(complex_))
    assert not covers(condition(simple), condition(elsewhere))
    assert not covers(condition(both(A, simple)), condition(A)), "that it may stay unknown covers nothing"


def test_constants() -> None:
    assert always(condition(TRUE))
    assert always(condition(either(A, TRUE)))
    assert never(condition(both(A, FALSE)))
    assert not always(condition(A))
    assert not never(condition(A))


def test_numbers_of_different_types_differ() -> None:
    one, float_one = (Call("equals", (Variable("x"), Constant(value=v))) for v in (1, 1.0))
    assert one == float_one
    assert not covers(condition(one), condition(float_one))


def test_deep_nesting_is_cheap() -> None:
    def nest(depth: int, flip: bool) -> Node:
        node: Node = A
        for level in range(depth):
            node = both(node, B) if (level % 2 == 0) is flip else either(node, C)
        return node

    assert implies(nest(60, True), nest(60, True))
    assert isinstance(implies(nest(60, True), nest(60, False)), bool)


def test_what_takes_too_many_steps_is_left_unanswered() -> None:
    wide = both(*(Variable(f"x{number}") for number in range(50)))
    reach = Reachability(steps=100)
    assert reach.implies(wide, Variable("x49"))
    assert not reach.exhausted
    assert not reach.implies(wide, both(*(Variable(f"x{number}") for number in reversed(range(49)))))
    assert reach.exhausted
    assert reach.implies(wide, both(*wide.operands)), "what is written alike needs no step"


def _evaluate(node: Node, values: Mapping[Node, bool]) -> bool:
    if isinstance(node, Constant):
        return bool(node.value)
    if isinstance(node, Logic):
        results = [_evaluate(part, values) for part in node.operands]
        return all(results) if node.operator == "and" else any(results)
    return values[node]


trees = st.recursive(
    st.sampled_from([A, B, C, TRUE, FALSE]),
    lambda inner: st.builds(
        lambda operator, parts: Logic(operator=operator, operands=tuple(parts)),
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=8,
)


@given(trees, trees)
def test_what_is_said_to_be_implied_is(premise: Node, conclusion: Node) -> None:
    if implies(premise, conclusion):
        for bits in itertools.product([False, True], repeat=3):
            values = dict(zip([A, B, C], bits, strict=True))
            assert not _evaluate(premise, values) or _evaluate(conclusion, values)


LABELS = {"kind": ("a", "b", "c"), "mood": ("a", "b")}


def label(name: str, value: str, function: str = "equals") -> Call:
    return Call(function, (Variable(f"label.{name}"), Constant(value=value)))


def among(name: str, *values: str) -> Call:
    return Call("in_list", (Variable(f"label.{name}"), ListLiteral(tuple(Constant(value=v) for v in values))))


def test_a_classifier_has_always_one_label_and_never_two() -> None:
    reach = Reachability(labels=LABELS)
    assert reach.always(condition(either(label("mood", "a"), label("mood", "b"))))
    assert reach.always(condition(among("kind", "c", "a", "b")))
    assert not reach.always(condition(either(label("kind", "a"), label("kind", "b"))))
    assert reach.never(condition(both(label("kind", "a"), label("kind", "b"))))
    assert not reach.never(condition(both(label("kind", "a"), label("mood", "b"))))
    assert reach.covers(condition(label("kind", "a", "not_equals")), condition(both(A, label("kind", "b"))))
    assert reach.covers(condition(among("kind", "a", "b")), condition(label("kind", "b")))
    assert reach.covers(condition(label("kind", "c", "not_equals")), condition(among("kind", "a", "b")))
    assert not reach.covers(condition(label("kind", "b")), condition(among("kind", "a", "b")))
    assert not reach.always(condition(label("other", "a"))), "of which nothing is known"


def _holds(node: Node, said: Mapping[str, str], stream: bool) -> bool:
    match node:
        case Constant(value):
            return bool(value)
        case Logic(operator, operands):
            results = [_holds(part, said, stream) for part in operands]
            return all(results) if operator == "and" else any(results)
        case Call("in_list", (Variable(path), ListLiteral(elements))):
            return said[path] in [each.value for each in elements if isinstance(each, Constant)]
        case Call(function, (Variable(path), Constant(value))):
            return (said[path] == value) is (function == "equals")
        case _:
            return stream


comparisons = st.one_of(
    st.builds(label, st.just("kind"), st.sampled_from("abc"), st.sampled_from(["equals", "not_equals"])),
    st.builds(label, st.just("mood"), st.sampled_from("ab"), st.sampled_from(["equals", "not_equals"])),
    st.lists(st.sampled_from("abc"), max_size=3).map(lambda values: among("kind", *values)),
    st.sampled_from([A, TRUE, FALSE]),
)
labelled = st.recursive(
    comparisons,
    lambda inner: st.builds(
        lambda operator, parts: Logic(operator=operator, operands=tuple(parts)),
        st.sampled_from(["and", "or"]),
        st.lists(inner, min_size=2, max_size=3),
    ),
    max_leaves=6,
)


@given(labelled, labelled)
def test_what_is_said_to_be_implied_by_labels_is(premise: Node, conclusion: Node) -> None:
    if Reachability(labels=LABELS).implies(premise, conclusion):
        for kind, mood, stream in itertools.product("abc", "ab", [False, True]):
            said = {"label.kind": kind, "label.mood": mood}
            assert not _holds(premise, said, stream) or _holds(conclusion, said, stream)
