"""Checking a condition: the official CEL checker, then our own rules, then the tree that the router translates."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError

from signalbox.plan.expressions import checked, declarations
from signalbox.plan.expressions.convert import Converter, Refusal
from signalbox.plan.expressions.messages import explain, missing_name
from signalbox.routing.expressions import cost, tree, variables

MAX_CHARACTERS: Final = 4096


class ExpressionError(Exception):
    """What is wrong with an expression, where (1-based line and column, in characters), and how to put it right."""

    def __init__(self, message: str, line: int, column: int, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.fix = fix


class Checker:
    """Checks the expressions of one policy: ``targets`` are the names that it declares, ``classifiers`` theirs with
    their labels."""

    def __init__(self, targets: Sequence[str], classifiers: Mapping[str, Sequence[str]] | None = None) -> None:
        self._targets = tuple(targets)
        self._classifiers = dict(classifiers or {})
        self.pool: Any = declarations.descriptors(self._targets)
        self._environments: dict[variables.Purpose, Any] = {}

    def environment(self, purpose: variables.Purpose = "when") -> Any:
        """The official environment for expressions of this purpose."""
        if purpose not in self._environments:
            self._environments[purpose] = declarations.environment(self.pool, self._classifiers, purpose)
        return self._environments[purpose]

    def check(self, source: str, purpose: variables.Purpose = "when") -> tree.Condition:
        """The expression as data. Raises ``ExpressionError``."""
        if len(source) > MAX_CHARACTERS:
            raise ExpressionError(
                f"the expression has {len(source)} characters; at most {MAX_CHARACTERS} are allowed",
                1,
                1,
                "split it over several routes" if purpose == "when" else "make it shorter",
            )
        if not source.strip():
            field = "expression" if purpose == "accept" else purpose
            raise ExpressionError("the expression is empty", 1, 1, f"write a condition, or leave `{field}` out")
        missing = missing_name(source, self._targets, tuple(self._classifiers))
        if missing is not None:
            raise ExpressionError(*missing)
        try:
            compiled = self.environment(purpose).compile(source)
        except RuntimeError as error:
            raise ExpressionError(*explain(str(error), source, self._targets, purpose)) from None
        try:
            expression = checked.parse(compiled.serialize())
        except DecodeError:
            raise ExpressionError("the expression is nested too deeply", 1, 1, "make it simpler") from None
        return self._convert(source, expression)

    def _convert(self, source: str, expression: Any) -> tree.Condition:
        kind = expression.type_map[expression.expr.id]
        try:
            node = Converter(expression, self._classifiers).convert()
            if kind.primitive != checked.BOOL:
                raise Refusal(
                    expression.expr.id,
                    f"the result is {checked.type_name(kind)}, but a condition is true or false",
                    'compare it with something, as in `query.chars > 100` or `user.tier == "gold"`',
                )
            if (problem := cost.excess(node)) is not None:
                raise Refusal(expression.expr.id, problem, "split it over several routes, or make it simpler")
        except Refusal as refusal:
            offset = expression.source_info.positions.get(refusal.node, 0)
            before = source[:offset]
            line = before.count("\n") + 1
            column = offset - (before.rfind("\n") + 1) + 1
            raise ExpressionError(refusal.message, line, column, refusal.fix) from None
        return tree.Condition(source, node)
