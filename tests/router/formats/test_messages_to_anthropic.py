"""The official client of Anthropic's API and backends that speak it, too: what is between changes the model's name."""

from typing import Any

import anthropic
import pytest
from stage import Claude, Stage

ONE = "routes: [{name: all, weighted: {targets: [{name: claude}]}}]"
BOTH = "routes: [{name: all, failover: {tiers: [{targets: [{name: llama}]}, {targets: [{name: claude}]}]}}]"
TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
ASK: Any = {
    "model": "auto",
    "max_tokens": 100,
    "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
    "messages": [{"role": "user", "content": "How is it?"}],
    "tools": [{**TOOL, "cache_control": {"type": "ephemeral"}}],
    "thinking": {"type": "adaptive"},
}


async def final(client: anthropic.AsyncAnthropic, stream: bool, **fields: Any) -> Any:
    if not stream:
        return await client.messages.create(**{**ASK, **fields})
    async with client.messages.stream(**{**ASK, **fields}) as made:
        return await made.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_arrives_as_it_was(stage: Stage, claude: Claude, stream: bool) -> None:
    call = {"name": "weather", "arguments": {"city": "Bern"}}
    engine = await stage.engine("claude", {"answer": "I look.", "toolCalls": [call]}, format="Anthropic")
    await stage.open(ONE)
    message = await final(claude(), stream)
    text, use = message.content
    assert (text.text, use.input, message.stop_reason) == ("I look.", {"city": "Bern"}, "tool_use")
    [logged] = engine.calls
    assert logged.body == {**ASK, "model": "sim"} | ({"stream": True} if stream else {})
    [entry] = stage.router.entries()
    assert (entry["operation"], entry["outputTokens"]) == ("messages", message.usage.output_tokens)
    assert entry["inputTokens"] == message.usage.input_tokens


async def test_cached_tokens_are_counted(stage: Stage, claude: Claude) -> None:
    await stage.engine("claude", {"answer": "Green."}, format="Anthropic")
    await stage.open(ONE)
    long: Any = [{"role": "user", "content": "Which signals are there, and what do they show? " * 30}]
    for stream in (False, False, True):
        message = await final(claude(), stream, messages=long)
    assert message.usage.cache_read_input_tokens > 0
    entries = stage.router.entries()
    assert [entry["inputTokens"] for entry in entries] == [entries[0]["inputTokens"]] * 3
    assert [entry.get("cachedTokens", 0) > 0 for entry in entries] == [False, True, True]


async def test_an_engine_speaks_for_itself(stage: Stage, claude: Claude) -> None:
    await stage.engine("claude", {"status": 400}, format="Anthropic")
    await stage.open(ONE)
    with pytest.raises(anthropic.BadRequestError) as refused:
        await final(claude(), False)
    assert refused.value.type == "invalid_request_error"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [{"status": 529}, {"errorEvent": 529}], ids=str)
async def test_an_overloaded_engine(stage: Stage, claude: Claude, fault: dict[str, Any], stream: bool) -> None:
    await stage.engine("claude", fault, format="Anthropic")
    await stage.open(ONE)
    with pytest.raises(anthropic.APIStatusError) as failed:
        await final(claude(), stream)
    assert (failed.value.status_code, failed.value.type) == (502, "api_error")


async def test_a_stream_that_is_cut_ends_with_an_error(stage: Stage, claude: Claude) -> None:
    await stage.engine("claude", {"answer": "A long answer.", "cutAfter": 2}, format="Anthropic")
    await stage.open(ONE)
    with pytest.raises(anthropic.APIStatusError) as cut:
        await final(claude(), True)
    assert cut.value.type == "api_error"
    [entry] = stage.router.entries()
    assert (entry["status"], entry["error"]) == (502, "upstream_error")


async def test_only_a_backend_of_its_own_api_gets_what_no_chat_can_say(stage: Stage, claude: Claude) -> None:
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
    messages: Any = [{"role": "user", "content": [document, {"type": "text", "text": "Read this."}]}]
    await stage.engine("llama", {"answer": "Llama."})
    engine = await stage.engine("claude", {"answer": "Claude."}, format="Anthropic")
    await stage.open(BOTH)
    assert (await final(claude(), False)).content[0].text == "Llama."
    assert (await final(claude(), False, messages=messages)).content[0].text == "Claude."
    assert engine.calls[0].body["messages"] == messages


async def test_thoughts_that_nobody_signed_do_not_come_back(stage: Stage, claude: Claude) -> None:
    """A turn was answered by a model behind the other API; its thoughts are no use to this one, which refuses them."""
    engine = await stage.engine("claude", {"answer": "Claude."}, format="Anthropic")
    await stage.open(ONE)
    ours = {"type": "thinking", "thinking": "Hm.", "signature": "signed"}
    text = {"type": "text", "text": "Green."}
    messages: Any = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [{**ours, "signature": ""}, text]},
        {"role": "assistant", "content": [{**ours, "signature": ""}]},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [ours, text]},
        {"role": "user", "content": "c"},
    ]
    await final(claude(), False, messages=messages)
    body = engine.calls[0].body
    assert body["messages"][1]["content"] == [text]
    assert body["messages"][3]["content"] == [ours, text]
