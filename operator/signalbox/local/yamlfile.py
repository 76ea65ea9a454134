"""YAML as Kubernetes reads it, with the place of every field.

PyYAML's nodes carry marks; they are turned into JSON-like data here, so that the line of any field can be told later.
Dates stay strings (JSON has none) and a key that occurs twice is an error: the API server would refuse it too.
"""

from dataclasses import dataclass
from typing import Any

import yaml
from yaml.constructor import ConstructorError, SafeConstructor

from signalbox.plan.problems import join, parent

_TAG = "tag:yaml.org,2002:"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_NODES = 1_000_000


class YamlError(Exception):
    """The text is no YAML that Kubernetes would take; ``line`` and ``column`` are 1-based."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.message, self.line, self.column = message, line, column


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a field stands: its own line, and where its value begins (1-based).

    ``text_line`` is the line of the value's first character if line n of the value is line ``text_line`` + n - 1 of
    the file, as in block literals and in values of a single line; 0 where lines cannot be told.
    """

    line: int
    column: int
    text_line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: its data and the marks of its fields by path."""

    data: Any
    marks: dict[str, Mark]

    def mark(self, path: str) -> Mark:
        """The mark of a field; of a field that is absent, the nearest parent's."""
        while path and path not in self.marks:
            path = parent(path)
        return self.marks[path]


def documents(text: str) -> list[Document]:
    """Every document of a file that isn't empty. Raises ``YamlError``."""
    try:
        nodes = list(yaml.compose_all(text, Loader=_LOADER))
        return [_Reader().document(node) for node in nodes if not _is_null(node)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        message = error.problem or error.context or "not YAML"
        raise YamlError(message, mark.line + 1 if mark else 1, mark.column + 1 if mark else 1) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlError(f"a character that YAML does not allow: {error.reason}", line, 1) from None
    except RecursionError:
        raise YamlError("nested too deeply", 1, 1) from None


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _TAG + "null")


class _Reader:
    """Turns the nodes of one document into data, noting marks on the way."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}
        self._scalars = SafeConstructor()
        self._open: set[int] = set()
        self._count = 0

    def document(self, node: yaml.Node) -> Document:
        return Document(self._value(node, "", node), self._marks)

    def _value(self, node: yaml.Node, path: str, field: yaml.Node) -> Any:
        self._count += 1
        if self._count > _MAX_NODES:
            raise _error("aliases expand to more than a million values", node)
        if id(node) in self._open:
            raise _error("an alias that contains itself", node)
        self._marks[path] = Mark(field.start_mark.line + 1, field.start_mark.column + 1, _text_line(node))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
                return [self._value(item, join(path, index), item) for index, item in enumerate(node.value)]
            if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
                return self._mapping(node, path)
        finally:
            self._open.discard(id(node))
        raise _error(f"the tag {node.tag} has no meaning here", node)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, Any]:
        data: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if key_node.tag == _TAG + "merge":
                merged |= self._merge(value_node, path, merged)
                continue
            key = self._key(key_node)
            if key in data:
                raise _error(f'the key "{key}" occurs twice', key_node)
            data[key] = self._value(value_node, join(path, key), key_node)
        return {**merged, **data}

    def _merge(self, node: yaml.Node, path: str, earlier: dict[str, Any]) -> dict[str, Any]:
        """The mappings of a ``<<``; of two, the first wins, and the mapping's own keys win over both."""
        found: dict[str, Any] = {}
        for part in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            own_marks, self._marks = self._marks, {}
            data = self._value(part, path, part)
            self._marks = {**self._marks, **own_marks}
            if not isinstance(data, dict):
                raise _error("<< merges mappings only", part)
            found = {**data, **found}
        return {key: value for key, value in found.items() if key not in earlier}

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise _error("a key must be a string", node)
        if node.tag != _TAG + "str":
            raise _error(f'the key {node.value} is no string: quote it ("{node.value}")', node)
        return str(node.value)

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind in {"str", "timestamp"}:
            return node.value
        if kind == "null":
            return None
        try:
            if kind == "bool":
                return self._scalars.construct_yaml_bool(node)
            if kind == "int":
                return self._scalars.construct_yaml_int(node)
            if kind == "float":
                return self._scalars.construct_yaml_float(node)
        except (KeyError, ValueError):
            raise _error(f"not a value of type {kind}", node) from None
        raise _error(f"the tag {node.tag} has no meaning here", node)


def _text_line(node: yaml.Node) -> int:
    if not isinstance(node, yaml.ScalarNode):
        return 0
    line = int(node.start_mark.line) + 1
    if node.style == "|":
        return line + 1
    return line if node.start_mark.line == node.end_mark.line else 0


def _error(message: str, node: yaml.Node) -> ConstructorError:
    return ConstructorError(None, None, message, node.start_mark)
