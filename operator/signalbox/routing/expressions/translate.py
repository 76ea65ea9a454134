"""From the checked tree of a condition to a Python function.

The function is compiled from source that this module writes: names come from tables here, whatever a configuration
says becomes a constant. Source rather than closures, because a condition of five nodes then costs one call instead of
five. Three-valued logic is paid for only where an operand can fail: for the others ``and`` and ``or`` of Python mean
the same as ``&&`` and ``||``.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from signalbox.routing.expressions import tree, variables
from signalbox.routing.expressions.collections import map_of, value_of
from signalbox.routing.expressions.functions import CHEAP, FUNCTIONS, HELPERS, REGEX, SCAN
from signalbox.routing.expressions.logic import LOGIC
from signalbox.routing.expressions.text import contains_lower_word
from signalbox.routing.expressions.values import UNKNOWN, Unknown, UnknownValueError
from signalbox.routing.features import Facts
from signalbox.routing.regex import Pattern, PatternError

Evaluate = Callable[[Facts], "bool | Unknown"]

# An unrolled comprehension is faster than a loop; a long one only makes the code big.
UNROLL_AT_MOST: Final = 16
# Python's parser refuses about 200 parentheses inside each other.
DEEPEST: Final = 40


class TranslationError(ValueError):
    """The tree is not one that this version understands: a newer planner, or a broken configuration."""


class _Code(msgspec.Struct, frozen=True):
    """A Python expression. ``total``: it always has a value."""

    source: str
    total: bool = True
    cost: int = CHEAP


def translate(condition: tree.Condition) -> Evaluate:
    """A function that decides the condition for given facts.

    It returns ``UNKNOWN`` while a classifier's answer that is not known yet could change the result, with the first
    such classifier in ``Facts.awaited``, and raises ``EvaluationError`` where CEL's evaluation errors. Raises
    ``TranslationError`` for a tree that it cannot read.
    """
    return _translate(condition.tree).evaluate


def query_patterns(condition: tree.Condition) -> tuple[str, ...]:
    """The literal patterns that a condition looks for in the query. Raises ``TranslationError``."""
    return _translate(condition.tree).query_patterns


class _Translated(NamedTuple):
    evaluate: Evaluate
    query_patterns: tuple[str, ...]


@lru_cache(maxsize=4096)
def _translate(root: tree.Node) -> _Translated:
    writer = _Writer()
    code = writer.node(root, {}, 0)
    body = f"    return {code.source}\n"
    if not code.total:
        body = f"    try:\n    {body}    except UnknownValueError as error:\n"
        body += "        f.awaited = error.classifier\n        return UNKNOWN\n"
    namespace = {"__builtins__": {}, **HELPERS, **LOGIC, **_NAMES, **writer.constants}
    exec(compile(f"def condition(f):\n{body}", "<condition>", "exec"), namespace)  # noqa: S102
    evaluate: Evaluate = namespace["condition"]
    return _Translated(evaluate, tuple(writer.query_patterns))


def _known(values: Mapping[str, Any], name: str) -> Any:
    """What a classifier said."""
    try:
        return values[name]
    except KeyError:
        raise UnknownValueError(name) from None


_NAMES: Final = {
    "UNKNOWN": UNKNOWN,
    "UnknownValueError": UnknownValueError,
    "known": _known,
    "map_of": map_of,
    "value_of": value_of,
    "contains_lower_word": contains_lower_word,
    "all": all,
    "any": any,
    "sum": sum,
}
# Variables that take reading a text; the others take a look at the body.
_VARIABLE_COSTS: Final = {
    "query.hasCode": REGEX,
    "query.words": SCAN,
    "query.hasUrl": SCAN,
    "answer.words": SCAN,
    "answer.lines": SCAN,
    "answer.refusal": REGEX,
    "answer.isJson": REGEX,
    "answer.matchesSchema": REGEX,
}
_QUERY_TEXT: Final = tree.Variable("query.text")

_Locals = Mapping[str, _Code]


class _Writer:
    """Writes the source of one condition."""

    def __init__(self) -> None:
        self.constants: dict[str, Any] = {}
        self.query_patterns: list[str] = []

    def constant(self, value: object) -> str:
        """A name for a value."""
        name = f"k{len(self.constants)}"
        self.constants[name] = value
        return name

    def node(self, node: tree.Node, scope: _Locals, depth: int) -> _Code:
        if depth > DEEPEST:
            raise TranslationError(f"the expression is nested more than {DEEPEST} levels deep")
        match node:
            case tree.Constant(value):
                if value is None or isinstance(value, bool):
                    return _Code(repr(value))
                return _Code(self.constant(value))
            case tree.BytesConstant(value):
                return _Code(self.constant(value))
            case tree.Variable(path):
                return self._variable(path)
            case tree.Present(path):
                return self._present(path)
            case tree.Header(name):
                return self._header(name, scope, depth)
            case tree.Local(name):
                if name not in scope:
                    raise TranslationError(f"{name!r} is not declared")
                return scope[name]
            case tree.Call():
                return self._call(node, scope, depth)
            case tree.Logic(operator, operands):
                return self._logic(operator, [self.node(o, scope, depth + 1) for o in operands])
            case tree.Conditional(test, then, otherwise):
                parts = [self.node(n, scope, depth + 1) for n in (test, then, otherwise)]
                return _joined(f"({parts[1].source} if {parts[0].source} else {parts[2].source})", parts)
            case tree.ListLiteral(elements):
                parts = [self.node(e, scope, depth + 1) for e in elements]
                return _joined("[" + ", ".join(p.source for p in parts) + "]", parts)
            case tree.MapLiteral(entries):
                parts = [self.node(n, scope, depth + 1) for entry in entries for n in entry]
                return _joined(f"map_of({', '.join(p.source for p in parts)})", parts, total=False)
            case tree.Field(operand, name, test):
                part = self.node(operand, scope, depth + 1)
                if test:
                    return _joined(f"({self.constant(name)} in {part.source})", [part])
                return _joined(f"value_of({part.source}, {self.constant(name)})", [part], total=False)
            case tree.Comprehension():
                return self._comprehension(node, scope, depth)
            case _:
                raise TranslationError(f"unknown node {type(node).__name__}")

    # variables

    def _variable(self, path: str) -> _Code:
        group, _, rest = path.partition(".")
        if group in variables.CLASSIFIER_GROUPS:
            return _Code(f"known(f.{group}s, {self.constant(rest)})", total=False)
        source, attribute = self._stored(path)
        if not attribute.optional:
            return _Code(source, cost=_VARIABLE_COSTS.get(path, CHEAP))
        default = self.constant(attribute.default)
        return _Code(f"({default} if {source} is None else {source})")

    def _present(self, path: str) -> _Code:
        source, attribute = self._stored(path)
        if not attribute.optional:
            raise TranslationError(f"{path} is never absent")
        return _Code(f"({source} is not None)")

    def _stored(self, path: str) -> tuple[str, variables.Attribute]:
        """Where the facts keep a variable; ``None`` there means absent."""
        group, _, rest = path.partition(".")
        if group == "targets":
            name, _, field = rest.partition(".")
            if field in variables.TARGET_BY_NAME:
                source = f"f.targets[{self.constant(name)}].{variables.snake(field)}"
                return source, variables.TARGET_BY_NAME[field]
        elif path in variables.BY_PATH:
            separator = "." if group in variables.BOUND else "_"
            return f"f.{group}{separator}{variables.snake(rest)}", variables.BY_PATH[path]
        raise TranslationError(f"unknown variable {path!r}")

    def _header(self, name: tree.Node, scope: _Locals, depth: int) -> _Code:
        argument = self.node(name, scope, depth + 1)
        return _joined(f"f.header({argument.source})", [argument])

    # calls

    def _call(self, node: tree.Call, scope: _Locals, depth: int) -> _Code:
        if node.function.startswith("matches") and isinstance(node.arguments[1], tree.Constant):
            return self._matches(node.arguments[0], node.arguments[1].value, scope, depth)
        if node.function == "string_contains_word" and node.arguments[0] == _QUERY_TEXT:
            return self._contains_word(node.arguments[1], scope, depth)
        function = FUNCTIONS.get(node.function)
        if function is None:
            raise TranslationError(f"unknown function {node.function!r}")
        parts = [self.node(a, scope, depth + 1) for a in node.arguments]
        sources = [p.source for p in parts]
        if function.template:
            source = function.template.format(*sources)
        else:
            source = f"{self.constant(function.python)}({', '.join(sources)})"
        return _joined(source, parts, total=function.total, cost=function.cost)

    def _matches(self, text: tree.Node, pattern: object, scope: _Locals, depth: int) -> _Code:
        """A literal pattern is compiled here, once; those for the query are looked for together."""
        try:
            compiled = Pattern(str(pattern))
        except PatternError as error:
            raise TranslationError(f"invalid regular expression: {error}") from None
        if text == _QUERY_TEXT:
            self.query_patterns.append(compiled.source)
            return _Code(f"f.query_matches({self.constant(compiled)})", cost=REGEX)
        part = self.node(text, scope, depth + 1)
        return _joined(f"{self.constant(compiled.found_in)}({part.source}.encode())", [part], cost=REGEX)

    def _contains_word(self, word: tree.Node, scope: _Locals, depth: int) -> _Code:
        """The query in lower case is shared by all conditions."""
        if isinstance(word, tree.Constant) and isinstance(word.value, str):
            part = _Code(self.constant(word.value.lower()))
        else:
            part = self.node(word, scope, depth + 1)
            part = _joined(f"{part.source}.lower()", [part])
        return _joined(f"contains_lower_word(f.query_text_lower, {part.source})", [part], cost=SCAN)

    # logic

    def _logic(self, operator: str, operands: list[_Code]) -> _Code:
        """Operands that cannot fail come first, cheap ones before dear ones: ``&&`` and ``||`` are commutative."""
        total = sorted((o for o in operands if o.total), key=lambda o: o.cost)
        failing = [o for o in operands if not o.total]
        sources = [o.source for o in total]
        if len(failing) > 1:
            sources.append(f"{operator}_of(({', '.join(f'lambda: {o.source}' for o in failing)}))")
        else:
            sources.extend(o.source for o in failing)
        return _joined("(" + f" {operator} ".join(sources) + ")", operands)

    def _comprehension(self, node: tree.Comprehension, scope: _Locals, depth: int) -> _Code:
        source, predicate = node.range, node.predicate
        logic = {"all": "and", "exists": "or"}.get(node.macro)
        if logic and predicate and isinstance(source, tree.ListLiteral) and 0 < len(source.elements) <= UNROLL_AT_MOST:
            elements = [self.node(e, scope, depth + 1) for e in source.elements]
            if all(e.total for e in elements):
                inner = [self.node(predicate, {**scope, node.variable: e}, depth + 1) for e in elements]
                return self._logic(logic, inner)
        name = f"v{depth}"
        inside = {**scope, node.variable: _Code(name)}
        over = self.node(source, scope, depth + 1)
        test = self.node(predicate, inside, depth + 1) if predicate else _Code("True")
        loop = f"for {name} in {over.source}"
        if logic:
            if not test.total:
                call = f"{node.macro}_of({over.source}, lambda {name}: {test.source})"
            else:
                call = f"{'all' if logic == 'and' else 'any'}({test.source} {loop})"
            return _joined(call, [over, test], cost=SCAN)
        if node.macro == "exists_one":
            return _joined(f"(sum(1 {loop} if {test.source}) == 1)", [over, test], cost=SCAN)
        result = self.node(node.result, inside, depth + 1) if node.result else _Code(name)
        return _joined(f"[{result.source} {loop} if {test.source}]", [over, test, result], cost=SCAN)


def _joined(source: str, parts: Iterable[_Code], *, total: bool = True, cost: int = CHEAP) -> _Code:
    """Code made of parts: it can fail if it or a part can, and it is as dear as the dearest."""
    parts = list(parts)
    return _Code(source, total and all(p.total for p in parts), max([cost, *(p.cost for p in parts)]))
