"""Strategies do not ask which API the client speaks, nor which one a target."""

from typing import Any

import anthropic
import pytest
from stage import Claude, Stage

PICKED = """
classifiers: [{name: kind, labels: [code, prose], default: prose, llm: {target: picker}}]
routes:
- {name: code, when: label.kind == "code", weighted: {targets: [{name: coder}]}}
- {name: rest, weighted: {targets: [{name: writer}]}}
"""
ASK: Any = {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "def f(): pass"}]}


async def heard(claude: Claude, stream: bool, **fields: Any) -> Any:
    if not stream:
        return await claude().messages.create(**{**ASK, **fields})
    async with claude().messages.stream(**{**ASK, **fields}) as made:
        return await made.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_behind_the_other_api_picks(stage: Stage, claude: Claude, stream: bool) -> None:
    picker = await stage.engine("picker", {"json": {"label": "code"}}, format="Anthropic")
    await stage.engine("coder", {"answer": "A program."})
    await stage.engine("writer", {"answer": "A text."}, format="Anthropic")
    await stage.open(PICKED)
    message = await heard(claude, stream)
    assert message.content[0].text == "A program."
    assert (await stage.ask("def g(): pass", stream=stream)).text == "A program."
    [first, second] = picker.calls
    assert first.operation == second.operation == "messages"
    assert first.body["output_config"]["format"]["type"] == "json_schema"
    assert "def f(): pass" in str(first.body["messages"])


CASCADE = """
routes:
- name: all
  cascade: {steps: [{target: small, accept: {expression: 'answer.text.contains("sure")'}}, {target: strong}]}
"""
CLIENTS = pytest.mark.parametrize("stream", [False, True])


@CLIENTS
@pytest.mark.parametrize(
    "small, strong", [("OpenAI", "Anthropic"), ("Anthropic", "OpenAI"), ("Anthropic", "Anthropic")]
)
async def test_a_cascade_over_both_apis(stage: Stage, claude: Claude, small: str, strong: str, stream: bool) -> None:
    await stage.engine(
        "small", {"when": {"user": "easy"}, "answer": "I am sure."}, {"answer": "Perhaps."}, format=small
    )
    await stage.engine("strong", {"answer": "Strong says so."}, format=strong)
    await stage.open(CASCADE)
    for text, answer in (("easy", "I am sure."), ("hard", "Strong says so.")):
        message = await heard(claude, stream, messages=[{"role": "user", "content": text}])
        assert [block.text for block in message.content] == [answer]
        assert message.stop_reason == "end_turn"
        assert message.usage.output_tokens > 0
        seen = await stage.ask(text, stream=stream)
        assert (seen.text, seen.finish) == (answer, "stop")
        assert seen.usage is not None


@CLIENTS
async def test_a_call_of_a_tool_is_an_answer(stage: Stage, claude: Claude, stream: bool) -> None:
    call = {"name": "weather", "arguments": {"city": "Bern"}}
    await stage.engine("small", {"answer": "I look.", "toolCalls": [call]}, format="Anthropic")
    strong = await stage.engine("strong", {"answer": "Strong says so."})
    await stage.open(CASCADE)
    tool = {"name": "weather", "input_schema": {"type": "object"}}
    message = await heard(claude, stream, tools=[tool])
    assert [block.type for block in message.content] == ["text", "tool_use"]
    assert (message.content[1].input, message.stop_reason) == ({"city": "Bern"}, "tool_use")
    assert not list(strong.calls)


@CLIENTS
async def test_what_no_chat_can_say_goes_to_the_last_step(stage: Stage, claude: Claude, stream: bool) -> None:
    """Answers are looked at as chats, so what cannot be one is not asked step by step; nothing of it is lost."""
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}}
    messages: Any = [{"role": "user", "content": [document, {"type": "text", "text": "Read this."}]}]
    small = await stage.engine("small", {"answer": "I am sure."}, format="Anthropic")
    strong = await stage.engine("strong", {"answer": "Strong says so."}, format="Anthropic")
    await stage.open(CASCADE)
    message = await heard(claude, stream, messages=messages)
    assert message.content[0].text == "Strong says so."
    assert not list(small.calls)
    assert strong.calls[0].body["messages"] == messages


async def test_what_no_chat_can_say_is_refused_where_the_last_step_is_one(stage: Stage, claude: Claude) -> None:
    messages: Any = [
        {"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "https://a/b"}}]}
    ]
    await stage.engine("small", {"answer": "I am sure."}, format="Anthropic")
    await stage.engine("strong", {"answer": "Strong says so."})
    await stage.open(CASCADE)
    with pytest.raises(anthropic.BadRequestError, match="blocks of type document"):
        await heard(claude, False, messages=messages)
    assert not any(map(len, stage.calls.values()))


@CLIENTS
async def test_errors_of_a_chain_have_the_form_of_the_client(stage: Stage, claude: Claude, stream: bool) -> None:
    await stage.engine("small", {"status": 500}, format="Anthropic")
    await stage.engine("strong", {"status": 500}, format="Anthropic")
    await stage.open(CASCADE)
    with pytest.raises(anthropic.APIStatusError) as failed:
        await heard(claude, stream)
    assert (failed.value.status_code, failed.value.type) == (502, "api_error")


@CLIENTS
async def test_a_judge_behind_the_other_api(stage: Stage, claude: Claude, stream: bool) -> None:
    await stage.engine("small", {"answers": ["Red.", "Green.", "Blue."]}, format="Anthropic")
    judge = await stage.engine("judge", format="Anthropic")
    await stage.open("""
      routes:
      - name: all
        bestOf: {targets: [{name: small, samples: 3}], judge: {target: judge, rubric: Take the shortest.}}
    """)
    message = await heard(claude, stream)
    assert message.content[0].text in {"Red.", "Green.", "Blue."}
    assert all(call.operation == "messages" for call in judge.calls)
