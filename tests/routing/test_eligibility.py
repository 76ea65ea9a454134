"""Which backends can serve a request at all."""

from typing import Any

import msgspec
import pytest

from signalbox.routing.config import Backend, Feature, RequestMapping
from signalbox.routing.eligibility import Requirements, shortfall
from signalbox.routing.features import Facts
from signalbox.routing.formats.anthropic_client.request import translate


def backend(window: int | None = None, features: tuple[Feature, ...] | None = None) -> Backend:
    return Backend(name="b", model="m", authority="b", context_window=window, features=features)


def requirements(operation: str, body: dict[str, Any]) -> Requirements:
    return Requirements(Facts(operation, body, {}, "", "", {}))


IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]


@pytest.mark.parametrize(
    ("operation", "body", "missing"),
    [
        ("chat", {"messages": []}, None),
        ("chat", {"tools": [{}]}, "no Tools"),
        ("chat", {"tools": []}, None),
        ("chat", {"functions": [{}]}, "no Tools"),
        ("chat", {"logprobs": True}, "no LogProbs"),
        ("chat", {"logprobs": False}, None),
        ("completions", {"logprobs": 1}, "no LogProbs"),
        ("chat", {"messages": IMAGE}, "no Vision"),
        ("responses", {"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "no Vision"),
        ("chat", {"response_format": {"type": "json_schema"}}, "no JSONSchema"),
        ("chat", {"response_format": {"type": "json_object"}}, None),
        ("responses", {"text": {"format": {"type": "json_schema"}}}, "no JSONSchema"),
        ("embeddings", {"input": "a"}, "no Embeddings"),
        ("chat", {"tools": [{}], "messages": IMAGE}, "no Tools, Vision"),
    ],
)
def test_features(operation: str, body: dict[str, Any], missing: str | None) -> None:
    needs = requirements(operation, body)
    assert shortfall(backend(features=()), needs) == missing
    assert shortfall(backend(features=("Tools", "LogProbs", "Vision", "JSONSchema", "Embeddings")), needs) is None
    assert shortfall(backend(features=None), needs) is None


def test_the_context_window_holds_prompt_and_answer() -> None:
    needs = requirements("chat", {"messages": [{"role": "user", "content": "é" * 200}], "max_tokens": 50})
    assert (needs.prompt_tokens, needs.output_tokens) == (100, 50)
    assert shortfall(backend(150), needs) is None
    assert shortfall(backend(149), needs) == "context window 149 < 150 tokens"
    assert shortfall(backend(150), needs, correction=1.1) == "context window 150 < 160 tokens"
    assert shortfall(backend(149), needs, correction=0.9) is None


def test_tokens_are_counted_only_for_a_bound() -> None:
    message = {"role": "user", "content": "a"}
    needs = requirements("chat", {"messages": [message]})
    assert shortfall(backend(), needs) is None
    message["content"] = "a" * 400
    assert shortfall(backend(99), needs) == "context window 99 < 100 tokens"


ANTHROPIC = Backend(name="b", model="m", authority="b", format="Anthropic")


@pytest.mark.parametrize(
    ("operation", "body", "missing"),
    [
        ("chat", {"messages": []}, None),
        ("chat", {"messages": [], "n": 2}, "n: the Messages API gives one answer: send the request once for each"),
        ("embeddings", {"input": "a"}, "the Messages API has no embeddings"),
        ("responses", {"input": "a"}, "the Messages API has no responses"),
        ("completions", {"prompt": "a"}, "the Messages API has no completions"),
    ],
)
def test_what_the_api_of_a_backend_cannot_say(operation: str, body: dict[str, Any], missing: str | None) -> None:
    needs = requirements(operation, body)
    for _ in range(2):
        assert shortfall(ANTHROPIC, needs) == missing
    assert shortfall(backend(), needs) is None


def test_what_a_backend_has_removed_is_no_difference() -> None:
    needs = requirements("chat", {"messages": [], "n": 2})
    removing = msgspec.structs.replace(ANTHROPIC, request=RequestMapping(remove=("n",)))
    assert shortfall(ANTHROPIC, needs) is not None
    assert shortfall(removing, needs) is None


def test_only_a_backend_of_its_own_api_can_be_told_what_no_chat_can_say() -> None:
    message = translate({"messages": [{"role": "user", "content": [{"type": "document"}]}], "n": 2})
    facts = Facts("chat", message.chat, {}, "", "", {})
    facts.message = message
    needs = Requirements(facts)
    assert shortfall(ANTHROPIC, needs) is None
    assert (shortfall(backend(), needs) or "").startswith("n: ")
