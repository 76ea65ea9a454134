"""What is made satisfies the types of the official clients, which were made from the APIs' own descriptions."""

from typing import Any, cast

import pytest
import yaml
from anthropic.types import Message, MessageParam, RawMessageStreamEvent, ToolChoiceParam, ToolParam
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter
from translators import FILES, TRANSLATORS


def made_by(translator: str) -> list[Any]:
    files = (file for file in FILES if file.parent.name == translator)
    return [TRANSLATORS[translator](case) for file in files for case in yaml.safe_load_all(file.read_text())]


def test_chat_completions() -> None:
    for each in filter(None, made_by("backend-answer")):
        ChatCompletion.model_validate(each, strict=True)


def test_chunks() -> None:
    chunks = [chunk for each in made_by("backend-events") for chunk in each["chunks"]]
    assert chunks
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)


def test_messages() -> None:
    for each in filter(None, made_by("client-answer")):
        Message.model_validate(each, strict=True)


def test_events() -> None:
    adapter = TypeAdapter[Any](RawMessageStreamEvent)
    events = [event for each in made_by("client-events") for event in each if isinstance(event, dict)]
    assert events
    for event in events:
        adapter.validate_python(event, strict=True)


@pytest.mark.parametrize(
    "field, of", [("messages", MessageParam), ("tools", ToolParam), ("tool_choice", ToolChoiceParam)]
)
def test_messages_requests(field: str, of: Any) -> None:
    adapter = TypeAdapter[Any](of)
    found = [each[field] for each in made_by("backend-request") if field in each]
    assert found
    for value in found:
        for one in value if isinstance(value, list) else [value]:
            _exhaust(adapter.validate_python(one))


def _exhaust(value: Any) -> None:
    """Lists are read lazily, and so is what is wrong inside of them."""
    if isinstance(value, dict):
        for each in value.values():
            _exhaust(each)
    elif not isinstance(value, str | int | float | None):
        for each in cast("list[Any]", value):
            _exhaust(each)
