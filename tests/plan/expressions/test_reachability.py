"""Conditions that an earlier one forestalls."""

import itertools
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from signalbox.plan.expressions.reachability import Reachability
from signalbox.routing.expressions.tree import Call, Condition, Constant, Logic, Node, Variable

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
