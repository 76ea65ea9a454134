"""The official OpenAI client, unmodified, whose chats are answered by backends that speak Anthropic's API."""

from typing import Any

import openai
import pytest
from stage import Stage

ONE = "routes: [{name: all, weighted: {targets: [{name: claude}]}}]"
IN_ORDER = "routes: [{name: all, failover: {tiers: [{targets: [{name: claude}]}, {targets: [{name: other}]}]}}]"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


async def claude(stage: Stage, *rules: dict[str, Any], name: str = "claude", **spec: Any) -> Any:
    return await stage.engine(name, *rules, format="Anthropic", **spec)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_and_what_it_cost(stage: Stage, stream: bool) -> None:
    engine = await claude(stage, {"answer": "Green, I think.", "outputTokens": 9})
    await stage.open(ONE)
    seen = await stage.ask(stream=stream, temperature=0.3, stop="END", user="u1")
    assert (seen.status, seen.code, seen.text, seen.finish) == (200, "", "Green, I think.", "stop")
    assert (seen.target, seen.usage) == ("claude", (7, 9))
    [call] = engine.calls
    assert (call.operation, call.outcome) == ("messages", "answered")
    assert call.body == {
        "model": "sim",
        "max_tokens": 4096,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "What does the signal show?"}]}],
        "temperature": 0.3,
        "stop_sequences": ["END"],
        "metadata": {"user_id": "u1"},
    } | ({"stream": True} if stream else {})
    [entry] = stage.router.entries()
    assert (entry["operation"], entry["cost"], entry["inputTokens"], entry["outputTokens"]) == (
        "chat",
        "0.000097",
        7,
        9,
    )


async def test_cached_tokens_are_told_and_priced(stage: Stage) -> None:
    await claude(
        stage,
        {"answer": "Green."},
        pricing={"inputPerMillion": "1", "outputPerMillion": "10", "cachedInputPerMillion": "0"},
    )
    await stage.open(ONE)
    long = "Which signals are there, and what do they show? " * 30
    await stage.ask(long)
    for stream in (False, True):
        seen = await stage.ask(long, stream=stream)
        assert seen.usage == (360, 2)
    first, *others = stage.router.entries()
    assert "cachedTokens" not in first
    assert all(0 < each["cachedTokens"] < each["inputTokens"] == 360 for each in others)


async def test_usage_is_in_a_stream_only_if_asked_for(stage: Stage) -> None:
    await claude(stage, {"answer": "Green."})
    await stage.open(ONE)
    made = await stage.client.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "?"}], stream=True
    )
    chunks = [chunk async for chunk in made]
    assert all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks)
    [entry] = stage.router.entries()
    assert entry["outputTokens"] == 2
    assert entry["ttftMs"] is not None


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_round_of_tools(stage: Stage, stream: bool) -> None:
    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Bern", "Rome")]
    engine = await claude(
        stage, {"when": {"user": "How is"}, "answer": "I look.", "toolCalls": calls}, {"answer": "Sunny in Bern."}
    )
    await stage.open(ONE)
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How is it?"}]
    async with stage.client.chat.completions.stream(model="auto", messages=messages, tools=[TOOL]) as made:
        streamed = (await made.get_final_completion()).choices[0]
    whole = (await stage.client.chat.completions.create(model="auto", messages=messages, tools=[TOOL])).choices[0]
    choice: Any = streamed if stream else whole
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look.")
    found = [(call.function.name, call.function.arguments) for call in choice.message.tool_calls]
    assert found == [("weather", '{"city":"Bern"}'), ("weather", '{"city":"Rome"}')]
    messages.append(choice.message.model_dump(exclude_none=True, include={"role", "content", "tool_calls"}))
    messages += [{"role": "tool", "tool_call_id": c.id, "content": "sunny"} for c in choice.message.tool_calls]
    messages.append({"role": "user", "content": "And?"})
    seen = await stage.ask(messages=messages, tools=[TOOL], parallel_tool_calls=False, stream=stream)
    assert (seen.text, seen.finish) == ("Sunny in Bern.", "stop")
    assert (await stage.ask(messages=messages, stream=stream)).text == "Sunny in Bern."  # without tools, now
    assert engine.calls[-1].body["tool_choice"] == {"type": "none"}
    body = engine.calls[-2].body
    one, two = choice.message.tool_calls
    assert body["system"] == [{"type": "text", "text": "Be brief."}]
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"][1:] == [
        {"type": "tool_use", "id": one.id, "name": "weather", "input": {"city": "Bern"}},
        {"type": "tool_use", "id": two.id, "name": "weather", "input": {"city": "Rome"}},
    ]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


async def test_images_and_schemas(stage: Stage) -> None:
    engine = await claude(stage)
    await stage.open(ONE)
    parts = [
        {"type": "image_url", "image_url": {"url": url}} for url in (f"data:image/png;base64,{PIXEL}", "https://a/b")
    ]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    seen = await stage.ask(messages=[{"role": "user", "content": parts}], response_format=form)
    assert seen.status == 200
    assert '"a"' in seen.text
    sources = [block["source"] for block in engine.calls[0].body["messages"][0]["content"]]
    assert sources == [
        {"type": "base64", "media_type": "image/png", "data": PIXEL},
        {"type": "url", "url": "https://a/b"},
    ]
    assert engine.calls[0].body["output_config"] == {"format": {"type": "json_schema", "schema": schema}}


async def test_the_key_and_the_headers_that_an_engine_gets(stage: Stage) -> None:
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: key}, stringData: {key: sk-ant-of-ours}}"
    engine = await claude(stage, auth={"apiKey": {"secretRef": {"name": "key", "key": "key"}}})
    engine._keys = ("sk-ant-of-ours",)
    await stage.open(ONE, secret)
    assert (await stage.ask()).status == 200


REFUSED: list[tuple[str, Any]] = [
    ("n", 2),
    ("logprobs", True),
    ("logit_bias", {"1": 5}),
    ("response_format", {"type": "json_object"}),
    ("modalities", ["text", "audio"]),
    ("stop", ["\n"]),
]


@pytest.mark.parametrize("field, value", REFUSED)
async def test_what_cannot_be_said_is_refused_by_name(stage: Stage, field: str, value: Any) -> None:
    engine = await claude(stage)
    await stage.open(ONE)
    with pytest.raises(openai.BadRequestError) as refused:
        await stage.client.chat.completions.create(
            model="auto", messages=[{"role": "user", "content": "?"}], extra_body={field: value}
        )
    assert refused.value.code == "no_eligible_target"
    assert f"claude: {field}: " in refused.value.message
    assert not list(engine.calls)


async def test_what_is_removed_for_a_backend_is_no_difference(stage: Stage) -> None:
    await claude(stage, {"answer": "Green."}, request={"remove": ["logit_bias", "temperature"]})
    await stage.open(ONE)
    assert (await stage.ask(logit_bias={"1": 5}, temperature=0.5)).text == "Green."


async def test_other_targets_take_what_one_cannot_be_told(stage: Stage) -> None:
    await claude(stage, {"answer": "Claude."})
    await stage.engine("other", {"answer": "Other."})
    await stage.open(IN_ORDER)
    assert [(await stage.ask(**fields)).text for fields in ({}, {"n": 2}, {"logprobs": True})] == [
        "Claude.",
        "Other.",
        "Other.",
    ]


async def test_other_operations_go_elsewhere(stage: Stage) -> None:
    await claude(stage)
    await stage.engine("other")
    for spec in stage._specs.values():
        del spec["profile"]
    await stage.open(IN_ORDER)
    assert (await stage.client.embeddings.create(model="auto", input="a")).data


async def test_other_operations_are_refused_where_there_is_nobody_else(stage: Stage) -> None:
    await claude(stage)
    await stage.open(ONE)
    with pytest.raises(openai.BadRequestError, match="the Messages API has no embeddings"):
        await stage.client.embeddings.create(model="auto", input="a")
    with pytest.raises(openai.BadRequestError, match="the Messages API has no responses"):
        await stage.client.responses.create(model="auto", input="a")


FAULTS: list[tuple[dict[str, Any], int, str]] = [
    ({"status": 400, "code": "invalid_request_error"}, 400, "invalid_request_error"),
    ({"status": 401}, 502, "upstream_auth"),
    ({"status": 404}, 502, "upstream_auth"),
    ({"status": 413}, 413, "request_too_large"),
    ({"status": 429, "retryAfter": 3}, 429, "rate_limit_exceeded"),
    ({"status": 529}, 502, "upstream_error"),
    ({"errorEvent": 529}, 502, "upstream_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault, status, code", FAULTS, ids=str)
async def test_errors_are_those_of_a_chat(
    stage: Stage, fault: dict[str, Any], status: int, code: str, stream: bool
) -> None:
    await claude(stage, fault)
    await stage.open(ONE)
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code) == (status, code)


@pytest.mark.parametrize("fault", [{"status": 529}, {"errorEvent": 529}, {"errorEvent": 500}, {"status": 401}], ids=str)
@pytest.mark.parametrize("stream", [False, True])
async def test_another_target_serves_before_content_was_sent(stage: Stage, fault: dict[str, Any], stream: bool) -> None:
    await claude(stage, fault)
    await stage.engine("other", {"answer": "Other."})
    await stage.open(IN_ORDER)
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.text, seen.target) == (200, "", "Other.", "other")


async def test_a_prompt_that_is_too_long_goes_to_a_larger_window(stage: Stage) -> None:
    await claude(stage, sim={"context_window": 50})
    await stage.engine("other", {"answer": "Other."})
    stage._specs["other"]["profile"] = {"contextWindow": 100_000}
    await stage.open(IN_ORDER)
    assert (await stage.ask("word " * 100)).text == "Other."


async def test_a_stream_that_is_cut_ends_with_an_error(stage: Stage) -> None:
    await claude(stage, {"answer": "A long answer.", "cutAfter": 2})
    await stage.open(ONE)
    seen = await stage.ask(stream=True)
    assert (seen.status, seen.text, seen.code) == (200, "A long a", "upstream_error")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_takes_its_call_along(stage: Stage, stream: bool) -> None:
    engine = await claude(stage, {"stalled": True})
    await stage.open(ONE)
    await stage.leave(lambda: engine.calls.outcomes["open"], stream=stream)
    assert engine.calls.outcomes["answered"] == 0
