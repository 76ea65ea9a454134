"""What people see when a condition is wrong: message, position, fix."""

import pytest

from signalbox.plan.expressions.check import MAX_CHARACTERS, Checker, ExpressionError
from signalbox.plan.expressions.page import render
from signalbox.routing.expressions import variables
from signalbox.routing.expressions.references import references


@pytest.fixture(scope="module")
def checker() -> Checker:
    return Checker(["small", "strong"])


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
        ('label.kind == "code"', 1, 1, "classifiers are not supported yet", "use variables of"),
        ("score.kind > 0.5", 1, 1, "classifiers are not supported yet", "use variables of"),
        ("confidence.kind > 0.5", 1, 1, "classifiers are not supported yet", "use variables of"),
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
        assert references(checker.check(f"{path} == {literals[attribute.kind]}").tree) == (path,)
        assert f"| `{path}` |" in page
