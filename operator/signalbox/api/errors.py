"""What is wrong with an object, in plain words: paths as in YAML, messages that name the fix."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from signalbox.api.base import ApiModel
from signalbox.api.crd import structural

Location = tuple[str | int, ...]


@dataclass(frozen=True)
class FieldError:
    """One mistake. ``location`` is the path as keys and list positions, for looking up the line in a file."""

    location: Location
    message: str

    @property
    def path(self) -> str:
        """The path in YAML terms, such as ``spec.routes[2].when``."""
        return dotted(self.location)


def dotted(location: Sequence[str | int]) -> str:
    """Keys and positions as one path; a key that could be mistaken for a path stands in brackets."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part or set(part) & set('.[]"'):
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else part
    return text


def field_errors(model: type[ApiModel], error: ValidationError) -> list[FieldError]:
    """All mistakes that a ``ValidationError`` of ``model`` holds, in the order of the object's fields."""
    return [
        FieldError(_location(detail), _message(model, detail))
        for detail in error.errors(include_url=False, include_context=True)
    ]


def _location(detail: ErrorDetails) -> Location:
    """pydantic adds ``[key]`` where a map's key is at fault; what a reader looks for is the entry."""
    return tuple(part for part in detail["loc"] if part != "[key]")


def _message(model: type[ApiModel], detail: ErrorDetails) -> str:
    context: Mapping[str, Any] = detail.get("ctx", {})
    words = MESSAGES.get(detail["type"])
    if words is not None:
        return words(context, detail["input"])
    if detail["type"] == "missing":
        return _missing(model, detail["loc"])
    if detail["type"] == "extra_forbidden":
        return _unknown(model, detail["loc"])
    return detail["msg"]


def _missing(model: type[ApiModel], location: Location) -> str:
    description = _schema_at(model, location).get("description", "")
    first = description.split(". ")[0].rstrip(".")
    return f"is missing: add it ({first})" if first else "is missing: add it"


def _unknown(model: type[ApiModel], location: Location) -> str:
    name, known = str(location[-1]), list(_schema_at(model, location[:-1]).get("properties", {}))
    lower = {field.lower(): field for field in known}
    near = difflib.get_close_matches(name.lower(), lower, n=1, cutoff=0.65)
    if near:
        return f"unknown field: did you mean {lower[near[0]]}?"
    return (
        f"unknown field: known here {'is' if len(known) == 1 else 'are'} {', '.join(known)}"
        if known
        else ("unknown field: nothing can be set here")
    )


def _schema_at(model: type[ApiModel], location: Location) -> Mapping[str, Any]:
    schema: Mapping[str, Any] = structural(model)
    for part in location:
        if isinstance(part, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(part, {}) or schema.get("additionalProperties", {})
    return schema


def _was(value: Any) -> str:
    """How a wrong value looked to the YAML reader."""
    match value:
        case bool():
            return f"is the boolean {str(value).lower()}"
        case int() | float():
            return f"is the number {value}"
        case str():
            return f"is the text {_short(value)}"
        case date():
            return f"is the date {value}"
        case list():
            return "is a list"
        case dict() | ApiModel():
            return "is a map"
        case None:
            return "is empty"
        case _:
            return f"is a {type(value).__name__}"


def _short(value: Any) -> str:
    text = f'"{value}"'
    return text if len(text) <= 60 else f'{text[:56]}…"'


def _choice(context: Mapping[str, Any], value: Any) -> str:
    expected: str = context["expected"].replace("'", "").replace(" or ", ", ")
    near = difflib.get_close_matches(str(value).lower(), [word.lower() for word in expected.split(", ")], n=1)
    meant = next((f": did you mean {word}?" for word in expected.split(", ") if near and word.lower() == near[0]), "")
    return f"{_was(value)}, but must be one of {expected}{meant}" if ", " in expected else f"must be {expected}"


def _items(count: int) -> str:
    return f"{count} item" if count == 1 else f"{count} items"


Words = Callable[[Mapping[str, Any], Any], str]

MESSAGES: dict[str, Words] = {
    "literal_error": _choice,
    "string_type": lambda _, value: (
        f"{_was(value)}, but must be a text: put it in quotes"
        if isinstance(value, bool | int | float | date)
        else f"{_was(value)}, but must be a text"
    ),
    "int_type": lambda _, value: (
        f"{_was(value)}, but must be a whole number"
        + (" without quotes" if isinstance(value, str) and value.isdigit() else "")
    ),
    "int_from_float": lambda _, value: f"{_was(value)}, but must be a whole number",
    "list_type": lambda _, value: f"{_was(value)}, but must be a list: start each item with -",
    "dict_type": lambda _, value: f"{_was(value)}, but must be a map of names and values",
    "model_type": lambda _, value: f"{_was(value)}, but must be a map of fields",
    "model_attributes_type": lambda _, value: f"{_was(value)}, but must be a map of fields",
    "greater_than_equal": lambda c, value: f"is {value}, but must be at least {c['ge']:,}",
    "less_than_equal": lambda c, value: f"is {value}, but must be at most {c['le']:,}",
    "string_too_short": lambda c, _: (
        "is empty: write something" if c["min_length"] == 1 else f"must have at least {c['min_length']} characters"
    ),
    "string_too_long": lambda c, value: f"has {len(value)} characters, but may have at most {c['max_length']}",
    "too_short": lambda c, _: f"must have at least {_items(c['min_length'])}",
    "too_long": lambda c, _: f"has {c['actual_length']} items, but may have at most {c['max_length']}",
}
