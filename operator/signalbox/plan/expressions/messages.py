"""The official checker's messages in plain words, each with the fix that helps most people who see it."""

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Final

from signalbox.plan.expressions.declarations import MESSAGES
from signalbox.routing.expressions import variables

# message, line, column, fix
Explained = tuple[str, int, int, str]

FUNCTIONS: Final = tuple(
    "contains startsWith endsWith matches size words containsWord header charAt indexOf lastIndexOf join lowerAscii "  # noqa: SIM905
    "upperAscii replace split substring trim reverse exists exists_one all filter map int double string bool uint "
    "bytes".split()
)

_ERROR: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_TOKEN: Final = re.compile(
    r"""(?P<skip>//[^\n]*|[bBrR]{0,2}(?:\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))"""
    r"|(?P<path>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)"
)
# To the checker, names of classifiers are whole: it takes has(label.x) for label.x.
_HAS: Final = re.compile(r"\bhas\s*\(\s*$")
_TYPES: Final = {"int": "an int", "double": "a double", "string": "a string", "bool": "a bool", "uint": "a uint"}
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.*?)' applied to '(?:.*\.)?\((.*)\)'")
_UNDECLARED: Final = re.compile(r"undeclared reference to '(.*?)'")
_UNDEFINED_FIELD: Final = re.compile(r"undefined field '(.*?)' not found in struct 'signalbox\.(\w+)'")
_SEE: Final = "docs/expressions.md lists the variables and functions"


_ELSEWHERE: Final = {
    "target": ("the filter of an objective", "name one of the policy, as in `targets.NAME.healthy`"),
    "answer": ("accept.expression of a step of a cascade", "move the condition there, or ask about the query"),
}


def explain(official: str, source: str, targets: Sequence[str], purpose: variables.Purpose = "when") -> Explained:
    """Turn the text of the official error into (message, line, column, fix)."""
    found = _ERROR.search(official)
    if "recursion limit" in official:
        return "the expression is nested too deeply", 1, 1, "make it simpler, or split it over several routes"
    if found is None:
        return official.splitlines()[0], 1, 1, _SEE
    line, column, text = int(found[1]), int(found[2]), found[3].removesuffix(" [INVALID_ARGUMENT]")
    if text.startswith("Syntax error"):
        return _syntax(text, source, line, column)
    if match := _UNDEFINED_FIELD.match(text):
        return _field(match[1], match[2].lower(), line, column + 1, targets)
    if match := _OVERLOAD.match(text):
        return _overload(match[1], match[2], source, line, column)
    if match := _UNDECLARED.match(text):
        return _undeclared(match[1], line, column, purpose)
    return text, line, column, _SEE


def missing_name(source: str, targets: Sequence[str], classifiers: Sequence[str]) -> Explained | None:
    """Names that the checker would report worse, or not at all: of targets and classifiers."""
    for path, offset in _paths(source):
        group, *rest = path
        where = _position(source, offset)
        if group == "targets" and rest and rest[0] not in targets:
            return f"there is no target {rest[0]!r} in this policy", *where, _closest(rest[0], targets, "targets")
        if group in variables.CLASSIFIER_GROUPS and rest and rest[0] not in classifiers:
            fix = _closest(rest[0], classifiers, group) if classifiers else "declare it in spec.classifiers"
            return f"there is no classifier {rest[0]!r} in this policy", *where, fix
        if group in variables.CLASSIFIER_GROUPS and rest and _HAS.search(source[:offset]):
            fix = "compare it: a classifier that fails says its default"
            return f"{group}.{rest[0]} is always present, so has() says nothing", *where, fix
        if group == "request" and rest[:1] == ["headers"]:
            return "request.headers is not available", *where, 'write `request.header("x-name")`; it is "" when absent'
    return None


def _paths(source: str) -> Iterator[tuple[list[str], int]]:
    """Dotted names outside strings and comments, with their offsets; what follows a dot belongs to something else."""
    for found in _TOKEN.finditer(source):
        if found["path"] and not source[: found.start()].rstrip().endswith("."):
            yield [part.strip() for part in found["path"].split(".")], found.start()


def _position(source: str, offset: int) -> tuple[int, int]:
    before = source[:offset]
    return before.count("\n") + 1, offset - before.rfind("\n")


def _closest(name: str, names: Sequence[str], group: str) -> str:
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"did you mean {group}.{close[0]}?"
    return f"{group} has: {', '.join(names)}" if names else f"{group} has no names"


def _syntax(text: str, source: str, line: int, column: int) -> Explained:
    rest = source.split("\n")[line - 1][column - 1 :] if line <= source.count("\n") + 1 else ""
    at_end = "<EOF>' expecting" in text or not rest
    if rest.startswith("=") and "token recognition" in text:
        return "a single = is no operator", line, column, "write `==` to compare"
    if rest[:1] in {'"', "'"} and "token recognition" in text:
        return "a string is not closed", line, column, f"add the missing {rest[0]}"
    if rest[:1] in {"&", "|"}:
        return f"a single {rest[0]} is no operator", line, column, f"write `{rest[0] * 2}`"
    for word, symbol in {"and": "&&", "or": "||", "not": "!", "is": "=="}.items():
        if re.match(rf"{word}\b", rest):
            return f"`{word}` is no operator", line, column, f"write `{symbol}`"
    if at_end:
        return "the expression ends too early", line, column, "complete it: an operand or a closing bracket is missing"
    return f"unexpected {rest.split()[0]!r}", line, column, "check the operators, brackets and quotes before it"


def _field(name: str, group: str, line: int, column: int, targets: Sequence[str]) -> Explained:
    attributes = MESSAGES.get(group, ())
    label = "targets.NAME" if group == "member" else group
    if group == "targets":
        return f"there is no target {name!r} in this policy", line, column, _closest(name, targets, "targets")
    return f"{label} has no field {name!r}", line, column, _closest(name, [a.name for a in attributes], label)


def _undeclared(name: str, line: int, column: int, purpose: variables.Purpose) -> Explained:
    known = [*variables.groups(purpose), "targets"]
    simple = name.lstrip(".").split(".")[0]
    if simple in _ELSEWHERE:
        where, fix = _ELSEWHERE[simple]
        return f"{simple} is known only in {where}", line, column - len(name.rpartition(".")[0]), fix
    if simple in variables.CLASSIFIER_GROUPS:
        return f"{simple} is no value by itself", line, column, f"name a classifier, as in `{simple}.difficulty`"
    if close := difflib.get_close_matches(name, FUNCTIONS, n=1, cutoff=0.7):
        return f"there is no function or variable {name!r}", line, column, f"did you mean {close[0]}?"
    if close := difflib.get_close_matches(simple, known, n=1, cutoff=0.6):
        return f"there is no variable {name!r}", line, column, f"did you mean {close[0]}?"
    fix = f'if it is meant as text, put it in quotes: "{name}"; {_SEE}'
    return f"there is no function or variable {name!r}", line, column, fix


def _overload(function: str, arguments: str, source: str, line: int, column: int) -> Explained:
    kinds = [kind.strip() for kind in arguments.split(",")]
    symbol = function.strip("_").replace("@", "").replace("_", " ")
    if function == "_?_:_":
        return "both results of ? : must have one type", line, column, "write numbers alike, as in `1.0` and `2.0`"
    if function in {"_&&_", "_||_", "!_", "!"}:
        return (
            f"{symbol} joins true and false, not {' and '.join(_TYPES.get(k, k) for k in kinds)}",
            line,
            column,
            "compare each side with something, as in `query.chars > 100`",
        )
    message = f"{symbol} cannot be applied to {' and '.join(_TYPES.get(k, k) for k in kinds)}"
    return message, line, column, _overload_fix(kinds, source, line, column, symbol)


def _overload_fix(kinds: list[str], source: str, line: int, column: int, symbol: str) -> str:
    after = source.split("\n")[line - 1][column - 1 + len(symbol) :]
    before = source.split("\n")[line - 1][: column - 1]
    right = re.match(r"\s*(-?\d+)(?![\w.])", after)
    left = re.search(r"(?<![\w.])(\d+)\s*$", before)
    if kinds == ["double", "int"]:
        return f'write "{right[1]}.0"' if right else "write `double(…)` around the int"
    if kinds == ["int", "double"]:
        return f'write "{left[1]}.0"' if left else "compare with a whole number, or write `double(…)` around the int"
    if "string" in kinds and ({"int", "double", "bool"} & set(kinds)):
        return "put text in quotes, and leave quotes off numbers, true and false"
    return "use values of the types that it takes; docs/expressions.md lists them"
