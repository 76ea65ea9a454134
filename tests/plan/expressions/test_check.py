"""What people see when a condition is wrong: message, position, fix."""

import pytest

from signalbox.plan.expressions.check import MAX_CHARACTERS, Checker, ExpressionError
from signalbox.plan.expressions.page import render
from signalbox.routing.expressions import variables
from signalbox.routing.expressions.references import references


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(["small", "strong"], {"kind": ["code", "prose"], "difficulty": ["simple", "complex"]})


@pytest.mark.parametrize(
    ("source", "line", "column", "message", "fix"),
    [
        ("targets.small.errorRate > 1", 1, 25, "> cannot be applied to a double and an int", 'write "1.0"'),
        ("1 < targets.small.errorRate", 1, 3, "< cannot be applied to an int and a double", 'write "1.0"'),
        ("query.char > 1", 1, 7, "query has no field 'char'", "did you mean query.chars?"),
        ("query.chars > 1 &&\n  query.lins > 2", 2, 9, "no field 'lins'", "did you mean query.lines?"),
        ("query.chars = 1", 1, 13, "a single =", "write `==`"),
        ('request.model == "a', 1, 18, "a string is not closed", 'add the missing "'),
        ("query.chars > 1 and true", 1, 17, "`and` is no operator", "write `&&`"),
        ("query.chars > 1 & true", 1, 17, "a single &", "write `&&`"),
        ("query.chars >", 1, 14, "ends too early", "complete it"),
        ("query.chars", 1, 6, "the result is an int", "compare it"),
        ("request.model == gpt", 1, 18, "no function or variable 'gpt'", '"gpt"'),
        ('query.text.contain("x")', 1, 19, "'contain'", "did you mean contains?"),
        ("targets.smal.healthy", 1, 1, "no target 'smal'", "did you mean targets.small?"),
        ("true && targets.small.utilization > 1", 1, 35, "a double and an int", 'write "1.0"'),
        ("targets.small.utilisation > 1.0", 1, 15, "no field 'utilisation'", "did you mean targets.NAME.utilization?"),
        ("has(targets.small.overloaded)", 1, 4, "always present", "test the value"),
        ('label.kinds == "code"', 1, 1, "there is no classifier 'kinds'", "did you mean label.kind?"),
        ("true && score.dificulty > 0.5", 1, 9, "there is no classifier 'dificulty'", "score.difficulty?"),
        ("confidence.mood > 0.5", 1, 1, "there is no classifier 'mood'", "confidence has: kind, difficulty"),
        ('label.kind == "cod"', 1, 15, "the classifier kind has no label 'cod'", 'did you mean "code"?'),
        ('true && "simple" != label.kind', 1, 9, "kind has no label 'simple'", "its labels are: code, prose"),
        ('label.difficulty in ["complex", "hard"]', 1, 33, "no label 'hard'", "its labels are: simple, complex"),
        ("has(label.kind)", 1, 5, "always present", "a classifier that fails says its default"),
        ("label.kind", 1, 6, "the result is a string", "compare it"),
        ('label == "code"', 1, 1, "label is no value by itself", "as in `label.difficulty`"),
        ("score.kind > 1", 1, 12, "a double and an int", 'write "1.0"'),
        ("query.chars > 1 && target.quality > 3", 1, 20, "target is known only in the filter of an", "targets.NAME"),
        ("answer.chars > 1", 1, 1, "answer is known only in accept.expression", "move the condition there"),
        ('query.text.matches("a(")', 1, 20, "invalid regular expression: missing )", "RE2"),
        ('query.text.matches("(?=a)")', 1, 20, "invalid regular expression", "RE2"),
        ("[1].exists(x, [2].all(y, y > x))", 1, 22, "a macro inside a macro", "`in`"),
        ("has(query.text)", 1, 4, "always present", 'query.text != ""'),
        ("query == query", 1, 1, "no value by itself", "query.text"),
        ('[1, "a"].size() > 1', 1, 1, "different types", "one type"),
        ('duration("1s") < duration("2s")', 1, 9, "`duration` is not available", "docs/expressions.md"),
        ('request.headers["x"] == "a"', 1, 1, "request.headers is not available", "request.header("),
        ("true && 1", 1, 6, "joins true and false", "compare each side"),
        ("", 1, 1, "empty", "leave `when` out"),
        ("true" + " " * MAX_CHARACTERS, 1, 1, "characters", "split"),
        (" && ".join(["query.chars > 1"] * 200), 1, None, "parts", "split"),
        ("[1, 2].filter(x, x > 1).size() > 0 || " * 12 + "true", 1, None, None, None),
        ("1 - (" * 30 + "1" + ")" * 30 + " > 0", 1, None, "levels deep", "simpler"),
        ("1 - (" * 100 + "1" + ")" * 100 + " > 0", 1, 1, "too deeply", "simpler"),
        ("(" * 1000 + "true" + ")" * 1000, 1, None, "", ""),
        ('query.text.split("").exists(x, x.matches("a"))', 1, None, "may cost", "simpler"),
    ],
)
def test_errors_name_position_and_fix(
    checker: Checker, source: str, line: int, column: int | None, message: str | None, fix: str | None
) -> None:
    if message is None:
        checker.check(source)
        return
    with pytest.raises(ExpressionError) as caught:
        checker.check(source)
    error = caught.value
    assert message in error.message
    assert fix is not None
    assert fix in error.fix
    assert error.line == line
    assert column in {None, error.column}


def test_names_inside_strings_and_comments_are_text(checker: Checker) -> None:
    checker.check('query.text == "label.kind targets.none" // targets.none')


def test_references_are_dotted_paths_in_order(checker: Checker) -> None:
    source = 'query.chars > 1 || has(targets.small.ttftMs) || request.header("x-a") == "" || query.chars < 0'
    assert references(checker.check(source).tree) == ("query.chars", "targets.small.ttftMs", 'request.header("x-a")')


def test_every_variable_can_be_named_and_is_documented(checker: Checker) -> None:
    page = render()
    literals = {"bool": "true", "int": "1", "double": "1.0", "string": '"a"'}
    for path, attribute in variables.BY_PATH.items():
        purpose = variables.BOUND_IN.get(path.partition(".")[0], "when")
        assert references(checker.check(f"{path} == {literals[attribute.kind]}", purpose).tree) == (path,)
        assert f"| `{path}` |" in page


@pytest.mark.parametrize(
    ("purpose", "source", "column", "message", "fix"),
    [
        ("filter", "target.qualty > 60", 8, "target has no field 'qualty'", "did you mean target.quality?"),
        ("filter", "target.quality > 60.0", 16, "an int and a double", "compare with a whole number"),
        ("filter", "target == target", 1, "target is no value by itself", "as in `target.name`"),
        ("filter", "has(target.name)", 4, "always present", 'test the value: `target.name != ""`'),
        ("filter", 'answer.text == "x"', 1, "answer is known only in accept.expression", "move the condition"),
        ("filter", "target.quality", 7, "the result is an int", "compare it"),
        ("filter", " ", 1, "empty", "leave `filter` out"),
        ("accept", "answer.finishreason == 'stop'", 8, "no field 'finishreason'", "did you mean answer.finishReason?"),
        ("accept", "answer.isJson > 1", 15, "a bool and an int", "use values of the types"),
        ("accept", "target.healthy", 1, "target is known only in the filter", "targets.NAME"),
        ("accept", "", 1, "empty", "leave `expression` out"),
        ("accept", "true" + " " * MAX_CHARACTERS, 1, "characters", "make it shorter"),
    ],
)
def test_filters_and_conditions_of_answers_are_located_too(
    checker: Checker, purpose: variables.Purpose, source: str, column: int, message: str, fix: str
) -> None:
    with pytest.raises(ExpressionError) as caught:
        checker.check(source, purpose)
    error = caught.value
    assert (error.line, error.column) == (1, column)
    assert message in error.message
    assert fix in error.fix


def test_what_is_bound_may_be_used_where_it_is(checker: Checker) -> None:
    checker.check('target.healthy && target.quality >= 60 || label.kind == "code" && target.name == "small"', "filter")
    checker.check('answer.finishReason == "stop" && answer.chars > query.chars', "accept")
    # A name of a macro's own is nobody else's.
    checker.check('["a"].exists(answer, answer == "a") && ["a"].exists(target, target == "a")')
