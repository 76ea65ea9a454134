"""Simulated engines that speak Anthropic's Messages, as the official client sees them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anthropic
import httpx
import pytest

from signalbox.sim.faults import Faults
from signalbox.sim.profile import Profile
from signalbox.sim.script import read
from signalbox.sim.server import SimulatedEngine

ASK: Any = {"model": "sim", "max_tokens": 50, "messages": [{"role": "user", "content": "Is the line clear? " * 10}]}
TOOL: Any = {
    "name": "clear_signal",
    "input_schema": {"type": "object", "properties": {"aspect": {"enum": ["green", "red"]}}, "required": ["aspect"]},
}
Start = Callable[..., Awaitable[SimulatedEngine]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    engines: list[SimulatedEngine] = []

    async def begin(*rules: dict[str, Any], keys: tuple[str, ...] = ()) -> SimulatedEngine:
        engine = SimulatedEngine("a", Profile(speed=50.0), keys=keys, seed=7, script=read(rules))
        engines.append(engine)
        await engine.start()
        return engine

    yield begin
    for engine in engines:
        await engine.stop()


def client(engine: SimulatedEngine, key: str = "none") -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=f"http://{engine.address}", api_key=key, max_retries=0)


async def test_unary_and_streams_say_the_same_and_count_alike(start: Start) -> None:
    async with client(await start({"answer": "Yes, it is.", "outputTokens": 9})) as api:
        whole = await api.messages.create(**ASK)
        async with api.messages.stream(**ASK) as stream:
            streamed = await stream.get_final_message()
    for message in (whole, streamed):
        [block] = message.content
        assert block.type == "text"
        assert (block.text, message.stop_reason, message.usage.output_tokens) == ("Yes, it is.", "end_turn", 9)
        assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) == 48


@pytest.mark.parametrize("stream", [False, True])
async def test_calls_of_tools(start: Start, stream: bool) -> None:
    async with client(await start()) as api:
        fields: Any = {**ASK, "tools": [TOOL], "tool_choice": {"type": "tool", "name": "clear_signal"}}
        if stream:
            async with api.messages.stream(**fields) as streamed:
                message = await streamed.get_final_message()
        else:
            message = await api.messages.create(**fields)
    [block] = message.content
    assert block.type == "tool_use"
    assert block.name == "clear_signal"
    assert block.input["aspect"] in {"green", "red"}
    assert message.stop_reason == "tool_use"


WRONG: list[dict[str, Any]] = [
    {"n": 2},
    {"max_tokens": None},
    {"messages": []},
    {"messages": [{"role": "system", "content": "a"}]},
    {"messages": [{"role": "user", "content": ""}]},
    {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "a"}]}]},
    {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "data:"}}]}]},
    {"stop_sequences": ["\n"]},
    {"tools": [{"name": "f", "input_schema": {}}]},
    {"tool_choice": {"type": "auto"}},
    {"temperature": 1.5},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: next(iter(wrong)))
async def test_what_the_api_refuses(start: Start, wrong: dict[str, Any]) -> None:
    async with client(await start()) as api:
        with pytest.raises(anthropic.BadRequestError) as refused:
            await api.messages.create(**{**ASK, "extra_body": wrong})
    assert refused.value.type == "invalid_request_error"


async def test_the_version_is_asked_for(start: Start) -> None:
    engine = await start()
    async with httpx.AsyncClient() as plain:
        answer = await plain.post(f"http://{engine.address}/v1/messages", json=ASK)
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")


async def test_keys(start: Start) -> None:
    engine = await start(keys=("sk-ant",))
    async with client(engine, "sk-other") as api:
        with pytest.raises(anthropic.AuthenticationError):
            await api.messages.create(**ASK)
    async with client(engine, "sk-ant") as api:
        assert (await api.messages.create(**ASK)).content


@pytest.mark.parametrize("stream", [False, True])
async def test_errors_have_the_form_of_the_api(start: Start, stream: bool) -> None:
    engine = await start()
    async with client(engine) as api:
        await engine.apply(Faults(status=529, retry_after=1))
        with pytest.raises(anthropic.APIStatusError) as overloaded:
            await api.messages.create(**ASK, stream=stream)
        await engine.apply(Faults(error_event=529))
        with pytest.raises(anthropic.APIStatusError) as event:
            made = await api.messages.create(**ASK, stream=stream)
            async for _ in made:
                pass
    assert overloaded.value.type == event.value.type == "overloaded_error"
