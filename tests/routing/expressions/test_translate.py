"""Translation: what it refuses, and what it leaves uncomputed."""

import pytest

from signalbox.plan.expressions.check import Checker, ExpressionError
from signalbox.routing.expressions import tree
from signalbox.routing.expressions.translate import TranslationError, translate
from signalbox.routing.expressions.values import UNKNOWN
from signalbox.routing.features import Facts


def facts(text: str = "hello") -> Facts:
    return Facts("chat", {"messages": [{"role": "user", "content": text}]}, {}, "", "", {})


@pytest.mark.parametrize(
    "node",
    [
        tree.Variable("query.__class__"),
        tree.Variable("f.body"),
        tree.Variable("targets.a.__dict__"),
        tree.Call("exec", (tree.Constant("x"),)),
        tree.Local("k0"),
        tree.Present("query.text"),
        tree.Call("matches_string", (tree.Variable("query.text"), tree.Constant("a("))),
    ],
)
def test_what_is_not_on_the_lists_is_refused(node: tree.Node) -> None:
    with pytest.raises(TranslationError):
        translate(tree.Condition("x", node))


def test_nesting_is_bounded() -> None:
    node: tree.Node = tree.Constant(True)
    for _ in range(300):
        node = tree.Call("logical_not", (node,))
    with pytest.raises(TranslationError, match="levels deep"):
        translate(tree.Condition("x", node))


def test_text_of_a_configuration_stays_data() -> None:
    hostile = '") or __import__("os") or ("'
    node = tree.Call("equals", (tree.Variable("query.text"), tree.Constant(hostile)))
    assert translate(tree.Condition("x", node))(facts(hostile)) is True


@pytest.mark.parametrize(
    "source",
    [
        "query.hasCode && query.chars > 100",
        'query.text.matches("(?i)sql") && query.chars > 100',
        "query.hasCode || query.chars < 100",
    ],
)
def test_cheap_operands_decide_before_dear_ones_are_computed(source: str) -> None:
    found = facts()
    translate(Checker([]).check(source))(found)
    computed = vars(found)
    assert "query_text_utf8" not in computed
    assert "query_has_code" not in computed


def test_unknown_has_no_truth() -> None:
    with pytest.raises(TypeError):
        bool(UNKNOWN)


def test_numbers_that_json_cannot_carry_are_refused() -> None:
    with pytest.raises(ExpressionError):
        Checker([]).check("query.chars > int(1e999)")


def test_a_local_name_hides_a_variable() -> None:
    assert translate(Checker([]).check('["a"].exists(query, query == "a")'))(facts()) is True
