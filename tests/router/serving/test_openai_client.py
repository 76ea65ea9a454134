"""The official OpenAI client, unmodified, against ``signalbox up`` with two workers and simulated engines."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import openai
import pytest

COMMAND = (sys.executable, "-c", "from signalbox.cli.main import main; main()")
KEY = "the-key-of-team-a"

BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec:
  model: sim
  url: http://{address}/v1
  profile: {{contextWindow: 2000, features: [{features}]}}
  pricing: {{inputPerMillion: "1", outputPerMillion: "2"}}
---
"""
POLICIES = """
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {key: the-key-of-team-a}
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: main}
spec:
  models: [auto, gpt-4o]
  access: {tenants: [{name: team-a, keysFrom: [{secretRef: {name: keys}}]}]}
  targets: [{name: one, backendRef: {name: one}}, {name: two, backendRef: {name: two}}]
  routes: [{name: all, weighted: {targets: [{name: one}, {name: two}]}}]
---
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: faults}
spec:
  models: [busy, broken, locked]
  access: {tenants: [{name: team-a, keysFrom: [{secretRef: {name: keys}}]}]}
  targets:
  - {name: busy, backendRef: {name: busy}}
  - {name: broken, backendRef: {name: broken}}
  - {name: locked, backendRef: {name: locked}}
  routes:
  - {name: busy, when: request.model == "busy", weighted: {targets: [{name: busy}]}}
  - {name: locked, when: request.model == "locked", weighted: {targets: [{name: locked}]}}
  - {name: broken, weighted: {targets: [{name: broken}]}}
"""
ENGINES: dict[str, tuple[str, ...]] = {
    "one": (),
    "two": (),
    "busy": ("--fault", "status=429,retryAfter=1"),
    "broken": ("--fault", "errorEvent=503"),
    "locked": ("--api-key", "sk-of-the-engine"),
}
MESSAGES: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "What is a signal box?"}]


@contextmanager
def running(*arguments: str, stream: str, pattern: str) -> Iterator[str]:
    """A ``signalbox`` command; gives what of its output matches first."""
    other = "stderr" if stream == "stdout" else "stdout"
    process = subprocess.Popen(
        (*COMMAND, *arguments), text=True, **{stream: subprocess.PIPE, other: subprocess.DEVNULL}
    )
    pipe = getattr(process, stream)
    seen = ""
    try:
        for line in pipe:
            seen += line
            if found := re.search(pattern, line):
                yield found[1]
                break
        else:
            raise AssertionError(seen)
    finally:
        process.terminate()
        pipe.read()  # until it ends; a pipe that nobody reads could stop it
        pipe.close()
        process.wait(30)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("policies")


@pytest.fixture(scope="module")
def url(directory: Path) -> Iterator[str]:
    with ExitStack() as stack:
        for name, options in ENGINES.items():
            engine = running(
                *("sim", "--listen", "127.0.0.1:0", "--name", name, "--speed", "50", "--output-tokens", "20", *options),
                stream="stdout",
                pattern=r"http://([^/]+)/v1",
            )
            address = stack.enter_context(engine)
            features = "Tools, LogProbs, Embeddings"
            text = BACKEND.format(name=name, address=address, features=features)
            (directory / f"{name}.yaml").write_text(text)
        (directory / "policies.yaml").write_text(POLICIES)
        router = running(
            *("up", "-f", str(directory), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "2"),
            stream="stderr",
            pattern=r"(http://127\.0\.0\.1:\d+)",
        )
        yield stack.enter_context(router) + "/v1"


@pytest.fixture
def client(url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client:
        yield client


def test_chat(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(model="auto", messages=MESSAGES)
    answer = raw.parse()
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert "gzip" in raw.http_request.headers["accept-encoding"]
    assert raw.headers["x-signalbox-target"] in {"one", "two"}
    assert raw.headers["x-signalbox-route"] == "all"
    assert raw.headers["x-request-id"]


@pytest.mark.parametrize("usage", [True, False])
def test_streaming(client: openai.OpenAI, usage: bool) -> None:
    options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": usage}
    with client.chat.completions.create(model="auto", messages=MESSAGES, stream=True, stream_options=options) as stream:
        chunks = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1]
    assert any(chunk.usage for chunk in chunks) is usage


def test_tools(client: openai.OpenAI) -> None:
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    answer = client.chat.completions.create(
        model="auto",
        messages=MESSAGES,
        tools=[{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}],
        tool_choice="required",
    )
    calls = answer.choices[0].message.tool_calls
    assert calls
    assert calls[0].type == "function"
    assert calls[0].function.name == "get_weather"


def test_completions(client: openai.OpenAI) -> None:
    assert client.completions.create(model="auto", prompt="Once upon", max_tokens=5).choices[0].text


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(client: openai.OpenAI, encoding: str) -> None:
    answer = client.embeddings.create(model="auto", input=["one", "two"], encoding_format=encoding)  # type: ignore[arg-type]
    assert len(answer.data) == 2
    assert answer.usage.prompt_tokens > 0


def test_models(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} >= {"auto", "gpt-4o", "busy", "broken", "locked"}
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"


def test_responses_lead_back_through_any_worker(url: str) -> None:
    previous = None
    for _ in range(10):  # each client has a connection of its own, to one of the workers
        with openai.OpenAI(base_url=url, api_key=KEY, max_retries=0, timeout=20) as client:
            answer = client.responses.create(model="auto", input="hello", previous_response_id=previous)
            assert answer.output_text
            assert answer.previous_response_id == previous
            previous = answer.id


def test_streamed_responses(client: openai.OpenAI) -> None:
    with client.responses.create(model="auto", input="hello", stream=True) as stream:
        events = list(stream)
    assert events[-1].type == "response.completed"
    following = client.responses.create(model="auto", input="more", previous_response_id=events[-1].response.id)
    assert following.output_text


def test_a_response_that_was_never_kept(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="auto", input="hello", previous_response_id="resp_unknown")
    assert caught.value.code == "previous_response_not_found"


def test_errors_have_their_classes(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as authentication:
        client.with_options(api_key="wrong").chat.completions.create(model="auto", messages=MESSAGES)
    assert authentication.value.code == "invalid_api_key"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.chat.completions.create(model="other", messages=MESSAGES)
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve("resp_1")
    with pytest.raises(openai.BadRequestError) as bad:
        client.chat.completions.create(model="auto", messages=MESSAGES, max_tokens=5000)
    assert "context window 2000" in bad.value.message
    with pytest.raises(openai.RateLimitError) as busy:
        client.chat.completions.create(model="busy", messages=MESSAGES)
    assert int(busy.value.response.headers["retry-after"]) >= 1
    with pytest.raises(openai.InternalServerError) as locked:
        client.chat.completions.create(model="locked", messages=MESSAGES)
    assert (locked.value.status_code, locked.value.code) == (502, "upstream_auth")


def test_a_stream_that_fails_before_it_begins_raises_at_once(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as broken:
        client.chat.completions.create(model="broken", messages=MESSAGES, stream=True)
    assert broken.value.status_code in {502, 503}


def test_an_edit_is_live_within_seconds_and_earlier_responses_are_still_found(
    client: openai.OpenAI, directory: Path
) -> None:
    first = client.responses.create(model="auto", input="hello")
    (directory / "policies.yaml").write_text(POLICIES.replace("gpt-4o]", "gpt-4o, late]"))
    deadline = time.monotonic() + 20
    while "late" not in {model.id for model in client.models.list()}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert client.responses.create(model="auto", input="more", previous_response_id=first.id).output_text
