"""From the official ``CheckedExpr`` to our tree: what is not on the list of nodes and overloads is refused by name."""

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from signalbox.routing.expressions import tree, variables
from signalbox.routing.expressions.functions import FUNCTIONS
from signalbox.routing.regex import Pattern, PatternError

_LITERALS: Final = {"bool_value", "int64_value", "uint64_value", "double_value", "string_value"}
_DECLARED: Final = {*variables.GROUPS, *variables.BOUND, *variables.CLASSIFIER_GROUPS, "targets"}
_DYNAMIC: Final = "values of different types are mixed here, and their type is known only at run time"


class Refusal(Exception):  # noqa: N818
    """The expression is CEL, but no condition: ``node`` is the id of the part to blame."""

    def __init__(self, node: int, message: str, fix: str) -> None:
        super().__init__(message)
        self.node = node
        self.message = message
        self.fix = fix


class Converter:
    """Converts one checked expression. Raises ``Refusal`` with the id of the node that is to blame.

    ``labels`` go by classifier: a comparison with any other text is a slip of the pen.
    """

    def __init__(self, checked: Any, labels: Mapping[str, Sequence[str]] | None = None) -> None:
        self._labels = labels or {}
        self._references = checked.reference_map
        self._types = checked.type_map
        self._root = checked.expr
        self._locals: list[str] = []

    def convert(self) -> tree.Node:
        return self._node(self._root)

    def _node(self, expr: Any) -> tree.Node:
        kind = expr.WhichOneof("kind")
        path = self._path(expr)
        if path is not None:
            return self._variable(expr, path)
        match kind:
            case "const_expr":
                return self._constant(expr)
            case "ident_expr":
                return tree.Local(expr.ident_expr.name)
            case "select_expr":
                select = expr.select_expr
                return tree.Field(self._node(select.operand), select.field, select.test_only)
            case "call_expr":
                return self._call(expr)
            case "list_expr":
                self._refuse_dynamic(expr)
                return tree.ListLiteral(tuple(map(self._node, expr.list_expr.elements)))
            case "struct_expr":
                return self._map(expr)
            case "comprehension_expr":
                return self._comprehension(expr)
            case _:
                raise Refusal(expr.id, "this form is not available in conditions", "write it in another way")

    # variables

    def _path(self, expr: Any) -> str | None:
        """The dotted path of a declared variable, or of something inside it; ``None`` for anything else."""
        if expr.id in self._references and not self._references[expr.id].overload_id:
            name: str = self._references[expr.id].name
            group = name.partition(".")[0]
            return name if group in _DECLARED and name not in self._locals else None
        if expr.WhichOneof("kind") == "select_expr":
            inner = self._path(expr.select_expr.operand)
            return None if inner is None else f"{inner}.{expr.select_expr.field}"
        return None

    def _variable(self, expr: Any, path: str) -> tree.Node:
        group, _, rest = path.partition(".")
        if group in variables.CLASSIFIER_GROUPS and rest:
            return tree.Variable(path)
        attribute = variables.find(path)
        if attribute is None:
            raise Refusal(expr.id, f"{path} is no value by itself", f"name one of its fields, as in `{_example(path)}`")
        if expr.WhichOneof("kind") == "select_expr" and expr.select_expr.test_only:
            if not attribute.optional:
                raise Refusal(
                    expr.id, f"{path} is always present, so has() says nothing", _never_absent(path, attribute)
                )
            return tree.Present(path)
        return tree.Variable(path)

    # literals

    def _constant(self, expr: Any) -> tree.Node:
        kind = expr.const_expr.WhichOneof("kind")
        if kind == "double_value" and not math.isfinite(expr.const_expr.double_value):
            raise Refusal(expr.id, "the number is too large", "write a smaller one")
        if kind in _LITERALS:
            return tree.Constant(getattr(expr.const_expr, kind))
        if kind == "bytes_value":
            return tree.BytesConstant(expr.const_expr.bytes_value)
        raise Refusal(expr.id, "null is not available in conditions", "test presence with `has(…)`")

    def _map(self, expr: Any) -> tree.Node:
        struct = expr.struct_expr
        if struct.message_name:
            raise Refusal(expr.id, "messages cannot be made in conditions", 'use a map: `{"key": value}`')
        self._refuse_dynamic(expr)
        return tree.MapLiteral(tuple((self._node(e.map_key), self._node(e.value)) for e in struct.entries))

    # calls

    def _call(self, expr: Any) -> tree.Node:
        call = expr.call_expr
        overloads = self._references[expr.id].overload_id
        parts = [call.target, *call.args] if call.HasField("target") else list(call.args)
        if len(overloads) != 1:
            raise Refusal(expr.id, _DYNAMIC, "use values of one type")
        overload = overloads[0]
        if overload == "request_header":
            return tree.Header(self._node(call.args[0]))
        nodes = tuple(map(self._node, parts))
        if overload in {"equals", "not_equals", "in_list"}:
            self._refuse_strange_labels(parts, nodes)
        match overload:
            case "logical_and":
                return _logic("and", nodes)
            case "logical_or":
                return _logic("or", nodes)
            case "conditional":
                return tree.Conditional(*nodes)
            case _:
                return tree.Call(self._specific(overload, parts, expr.id), nodes)

    def _specific(self, overload: str, parts: list[Any], node_id: int) -> str:
        """The function that a call means; for equality and membership, aggregates are compared element by element."""
        for part in parts:
            self._refuse_dynamic(part)
        name = overload
        if name in {"equals", "not_equals", "in_list"} and not self._is_simple(parts[0]):
            name += "_deep"
        if name not in FUNCTIONS:
            function = self._references[node_id].name
            raise Refusal(
                node_id, f"`{function}` is not available in conditions", "see docs/expressions.md for the list"
            )
        if name in {"matches", "matches_string"} and parts[1].WhichOneof("kind") == "const_expr":
            try:
                Pattern(parts[1].const_expr.string_value)
            except PatternError as error:
                raise Refusal(
                    parts[1].id, f"invalid regular expression: {error}", "write the pattern in RE2's syntax"
                ) from None
        return name

    def _refuse_strange_labels(self, parts: list[Any], nodes: tuple[tree.Node, ...]) -> None:
        """A label is compared with labels of its classifier, as far as literals tell."""
        sides = [(nodes[0], parts[1], nodes[1]), (nodes[1], parts[0], nodes[0])]
        for side, part, other in sides:
            if not isinstance(side, tree.Variable) or not side.path.startswith("label."):
                continue
            name = side.path.partition(".")[2]
            literals = [(part, other)]
            if isinstance(other, tree.ListLiteral):
                literals = list(zip(part.list_expr.elements, other.elements, strict=True))
            for literal, node in literals:
                if isinstance(node, tree.Constant) and node.value not in self._labels.get(name, (node.value,)):
                    message = f"the classifier {name} has no label {str(node.value)!r}"
                    raise Refusal(literal.id, message, _closest(str(node.value), self._labels[name]))

    def _is_simple(self, expr: Any) -> bool:
        """Python's ``==`` means CEL's for these; doubles inside a list would not (NaN)."""
        return bool(self._types[expr.id].primitive not in {0, _DOUBLE})

    def _refuse_dynamic(self, expr: Any) -> None:
        if expr.id in self._types and _is_dynamic(self._types[expr.id]):
            raise Refusal(expr.id, _DYNAMIC, "use values of one type")

    # macros

    def _comprehension(self, expr: Any) -> tree.Node:
        loop = expr.comprehension_expr
        if self._locals:
            raise Refusal(expr.id, "a macro inside a macro is not available", "use one list, or `in`")
        source = self._node(loop.iter_range)
        self._locals.append(loop.iter_var)
        try:
            return self._macro(expr, loop, source)
        finally:
            self._locals.pop()

    def _macro(self, expr: Any, loop: Any, source: tree.Node) -> tree.Node:
        """Recognise the macro by what the official parser makes of it."""
        step = loop.loop_step
        function = step.call_expr.function
        start = loop.accu_init.WhichOneof("kind")
        if start == "const_expr" and function in {"_||_", "_&&_"}:
            test = self._node(step.call_expr.args[1])
            return tree.Comprehension("exists" if function == "_||_" else "all", loop.iter_var, source, test)
        predicate: tree.Node | None = None
        if function == "_?_:_":
            predicate = self._node(step.call_expr.args[0])
            step = step.call_expr.args[1]
            if start == "const_expr":
                return tree.Comprehension("exists_one", loop.iter_var, source, predicate)
        if start == "list_expr" and step.call_expr.function == "_+_":
            element = step.call_expr.args[1].list_expr.elements[0]
            result = self._node(element)
            if predicate is not None and result == tree.Local(loop.iter_var):
                return tree.Comprehension("filter", loop.iter_var, source, predicate)
            return tree.Comprehension("map", loop.iter_var, source, predicate, result)
        raise Refusal(
            expr.id, "this macro is not available in conditions", "use all, exists, exists_one, filter or map"
        )


_DOUBLE: Final = 4


def _closest(label: str, labels: Sequence[str]) -> str:
    close = difflib.get_close_matches(label, labels, n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"?' if close else f"its labels are: {', '.join(labels)}"


def _is_dynamic(kind: Any) -> bool:
    match kind.WhichOneof("kind"):
        case "dyn":
            return True
        case "list_type":
            return _is_dynamic(kind.list_type.elem_type)
        case "map_type":
            return _is_dynamic(kind.map_type.key_type) or _is_dynamic(kind.map_type.value_type)
        case _:
            return False


def _logic(operator: Any, nodes: tuple[tree.Node, ...]) -> tree.Node:
    """``a && b && c`` becomes one node."""
    operands: list[tree.Node] = []
    for node in nodes:
        operands.extend(node.operands if isinstance(node, tree.Logic) and node.operator == operator else (node,))
    return tree.Logic(operator, tuple(operands))


def _example(path: str) -> str:
    group = path.partition(".")[0]
    attributes = variables.TARGET if group == "targets" else {**variables.GROUPS, **variables.BOUND}[group]
    name = f"{path}.{attributes[0].name}"
    return name if group != "targets" or "." in path else "targets.NAME.inFlight"


def _never_absent(path: str, attribute: variables.Attribute) -> str:
    return f'test the value: `{path} != ""`' if attribute.kind == "string" else "test the value"
