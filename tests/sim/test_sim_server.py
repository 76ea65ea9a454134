"""Simulated engines over HTTP: what the official client sees, and every fault."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import httpx
import openai
import pytest

from signalbox.sim.faults import HEALTHY, Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine

MESSAGES: Any = [{"role": "user", "content": "When may the next train enter the block? " * 10}]
TOOL: Any = {
    "type": "function",
    "function": {
        "name": "clear_signal",
        "parameters": {
            "type": "object",
            "properties": {"signal": {"type": "string"}, "aspect": {"enum": ["green", "red"]}},
            "required": ["signal", "aspect"],
        },
    },
}

Start = Callable[..., Awaitable[SimulatedEngine]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    engines: list[SimulatedEngine] = []

    async def begin(keys: tuple[str, ...] = (), **options: Any) -> SimulatedEngine:
        engine = SimulatedEngine("a", Profile(**{"speed": 50.0} | options), keys=keys, seed=7)
        engines.append(engine)
        await engine.start()
        return engine

    yield begin
    for engine in engines:
        await engine.stop()


def client(engine: SimulatedEngine, key: str = "none") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=f"http://{engine.address}/v1", api_key=key, max_retries=0)


async def post(engine: SimulatedEngine, body: dict[str, Any], path: str = "/v1/chat/completions") -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://{engine.address}{path}", json={"model": "sim", "messages": MESSAGES} | body) as response,
    ):
        return response.status, await response.text()


async def test_chat(start: Start) -> None:
    async with client(await start()) as api:
        answer = await api.chat.completions.create(model="sim", messages=MESSAGES, max_tokens=5, n=2)
        assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
        assert answer.usage is not None
        assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (103, 10)
        assert answer.system_fingerprint == "a"
        again = await api.chat.completions.create(model="sim", messages=MESSAGES, max_tokens=5)
        assert again.usage is not None
        assert again.usage.prompt_tokens_details is not None
        assert again.usage.prompt_tokens_details.cached_tokens == 96


async def test_chat_stream_with_usage_and_log_probabilities(start: Start) -> None:
    async with client(await start()) as api:
        stream = await api.chat.completions.create(
            model="sim",
            messages=MESSAGES,
            max_tokens=4,
            stream=True,
            stream_options={"include_usage": True},
            logprobs=True,
            top_logprobs=2,
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[0].choices[0].delta.role == "assistant"
    tokens = [chunk.choices[0] for chunk in chunks[1:-1]]
    assert [token.finish_reason for token in tokens] == [None, None, None, "length"]
    first = tokens[0].logprobs
    assert first is not None
    assert first.content is not None
    assert len(first.content[0].top_logprobs) == 2
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


@pytest.mark.parametrize("choice", ["required", "auto"])
async def test_tools_are_called_when_asked(start: Start, choice: Any) -> None:
    messages: Any = [{"role": "user", "content": "Please clear_signal number 4."}]
    async with client(await start()) as api:
        answer = await api.chat.completions.create(model="sim", messages=messages, tools=[TOOL], tool_choice=choice)
        async with api.chat.completions.stream(
            model="sim", messages=messages, tools=[TOOL], tool_choice=choice
        ) as events:
            streamed = await events.get_final_completion()
    for made in (answer, streamed):
        assert made.choices[0].finish_reason == "tool_calls"
        calls = made.choices[0].message.tool_calls
        assert calls is not None
        assert calls[0].type == "function"
        assert calls[0].function.name == "clear_signal"
        assert '"aspect":' in calls[0].function.arguments


async def test_json_schema_is_obeyed(start: Start) -> None:
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": TOOL["function"]["parameters"]}}
    async with client(await start()) as api:
        answer = await api.chat.completions.create(model="sim", messages=MESSAGES, response_format=wanted)
    assert (answer.choices[0].message.content or "").startswith('{"signal":')


async def test_completions_embeddings_and_models(start: Start) -> None:
    async with client(await start()) as api:
        text = await api.completions.create(model="sim", prompt=["one", "two"], max_tokens=3, logprobs=1)
        assert [choice.index for choice in text.choices] == [0, 1]
        assert text.choices[0].logprobs is not None
        assert len(text.choices[0].logprobs.tokens or []) == 3
        chunks = [c async for c in await api.completions.create(model="sim", prompt="x", max_tokens=3, stream=True)]
        assert len(chunks) == 3
        vectors = await api.embeddings.create(model="sim", input=["one", "two", "one"], dimensions=8)
        assert vectors.data[0].embedding == vectors.data[2].embedding != vectors.data[1].embedding
        assert sum(x * x for x in vectors.data[0].embedding) == pytest.approx(1.0, abs=1e-5)
        assert [model.id async for model in api.models.list()] == ["sim"]


async def test_responses_remember_what_was_said(start: Start) -> None:
    engine = await start()
    async with client(engine) as api:
        async with api.responses.stream(model="sim", input="Who holds the token?") as events:
            kinds = [event.type async for event in events]
            first = await events.get_final_response()
        assert kinds[:2] == ["response.created", "response.in_progress"]
        assert kinds[-1] == "response.completed"
        second = await api.responses.create(model="sim", input="And now?", previous_response_id=first.id)
        assert second.usage is not None
        assert first.usage is not None
        assert second.usage.input_tokens > first.usage.output_tokens
        with pytest.raises(openai.NotFoundError):
            await api.responses.create(model="sim", input="And now?", previous_response_id="resp_gone")
        called = await api.responses.create(
            model="sim",
            input="x",
            tools=[{"type": "function", "strict": False, **TOOL["function"]}],
            tool_choice="required",
        )
        assert called.output[0].type == "function_call"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"model": "other"}, 404, "does not exist"),
        ({"messages": []}, 400, "at least one message"),
        ({"max_tokens": 9000}, 400, "maximum context length is 8192 tokens"),
        ({"max_tokens": 0}, 400, "max_tokens must be an integer"),
        ({"n": 0}, 400, "n must be"),
    ],
)
async def test_bad_requests_are_refused_as_a_real_engine_does(
    start: Start, body: dict[str, Any], status: int, words: str
) -> None:
    got, text = await post(await start(), body)
    assert got == status
    assert words in text


async def test_a_key_is_required_when_one_is_set(start: Start) -> None:
    engine = await start(keys=("right",))
    async with client(engine, "wrong") as api:
        with pytest.raises(openai.AuthenticationError):
            await api.models.list()
        with pytest.raises(openai.AuthenticationError):
            await api.chat.completions.create(model="sim", messages=MESSAGES)
    async with client(engine, "right") as api:
        await api.chat.completions.create(model="sim", messages=MESSAGES, max_tokens=1)


async def test_a_full_queue_is_503_or_200_and_an_error_event(start: Start) -> None:
    engine = await start(batch=1, queue=0)
    await engine.apply(Faults(stalled=True))
    waiting = asyncio.create_task(post(engine, {"max_tokens": 1}))
    while engine.core.in_flight == 0:
        await asyncio.sleep(0.001)
    assert (await post(engine, {}))[0] == 503
    status, text = await post(engine, {"stream": True})
    assert status == 200
    assert text.startswith('data: {"error":{')
    assert '"code":503' in text
    assert text.endswith("data: [DONE]\n\n")
    await engine.apply(HEALTHY)
    assert (await waiting)[0] == 200


async def test_error_event_of_the_responses_api_is_named(start: Start) -> None:
    engine = await start()
    await engine.apply(Faults(error_event=500))
    status, text = await post(engine, {"input": "x", "stream": True}, "/v1/responses")
    assert status == 200
    assert text.startswith("event: error\n")


async def test_status_fault_with_retry_after_hits_its_share(start: Start) -> None:
    engine = await start()
    async with client(engine) as api:
        await engine.apply(Faults(status=429, retry_after=2))
        with pytest.raises(openai.RateLimitError) as limited:
            await api.chat.completions.create(model="sim", messages=MESSAGES)
        assert limited.value.response.headers["retry-after"] == "2"
        await engine.apply(Faults(status=500, percent=0))
        await api.chat.completions.create(model="sim", messages=MESSAGES, max_tokens=1)


async def test_a_stream_is_cut_after_its_tokens(start: Start) -> None:
    engine = await start()
    await engine.apply(Faults(cut_after=3))
    seen: list[str] = []
    async with client(engine) as api:
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, openai.APIConnectionError)):
            async for chunk in await api.chat.completions.create(model="sim", messages=MESSAGES, stream=True):
                seen.append(chunk.choices[0].delta.content or "")  # noqa: PERF401 (what came before the break counts)
    assert len([text for text in seen if text]) <= 3
    assert engine.core.in_flight == 0


async def test_reset_and_dead_and_back_from_the_dead(start: Start) -> None:
    engine = await start()
    async with client(engine) as api:
        await engine.apply(Faults(reset=True))
        with pytest.raises(openai.APIConnectionError):
            await api.chat.completions.create(model="sim", messages=MESSAGES)
        await engine.apply(Faults(stalled=True))
        hanging = asyncio.create_task(api.chat.completions.create(model="sim", messages=MESSAGES))
        while engine.core.in_flight == 0:
            await asyncio.sleep(0.001)
        await engine.apply(Faults(dead=True))
        with pytest.raises(openai.APIConnectionError):
            await hanging
        with pytest.raises(openai.APIConnectionError):
            await api.chat.completions.create(model="sim", messages=MESSAGES)
        await engine.apply(HEALTHY)
        await api.chat.completions.create(model="sim", messages=MESSAGES, max_tokens=1)


async def test_draining_fails_the_new_and_ends_the_old_well(start: Start) -> None:
    engine = await start(speed=5.0)
    async with client(engine) as api:
        old = await api.chat.completions.create(model="sim", messages=MESSAGES, max_tokens=30, stream=True)
        await anext(old)
        await engine.apply(Faults(draining=True))
        assert (await post(engine, {}))[0] == 503
        assert (await post(engine, {"stream": True}))[0] == 200
        async with aiohttp.ClientSession() as session, session.get(f"http://{engine.address}/health") as health:
            assert health.status == 200
        async with aiohttp.ClientSession() as session, session.get(f"http://{engine.address}/metrics") as scrape:
            assert 'vllm:num_requests_running{engine="0",model_name="sim"} 0.0' in await scrape.text()
        assert [chunk.choices[0].finish_reason async for chunk in old][-1] is not None


async def test_a_client_that_leaves_frees_its_slot(start: Start) -> None:
    engine = await start(speed=0.01)
    leaving = asyncio.create_task(post(engine, {"stream": True}))
    while engine.core.in_flight == 0:
        await asyncio.sleep(0.001)
    leaving.cancel()
    while engine.core.in_flight:
        await asyncio.sleep(0.001)


async def test_faults_by_http(start: Start) -> None:
    engine = await start()
    url = f"http://{engine.address}/sim/faults"
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"status": 500, "seconds": 0.05}) as response:
            assert await response.json() == {"status": 500, "seconds": 0.05}
        assert engine.faults.status == 500
        while engine.faults.status:
            await asyncio.sleep(0.001)
        async with session.post(url, json={"stauts": 500}) as response:
            assert response.status == 400
            assert "stauts" in await response.text()
        async with session.post(url, json={"dead": True, "seconds": 0.05}) as response:
            assert response.status == 200
        while engine.faults.dead:
            await asyncio.sleep(0.001)
        async with session.get(url) as response:
            assert await response.json() == {}
