"""Engines that play a script, as the official client sees them, and the log of what they were asked."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import openai
import pytest

from signalbox.sim import admin
from signalbox.sim.profile import Profile
from signalbox.sim.script import read
from signalbox.sim.server import SimulatedEngine
from waiting import until

MESSAGES: Any = [{"role": "user", "content": "Is the line clear?"}]
Start = Callable[..., Awaitable[SimulatedEngine]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    engines: list[SimulatedEngine] = []

    async def begin(*rules: dict[str, Any], **options: Any) -> SimulatedEngine:
        engine = SimulatedEngine("a", Profile(**{"speed": 50.0} | options), seed=7, script=read(rules))
        engines.append(engine)
        await engine.start()
        return engine

    yield begin
    for engine in engines:
        await engine.stop()


def client(engine: SimulatedEngine) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://{engine.address}/v1", api_key="none", max_retries=0)


async def streamed(api: openai.AsyncOpenAI, **fields: Any) -> tuple[str, Any]:
    """The text of a stream, and its usage."""
    text, usage = "", None
    options: Any = {"include_usage": True}
    made = await api.chat.completions.create(
        **{"model": "sim", "messages": MESSAGES, "stream": True, "stream_options": options} | fields
    )
    async for chunk in made:
        usage = chunk.usage or usage
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
    return text, usage


async def test_unary_and_streams_say_the_same_and_count_alike(start: Start) -> None:
    engine = await start({"answer": "Yes: {query}", "outputTokens": 40, "finishReason": "content_filter"})
    async with client(engine) as api:
        answer = await api.chat.completions.create(model="sim", messages=MESSAGES)
        text, usage = await streamed(api)
    assert answer.choices[0].message.content == text == "Yes: Is the line clear?"
    assert answer.choices[0].finish_reason == "content_filter"
    for counts in (answer.usage, usage):
        assert counts is not None
        assert (counts.completion_tokens, counts.completion_tokens_details.reasoning_tokens) == (40, 34)
    assert [(call.outcome, call.input_tokens, call.output_tokens, call.rule) for call in engine.calls] == [
        ("answered", 5, 40, "rule 1")
    ] * 2
    assert engine.calls[0].body["messages"] == MESSAGES


async def test_choices_take_the_answers_in_turn(start: Start) -> None:
    async with client(await start({"answers": ["4", "5", "4"]})) as api:
        answer = await api.chat.completions.create(model="sim", messages=MESSAGES, n=3)
        again, _ = await streamed(api)
    assert [choice.message.content for choice in answer.choices] == ["4", "5", "4"]
    assert again == "4"


@pytest.mark.parametrize("stream", [False, True])
async def test_confidence_travels_as_log_probabilities(start: Start, stream: bool) -> None:
    async with client(await start({"answer": "simple", "confidence": 0.8, "alternatives": {"comp": 0.15}})) as api:
        made: Any = await api.chat.completions.create(
            model="sim", messages=MESSAGES, logprobs=True, top_logprobs=2, stream=stream
        )
        if stream:
            tokens = [t for chunk in [c async for c in made] if chunk.choices[0].logprobs
                      for t in chunk.choices[0].logprobs.content]  # fmt: skip
        else:
            tokens = made.choices[0].logprobs.content
        text = await api.completions.create(model="sim", prompt="x", logprobs=2)
    assert "".join(token.token for token in tokens) == "simple"
    assert [math.exp(token.logprob) for token in tokens] == pytest.approx([0.8, 0.8])
    assert [(top.token, round(math.exp(top.logprob), 3)) for top in tokens[0].top_logprobs] == [
        ("simp", 0.8),
        ("comp", 0.15),
    ]
    assert text.choices[0].logprobs is not None
    assert text.choices[0].logprobs.token_logprobs == pytest.approx([math.log(0.8)] * 2)
    assert text.choices[0].logprobs.text_offset == [0, 4]


async def test_scripted_json_answers_a_schema_and_text_may_break_it(start: Start) -> None:
    engine = await start({"when": {"user": "clear"}, "json": {"label": "simple"}}, {"answer": "{nonsense"})
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    async with client(engine) as api:
        answer = await api.chat.completions.create(model="sim", messages=MESSAGES, response_format=wanted)
        other: Any = [{"role": "user", "content": "x"}]
        broken = await api.chat.completions.create(model="sim", messages=other, response_format=wanted)
    assert answer.choices[0].message.content == '{"label":"simple"}'
    assert broken.choices[0].message.content == "{nonsense"


async def test_calls_of_tools_besides_a_text(start: Start) -> None:
    tools = [{"name": "clear", "arguments": {"signal": 4}}, {"name": "hold", "arguments": {"signal": 5}}]
    engine = await start({"answer": "At once.", "toolCalls": tools})
    async with client(engine) as api:
        answer = await api.chat.completions.create(model="sim", messages=MESSAGES)
        async with api.chat.completions.stream(model="sim", messages=MESSAGES) as events:
            stream = await events.get_final_completion()
        for made in (answer, stream):
            assert made.choices[0].finish_reason == "tool_calls"
            assert made.choices[0].message.content == "At once."
            calls: Any = made.choices[0].message.tool_calls
            assert [(call.function.name, call.function.arguments) for call in calls] == [
                ("clear", '{"signal":4}'),
                ("hold", '{"signal":5}'),
            ]
            assert len({call.id for call in calls}) == 2
        response = await api.responses.create(model="sim", input="x")
        async with api.responses.stream(model="sim", input="x") as parts:
            final = await parts.get_final_response()
    for output in (response.output, final.output):
        assert [item.type for item in output] == ["message", "function_call", "function_call"]
    assert final.output_text == "At once."


async def test_several_models_at_one_address(start: Start) -> None:
    engine = await start({"when": {"model": "one"}, "answer": "left"}, {"when": {"model": "two"}, "answer": "right"})
    async with client(engine) as api:
        answers = [await api.chat.completions.create(model=name, messages=MESSAGES) for name in ("one", "two")]
        assert [answer.choices[0].message.content for answer in answers] == ["left", "right"]
        assert [answer.model for answer in answers] == ["one", "two"]
        with pytest.raises(openai.NotFoundError):
            await api.chat.completions.create(model="three", messages=MESSAGES)
    assert [(call.model, call.outcome) for call in engine.calls] == [
        ("one", "answered"), ("two", "answered"), ("three", "error")
    ]  # fmt: skip


async def test_faults_of_a_rule_hit_whom_it_fits(start: Start) -> None:
    engine = await start(
        {"name": "busy", "when": {"stream": False}, "times": 1, "status": 429, "retryAfter": 3, "code": "full"},
        {"name": "late", "when": {"stream": True}, "times": 1, "errorEvent": 503},
        {"name": "cut", "when": {"stream": True}, "answer": "x" * 400, "cutAfter": 2},
        {"answer": "well"},
    )
    async with client(engine) as api:
        with pytest.raises(openai.RateLimitError) as limited:
            await api.chat.completions.create(model="sim", messages=MESSAGES)
        assert limited.value.response.headers["retry-after"] == "3"
        assert limited.value.code == "full"
        with pytest.raises(openai.APIError, match="Service Unavailable"):
            await streamed(api)
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, openai.APIConnectionError)):
            await streamed(api)
        assert (await api.chat.completions.create(model="sim", messages=MESSAGES)).choices[0].message.content == "well"
    assert [(call.rule, call.outcome, call.status) for call in engine.calls] == [
        ("busy", "error", 429), ("late", "error", 200), ("cut", "cut", 200), ("rule 4", "answered", 200)
    ]  # fmt: skip


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("rule", [{"stalled": True}, {"delay": 600}, {"answer": "x" * 4_000}])
async def test_a_call_that_its_client_gave_up_is_cancelled(start: Start, rule: dict[str, Any], stream: bool) -> None:
    engine = await start(rule, speed=1.0)
    async with client(engine) as api:
        asking = asyncio.ensure_future(
            api.chat.completions.create(model="sim", messages=MESSAGES) if not stream else streamed(api)
        )
        await until(lambda: engine.calls.outcomes["open"])
        asking.cancel()
        await until(lambda: engine.calls.outcomes["cancelled"])
    assert engine.calls[0].outcome == "cancelled"
    assert engine.calls[0].output_tokens < 1_000
    assert engine.core.in_flight == 0


async def test_a_delay_comes_before_the_first_token_or_the_error(start: Start) -> None:
    engine = await start({"when": {"stream": True}, "answer": "late", "delay": 0.05}, {"status": 500, "delay": 0.05})
    async with client(engine) as api:
        assert (await streamed(api))[0] == "late"
        with pytest.raises(openai.InternalServerError):
            await api.chat.completions.create(model="sim", messages=MESSAGES)
    assert all(call.seconds >= 0.05 for call in engine.calls)


async def test_script_and_calls_by_http(start: Start) -> None:
    engine = await start()
    runner = await admin.serve([engine], "127.0.0.1", 0)
    admins = "http://{}:{}/sim/engines/a".format(*runner.addresses[0][:2])
    try:
        async with aiohttp.ClientSession() as session, client(engine) as api:
            for place in (f"http://{engine.address}/sim", admins):
                async with session.post(f"{place}/script", data="- {answer: scripted}") as response:
                    assert await response.json() == [{"name": "rule 1", "answer": "scripted"}]
                answer = await api.chat.completions.create(model="sim", messages=MESSAGES)
                assert answer.choices[0].message.content == "scripted"
                async with session.get(f"{place}/calls") as response:
                    shown = await response.json()
                assert shown["counts"] == {"open": 0, "answered": 1, "error": 0, "cut": 0, "cancelled": 0}
                assert (shown["rules"], shown["inputTokens"], shown["outputTokens"]) == ({"rule 1": 1}, 5, 2)
                assert shown["calls"][0]["body"]["messages"] == MESSAGES
                async with session.post(f"{place}/script", data="- {anwser: scripted}") as response:
                    assert response.status == 400
                    assert "rule 1 of the script" in await response.text()
                assert engine.script.rules[0].answer == "scripted"
                async with session.delete(f"{place}/script") as response:
                    assert await response.json() == []
                async with session.delete(f"{place}/calls") as response:
                    assert (await response.json())["calls"] == []
    finally:
        await runner.cleanup()


async def test_the_log_is_bounded(start: Start) -> None:
    engine = await start({"answer": "x"})
    large: Any = [{"role": "user", "content": "y" * 20_000}]
    async with client(engine) as api:
        await api.chat.completions.create(model="sim", messages=large)
    assert engine.calls[0].raw == b""
    assert engine.calls[0].body is None
    for at in range(1_200):
        engine.calls.end(engine.calls.begin("chat", b"{}", at), 0.0)
    assert len(engine.calls) == 1_000
