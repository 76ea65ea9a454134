"""The message types of ``cel.expr.CheckedExpr``: what the official checker hands over.

No package on PyPI carries them beside ``cel-expr-python``, so the few that matter are declared here, by the field
numbers of the published ``cel/expr/syntax.proto`` and ``cel/expr/checked.proto``. Fields that conditions never use
(extensions, function types) stay undeclared: protobuf skips them.
"""

from typing import Any, Final

from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS: Final = {
    "bool": _Field.TYPE_BOOL,
    "int64": _Field.TYPE_INT64,
    "int32": _Field.TYPE_INT32,
    "uint64": _Field.TYPE_UINT64,
    "double": _Field.TYPE_DOUBLE,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}

# message -> "number name type" of its fields; "*" marks a repeated field, "|" a member of the message's one union,
# "K>V" a map.
_MESSAGES: Final = {
    "Constant": "1 null_value int32|, 2 bool_value bool|, 3 int64_value int64|, 4 uint64_value uint64|, "
    "5 double_value double|, 6 string_value string|, 7 bytes_value bytes|",
    "Ident": "1 name string",
    "Select": "1 operand Expr, 2 field string, 3 test_only bool",
    "Call": "1 target Expr, 2 function string, 3 args Expr*",
    "CreateList": "1 elements Expr*, 2 optional_indices int32*",
    "Entry": "1 id int64, 2 field_key string, 3 map_key Expr, 4 value Expr, 5 optional_entry bool",
    "CreateStruct": "1 message_name string, 2 entries Entry*",
    "Comprehension": "1 iter_var string, 2 iter_range Expr, 3 accu_var string, 4 accu_init Expr, "
    "5 loop_condition Expr, 6 loop_step Expr, 7 result Expr, 8 iter_var2 string",
    "Expr": "2 id int64, 3 const_expr Constant|, 4 ident_expr Ident|, 5 select_expr Select|, 6 call_expr Call|, "
    "7 list_expr CreateList|, 8 struct_expr CreateStruct|, 9 comprehension_expr Comprehension|",
    "SourceInfo": "3 line_offsets int32*, 4 positions int64>int32, 5 macro_calls int64>Expr",
    "Reference": "1 name string, 3 overload_id string*",
    "Empty": "",
    "ListType": "1 elem_type Type",
    "MapType": "1 key_type Type, 2 value_type Type",
    "Type": "1 dyn Empty|, 2 null int32|, 3 primitive int32|, 4 wrapper int32|, 5 well_known int32|, "
    "6 list_type ListType|, 7 map_type MapType|, 9 message_type string|, 11 type Type|",
    "CheckedExpr": "2 reference_map int64>Reference, 3 type_map int64>Type, 5 source_info SourceInfo, 4 expr Expr",
}


def _declare(message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str) -> None:
    """Add one field of the table to a message."""
    union, repeated = kind.endswith("|"), kind.endswith("*")
    kind = kind.rstrip("|*")
    field = message.field.add(
        name=name, number=number, label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    )
    if ">" in kind:
        key, value = kind.split(">")
        entry = message.nested_type.add(name=name.title().replace("_", "") + "Entry")
        entry.options.map_entry = True
        _declare(entry, "key", 1, key)
        _declare(entry, "value", 2, value)
        field.label = _Field.LABEL_REPEATED
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".cel.expr.{message.name}.{entry.name}"
    elif kind in _SCALARS:
        field.type = _SCALARS[kind]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".cel.expr.{kind}"
    if union:
        if not message.oneof_decl:
            message.oneof_decl.add(name="kind")
        field.oneof_index = 0


def _checked_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="cel/expr/checked.proto", package="cel.expr", syntax="proto3")
    for message_name, fields in _MESSAGES.items():
        message = file.message_type.add(name=message_name)
        for line in filter(None, fields.split(", ")):
            number, name, kind = line.split(" ")
            _declare(message, name, int(number), kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("cel.expr.CheckedExpr"))


_CheckedExpr: Final = _checked_class()


def parse(serialized: bytes) -> Any:
    """The ``CheckedExpr`` inside the ``Any`` that ``Expression.serialize()`` gives."""
    return _CheckedExpr.FromString(any_pb2.Any.FromString(serialized).value)


BOOL: Final = 1
_PRIMITIVES: Final = {1: "a bool", 2: "an int", 3: "a uint", 4: "a double", 5: "a string", 6: "bytes"}


def type_name(kind: Any) -> str:
    """A type of the checker in plain words, with its article."""
    match kind.WhichOneof("kind"):
        case "primitive":
            return _PRIMITIVES.get(kind.primitive, "a value")
        case "list_type":
            return "a list"
        case "map_type":
            return "a map"
        case _:
            return "of another type"
