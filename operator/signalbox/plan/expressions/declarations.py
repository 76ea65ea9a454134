"""What the checker is told: variables as fields of generated protobuf messages, and our own functions.

Messages, because ``has()`` then means presence, and because a wrong name is an error at a position. The syntax is
proto2: there, an absent field may read as a declared default.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from cel_expr_python import cel
from google.protobuf import descriptor_pb2, descriptor_pool

from signalbox.routing.expressions import variables
from signalbox.routing.expressions.text import contains_word, words

PACKAGE: Final = "signalbox"

_Field = descriptor_pb2.FieldDescriptorProto
_FIELD_TYPES: Final = {
    "bool": _Field.TYPE_BOOL,
    "int": _Field.TYPE_INT64,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
}
_CEL_TYPES: Final = {"string": cel.Type.STRING, "double": cel.Type.DOUBLE}
_CONFIG: Final = "name: signalbox\nextensions:\n- name: strings\n"


# A target by its name, and the one that a filter is asked about, have different fields.
MESSAGES: Final = {**variables.GROUPS, **variables.BOUND, "member": variables.TARGET}


def message_name(group: str) -> str:
    """``request`` -> ``signalbox.Request``."""
    return f"{PACKAGE}.{group.capitalize()}"


def descriptors(targets: Sequence[str]) -> Any:
    """A pool with one message for each group of variables; ``Targets`` has a field for each target."""
    file = descriptor_pb2.FileDescriptorProto(name="signalbox/conditions.proto", package=PACKAGE, syntax="proto2")
    for group, attributes in MESSAGES.items():
        message = file.message_type.add(name=group.capitalize())
        for number, attribute in enumerate(attributes, start=1):
            field = message.field.add(
                name=attribute.name, number=number, type=_FIELD_TYPES[attribute.kind], label=_Field.LABEL_OPTIONAL
            )
            if attribute.optional and attribute.default:
                field.default_value = str(attribute.default)
        if group == "request":
            _add_headers(message)
    message = file.message_type.add(name="Targets")
    for number, target in enumerate(targets, start=1):
        message.field.add(
            name=target,
            number=number,
            type=_Field.TYPE_MESSAGE,
            label=_Field.LABEL_OPTIONAL,
            type_name=f".{message_name('member')}",
        )
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _add_headers(message: descriptor_pb2.DescriptorProto) -> None:
    """Where the official evaluator finds headers; the checker lets nobody name it."""
    entry = message.nested_type.add(name="HeadersEntry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), start=1):
        entry.field.add(name=name, number=number, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL)
    message.field.add(
        name="headers",
        number=1000,
        type=_Field.TYPE_MESSAGE,
        label=_Field.LABEL_REPEATED,
        type_name=f".{PACKAGE}.Request.HeadersEntry",
    )


def environment(pool: Any, classifiers: Iterable[str], purpose: variables.Purpose) -> Any:
    """The official environment: strings extension, our functions, and the variables that this purpose has."""
    declared = {group: cel.Type(message_name(group)) for group in (*variables.groups(purpose), "targets")}
    for group, kind in variables.CLASSIFIER_GROUPS.items():
        declared.update({f"{group}.{name}": _CEL_TYPES[kind] for name in classifiers})
    return cel.NewEnv(
        descriptor_pool=pool,
        config=cel.NewEnvConfigFromYaml(_CONFIG),
        variables=declared,
        functions=[
            _method("words", "string_words", cel.Type.INT, [cel.Type.STRING], words),
            _method(
                "containsWord",
                "string_contains_word",
                cel.Type.BOOL,
                [cel.Type.STRING, cel.Type.STRING],
                contains_word,
            ),
            _method(
                "header",
                "request_header",
                cel.Type.STRING,
                [cel.Type(message_name("request")), cel.Type.STRING],
                lambda request, name: request.headers.get(name.lower(), ""),
            ),
        ],
    )


def _method(name: str, overload: str, result: Any, parameters: list[Any], python: Callable[..., Any]) -> Any:
    return cel.FunctionDecl(
        name, [cel.Overload(overload, return_type=result, parameters=parameters, is_member=True, impl=python)]
    )
