"""Translation: what it refuses, and what it leaves uncomputed."""

from types import SimpleNamespace
from typing import cast

import pytest

from signalbox.plan.expressions.check import Checker, ExpressionError
from signalbox.routing.expressions import tree, variables
from signalbox.routing.expressions.references import read
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
    only = cast("Facts", SimpleNamespace(query_chars=len("hello")))  # whoever reads another fact of it fails
    assert isinstance(translate(Checker([]).check(source))(only), bool)


def test_unknown_has_no_truth() -> None:
    with pytest.raises(TypeError):
        bool(UNKNOWN)


def test_numbers_that_json_cannot_carry_are_refused() -> None:
    with pytest.raises(ExpressionError):
        Checker([]).check("query.chars > int(1e999)")


def test_a_local_name_hides_a_variable() -> None:
    assert translate(Checker([]).check('["a"].exists(query, query == "a")'))(facts()) is True


class Candidate:
    """A target that a filter is asked about."""

    name, model, backend = "small", "m", "b"
    quality: int | None = 62
    input_per_million: float | None = 0.05
    output_per_million: float | None = None
    context_window: int | None = 8192
    in_flight, error_rate, healthy, overloaded = 3, 0.25, True, False
    ttft_ms: int | None = None
    waiting: int | None = None
    utilization: float | None = 0.5
    kv_cache_usage: float | None = None


class Answer:
    """An answer that is to be accepted or not."""

    text, chars, words, lines, tokens = "Yes.", 4, 1, 1, 2
    finish_reason, refusal, is_json, matches_schema, tool_calls = "stop", False, False, True, 0


@pytest.mark.parametrize(
    ("purpose", "source", "expected"),
    [
        ("filter", "target.quality >= 60 && target.inputPerMillion < 0.1", True),
        ("filter", "has(target.outputPerMillion) || target.outputPerMillion > 0.0", False),
        ("filter", 'target.name == "small" && target.model == "m" && target.backend.matches("^b$")', True),
        (
            "filter",
            "target.contextWindow > conversation.tokens && target.inFlight < 4 && target.utilization < 0.9",
            True,
        ),
        ("filter", "has(target.ttftMs) || !target.healthy || target.overloaded || target.errorRate > 0.5", False),
        ("filter", 'label.kind == "code" || target.healthy', True),
        ("filter", 'label.kind == "code" && target.healthy', UNKNOWN),
        ("accept", 'answer.finishReason == "stop" && !answer.refusal && answer.toolCalls == 0', True),
        (
            "accept",
            'answer.text.startsWith("Yes") && answer.text.matches("[.]$") && answer.text.containsWord("yes")',
            True,
        ),
        ("accept", "answer.isJson || !answer.matchesSchema", False),
        ("accept", "answer.chars + answer.words + answer.lines + answer.tokens == 8 && query.chars == 5", True),
    ],
)
def test_filters_and_conditions_of_answers(purpose: variables.Purpose, source: str, expected: object) -> None:
    found = facts()
    found.target, found.answer = Candidate(), Answer()
    condition = Checker(["small"], {"kind": ["code", "prose"]}).check(source, purpose)
    assert translate(condition)(found) is expected


@pytest.mark.parametrize("group", variables.BOUND)
def test_every_variable_that_is_bound_can_be_read(group: str) -> None:
    found = facts()
    found.target, found.answer = Candidate(), Answer()
    for attribute in variables.BOUND[group]:
        value = read(found, f"{group}.{attribute.name}")
        kinds = {"bool": bool, "int": int, "double": float, "string": str}
        assert value is None if attribute.optional and value is None else type(value) is kinds[attribute.kind]
