"""The official client of Anthropic's API, unmodified, that is answered by backends which speak OpenAI's."""

from typing import Any

import anthropic
import httpx
import pytest
from stage import Claude, Stage

ONE = "routes: [{name: all, weighted: {targets: [{name: llama}]}}]"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TOOL: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
ASK: Any = {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "What does the signal show?"}]}


async def final(client: anthropic.AsyncAnthropic, stream: bool, **fields: Any) -> Any:
    """The message, told at once or in events."""
    if not stream:
        return await client.messages.create(**{**ASK, **fields})
    async with client.messages.stream(**{**ASK, **fields}) as made:
        return await made.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_and_what_it_cost(stage: Stage, claude: Claude, stream: bool) -> None:
    engine = await stage.engine("llama", {"answer": "Green, I think.", "outputTokens": 9})
    await stage.open(ONE)
    fields = {"system": "Be brief.", "stop_sequences": ["END"], "metadata": {"user_id": "u1"}}
    message = await final(claude(), stream, **fields)
    assert [(block.type, block.text) for block in message.content] == [("text", "Green, I think.")]
    assert (message.stop_reason, message.role, message.model) == ("end_turn", "assistant", "sim")
    assert (message.usage.input_tokens, message.usage.output_tokens) == (9, 9)
    [call] = engine.calls
    assert call.operation == "chat"
    body = {name: value for name, value in call.body.items() if name not in {"stream", "stream_options"}}
    assert body == {
        "model": "sim",
        "max_tokens": 100,
        "messages": [{"role": "system", "content": "Be brief."}, ASK["messages"][0]],
        "stop": ["END"],
        "user": "u1",
    }
    [entry] = stage.router.entries()
    assert (entry["operation"], entry["cost"], entry["target"]) == ("messages", "0.000099", "llama")


async def test_what_is_said_of_an_answer_in_its_headers(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"answer": "Green."})
    await stage.open(ONE)
    raw = await claude().messages.with_raw_response.create(**ASK)
    assert raw.headers["request-id"] == raw.headers["x-request-id"] == raw.request_id
    assert raw.headers["x-signalbox-target"] == "llama"


async def test_the_events_are_those_of_the_api(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"answer": "Green."})
    await stage.open(ONE)
    made = await claude().messages.create(**ASK, stream=True)
    assert [event.type async for event in made] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_whole_round_of_tools(stage: Stage, claude: Claude, stream: bool) -> None:
    calls = [{"name": "weather", "arguments": {"city": city}} for city in ("Bern", "Rome")]
    engine = await stage.engine(
        "llama", {"when": {"user": "How is"}, "answer": "I look.", "toolCalls": calls}, {"answer": "Sunny in Bern."}
    )
    await stage.open(ONE)
    client = claude()
    messages: list[Any] = [{"role": "user", "content": "How is it?"}]
    message = await final(client, stream, messages=messages, tools=[TOOL])
    assert message.stop_reason == "tool_use"
    text, one, two = message.content
    assert (text.text, one.name, one.input, two.input) == ("I look.", "weather", {"city": "Bern"}, {"city": "Rome"})
    messages.append({"role": "assistant", "content": message.content})
    results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"} for call in (one, two)]
    messages.append({"role": "user", "content": [*results, {"type": "text", "text": "And?"}]})
    choice: Any = {"type": "auto", "disable_parallel_tool_use": True}
    message = await final(client, stream, messages=messages, tools=[TOOL], tool_choice=choice)
    assert [block.text for block in message.content] == ["Sunny in Bern."]
    body = engine.calls[-1].body
    assert [each["role"] for each in body["messages"]] == ["user", "assistant", "tool", "tool", "user"]
    assert [call["id"] for call in body["messages"][1]["tool_calls"]] == [one.id, two.id]
    assert [each["tool_call_id"] for each in body["messages"][2:4]] == [one.id, two.id]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("auto", False)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_that_must_be_called(stage: Stage, claude: Claude, stream: bool) -> None:
    await stage.engine("llama")
    await stage.open(ONE)
    message = await final(claude(), stream, tools=[TOOL], tool_choice={"type": "tool", "name": "weather"})
    assert [block.type for block in message.content] == ["tool_use"]
    assert message.stop_reason == "tool_use"


async def test_images_and_schemas(stage: Stage, claude: Claude) -> None:
    engine = await stage.engine("llama")
    await stage.open(ONE)
    sources: list[Any] = [
        {"type": "base64", "media_type": "image/png", "data": PIXEL},
        {"type": "url", "url": "https://a/b"},
    ]
    blocks: list[Any] = [{"type": "image", "source": source} for source in sources]
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    message = await final(
        claude(),
        False,
        messages=[{"role": "user", "content": blocks}],
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    assert '"a"' in message.content[0].text
    body = engine.calls[0].body
    urls = [part["image_url"]["url"] for part in body["messages"][0]["content"]]
    assert urls == [f"data:image/png;base64,{PIXEL}", "https://a/b"]
    assert body["response_format"]["json_schema"]["schema"] == schema


async def test_conditions_and_features_see_a_chat(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"answer": "Short."})
    await stage.engine("code", {"answer": "Code."})
    await stage.engine("eyes", {"answer": "I see."})
    stage._specs["llama"]["profile"] = {"features": ["Tools"]}
    when = 'request.operation == "chat" && query.hasCode && conversation.system.contains("brief") && request.tools == 1'
    await stage.open(f"""
      routes:
      - {{name: code, when: '{when}', weighted: {{targets: [{{name: code}}]}}}}
      - {{name: rest, failover: {{tiers: [{{targets: [{{name: llama}}]}}, {{targets: [{{name: eyes}}]}}]}}}}
    """)
    client = claude()
    code: Any = [{"role": "user", "content": [{"type": "text", "text": "```python\nprint(1)\n```"}]}]
    image: Any = [{"type": "image", "source": {"type": "url", "url": "https://a/b"}}]
    asked: list[dict[str, Any]] = [
        {"messages": code, "system": [{"type": "text", "text": "Be brief."}], "tools": [TOOL]},
        {"messages": code},
        {"messages": [{"role": "user", "content": image}]},
    ]
    assert [(await final(client, False, **fields)).content[0].text for fields in asked] == ["Code.", "Short.", "I see."]


OBSTACLES: list[tuple[str, dict[str, Any]]] = [
    (
        "messages[0].content[0]: blocks of type document",
        {
            "messages": [
                {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://a/b"}}]}
            ]
        },
    ),
    ("tools[0].type", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}),
    ("container", {"container": "c1"}),
]


@pytest.mark.parametrize("field, fields", OBSTACLES, ids=[field for field, _ in OBSTACLES])
async def test_what_cannot_be_said_is_refused_by_name(
    stage: Stage, claude: Claude, field: str, fields: dict[str, Any]
) -> None:
    engine = await stage.engine("llama")
    del stage._specs["llama"]["profile"]
    await stage.open(ONE)
    with pytest.raises(anthropic.BadRequestError) as refused:
        await final(claude(), False, **fields)
    assert refused.value.type == "invalid_request_error"
    assert field in refused.value.message
    assert not list(engine.calls)


FAULTS: list[tuple[dict[str, Any], int, str]] = [
    ({"status": 400, "code": "invalid_prompt"}, 400, "invalid_request_error"),
    ({"status": 401}, 502, "api_error"),
    ({"status": 429, "retryAfter": 3}, 429, "rate_limit_error"),
    ({"status": 500}, 502, "api_error"),
    ({"errorEvent": 503}, 502, "api_error"),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault, status, kind", FAULTS, ids=str)
async def test_errors_are_those_of_the_api(
    stage: Stage, claude: Claude, fault: dict[str, Any], status: int, kind: str, stream: bool
) -> None:
    await stage.engine("llama", fault)
    await stage.open(ONE)
    with pytest.raises(anthropic.APIStatusError) as failed:
        await final(claude(), stream)
    assert (failed.value.status_code, failed.value.type) == (status, kind)
    if status == 429:
        assert failed.value.response.headers["retry-after"] == "3"


async def test_the_beta_of_the_client(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"answer": "Green."})
    await stage.open(ONE)
    message = await claude().beta.messages.create(**ASK, betas=["some-beta"])
    assert [block.type for block in message.content] == ["text"]


async def test_keys_and_models(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"answer": "Green."})
    secret = "{apiVersion: v1, kind: Secret, metadata: {name: keys}, stringData: {key: the-key-of-team-a}}"
    await stage.open(f"{ONE}\naccess: {{tenants: [{{name: a, keysFrom: [{{secretRef: {{name: keys}}}}]}}]}}", secret)
    assert (await final(claude("the-key-of-team-a"), False)).content
    with pytest.raises(anthropic.AuthenticationError) as unknown:
        await final(claude("the-key-of-nobody"), False)
    assert unknown.value.type == "authentication_error"
    with pytest.raises(anthropic.NotFoundError) as missing:
        await final(claude("the-key-of-team-a"), False, model="gone")
    assert missing.value.type == "not_found_error"
    with pytest.raises(anthropic.BadRequestError, match="model"):
        await final(claude("the-key-of-team-a"), False, model="")


async def test_what_there_is_not(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama")
    await stage.open(ONE)
    with pytest.raises(anthropic.NotFoundError, match="not counted here") as counting:
        await claude().messages.count_tokens(model="auto", messages=ASK["messages"])
    assert counting.value.type == "not_found_error"
    with pytest.raises(anthropic.NotFoundError):
        await claude().messages.batches.list()
    async with httpx.AsyncClient() as plain:
        answer = await plain.get(f"{stage.url}/v1/messages")
        broken = await plain.post(f"{stage.url}/v1/messages", content=b"{")
    assert (answer.status_code, answer.json()["type"]) == (405, "error")
    assert (broken.status_code, broken.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_a_client_learns_which_models_there_are(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama")
    await stage.open(ONE)
    client = claude()
    assert [model.id async for model in client.models.list()] == ["auto"]
    assert (await client.models.retrieve("auto")).type == "model"
    with pytest.raises(anthropic.NotFoundError):
        await client.models.retrieve("gone")


async def test_a_stream_that_is_cut_ends_with_an_error(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"answer": "A long answer.", "cutAfter": 2})
    await stage.open(ONE)
    heard = ""
    with pytest.raises(anthropic.APIStatusError) as cut:
        async with claude().messages.stream(**ASK) as made:
            async for text in made.text_stream:
                heard += text
    assert heard == "A long a"
    assert cut.value.type == "api_error"
    assert "incomplete" in cut.value.message


async def test_another_target_serves_before_content_was_sent(stage: Stage, claude: Claude) -> None:
    await stage.engine("llama", {"errorEvent": 503})
    await stage.engine("other", {"answer": "Other."})
    await stage.open(
        "routes: [{name: all, failover: {tiers: [{targets: [{name: llama}]}, {targets: [{name: other}]}]}}]"
    )
    assert (await final(claude(), True)).content[0].text == "Other."


async def test_more_than_is_held_of_an_answer(stage: Stage, claude: Claude) -> None:
    """An answer that would pass through in parts, were it not to be translated."""
    await stage.engine("llama", {"answer": "word " * 300_000, "outputTokens": 20})
    await stage.open(ONE)
    message = await final(claude(), False)
    assert message.content[0].text == "word " * 300_000
