"""signalbox evaluate --record against simulated engines that play scripts."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from signalbox.cli.main import main
from signalbox.recording import recorder
from signalbox.sim.profile import Profile
from signalbox.sim.script import read
from signalbox.sim.server import SimulatedEngine

StartEngine = Callable[..., Awaitable[SimulatedEngine]]
LINES = [{"prompt": "6 times 7?", "answer": 42}, {"prompt": "Who?", "answer": "Ada"}, {"prompt": "Why?"}]
SCRIPT = [
    {"when": {"user": "6 times 7"}, "answer": "That is 42.", "confidence": 0.9},
    {"when": {"user": "Who"}, "answer": "Bob", "confidence": 0.4},
]


@pytest.fixture
async def start() -> AsyncIterator[StartEngine]:
    """``await start(name, *rules)`` starts an engine."""
    engines = []

    async def start(name: str, *rules: Any, **options: Any) -> SimulatedEngine:
        engine = SimulatedEngine(name, Profile(speed=100.0), seed=1, script=read(rules), **options)
        engines.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in engines:
        await engine.stop()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries are short."""
    monkeypatch.setattr(recorder, "LONGEST_PAUSE", 0.01)


async def run(path: Path, *arguments: str, lines: list[dict[str, Any]] = LINES) -> Result:
    """The command, in a thread beside the engines."""
    (path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    given = ["evaluate", "--data", str(path / "q.jsonl"), "--out", str(path / "out.jsonl"), *arguments]
    return await asyncio.to_thread(CliRunner().invoke, main, given)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "out.jsonl").read_text().splitlines()]


async def test_an_endpoint_is_asked_and_its_answers_evaluated(tmp_path: Path, start: StartEngine) -> None:
    engine = await start("small", *SCRIPT)
    url = f"http://{engine.address}/v1"
    result = await run(tmp_path, "--record", url, "--target", "small", "--model", engine.profile.model)
    assert result.exit_code == 0, result.output
    assert "out.jsonl: 3 answers recorded" in result.stdout
    first, second, third = written(tmp_path)
    assert [line["answers"]["small"].get("correct") for line in (first, second, third)] == [True, False, None]
    said = first["answers"]["small"]
    assert (said["text"], said["finishReason"]) == ("That is 42.", "stop")
    assert said["inputTokens"] > 0
    assert said["outputTokens"] > 0
    assert said["latencyMs"] > 0
    assert said["logprobs"] == pytest.approx([-0.10536] * len(said["logprobs"]), abs=1e-4)

    asked = len(engine.calls)
    again = await run(tmp_path, "--record", url, "--target", "small", "--model", engine.profile.model)
    assert (again.exit_code, len(engine.calls)) == (0, asked)
    assert "0 answers recorded" in again.stdout


async def test_the_backends_of_a_directory_are_asked_as_a_router_would(
    tmp_path: Path, start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-a-key-of-these-engines"
    monkeypatch.setenv("SIGNALBOX_SECRET_KEYS_ONE", key)
    small, claude = await start("small", *SCRIPT, keys=(key,)), await start("claude", *SCRIPT, keys=(key,))
    policies = tmp_path / "policies"
    policies.mkdir()
    auth = "auth: {apiKey: {secretRef: {name: keys, key: one}%s}}"
    backends = [
        ("small", small, "OpenAI", auth % "", "profile: {features: [LogProbs]}"),
        ("claude", claude, "Anthropic", auth % ', header: x-api-key, prefix: ""', "profile: {contextWindow: 8192}"),
    ]
    documents = [
        f"apiVersion: signalbox.dev/v1alpha1\nkind: ModelBackend\nmetadata: {{name: {name}}}\nspec:\n"
        f"  model: {engine.profile.model}\n  format: {form}\n  url: http://{engine.address}/v1\n  {its}\n  {more}\n"
        for name, engine, form, its, more in backends
    ]
    documents.append(
        "apiVersion: signalbox.dev/v1alpha1\nkind: RoutingPolicy\nmetadata: {name: p}\nspec:\n  models: [auto]\n"
        "  targets: [{name: small, backendRef: {name: small}}, {name: claude, backendRef: {name: claude}}]\n"
        "  routes: [{name: all, weighted: {targets: [{name: small}, {name: claude}]}}]\n  access: {anonymous: {}}\n"
    )
    (policies / "policy.yaml").write_text("---\n".join(documents))
    result = await run(tmp_path, "-f", str(policies), "--record", "--samples", "2")
    assert result.exit_code == 0, result.output
    first = written(tmp_path)[0]["answers"]
    assert first["small"]["logprobs"]
    assert "logprobs" not in first["claude"]
    assert first["claude"]["text"] == "That is 42."
    assert len(first["small"]["samples"]) == len(first["claude"]["samples"]) == 1
    assert all(call.body["temperature"] >= 0.7 for call in small.calls)
    assert key not in (tmp_path / "out.jsonl").read_text() + result.output

    evaluated = await asyncio.to_thread(
        CliRunner().invoke, main, ["evaluate", "-f", str(policies), "--data", str(tmp_path / "out.jsonl")]
    )
    assert evaluated.exit_code == 0, evaluated.output
    assert "3 of 3 queries evaluable" in evaluated.stdout


async def test_who_is_refused_for_a_moment_asks_again(tmp_path: Path, start: StartEngine) -> None:
    engine = await start("e", {"status": 503, "times": 2}, {"status": 429, "retryAfter": 1, "times": 1}, *SCRIPT)
    place = ["--record", f"http://{engine.address}/v1", "--target", "e", "--concurrency", "1", "--no-logprobs"]
    result = await run(tmp_path, *place, "--model", engine.profile.model, lines=LINES[:1])
    assert result.exit_code == 0, result.output
    assert len(engine.calls) == 4


async def test_what_is_missing_is_told_and_asked_for_the_next_time(tmp_path: Path, start: StartEngine) -> None:
    engine = await start("e", {"when": {"user": "Who"}, "status": 400, "times": 2}, *SCRIPT)
    place = ["--record", f"http://{engine.address}/v1", "--target", "e", "--model", engine.profile.model]
    result = await run(tmp_path, *place)
    assert result.exit_code == 1
    assert "target e: 1 queries without an answer: answered 400: " in result.stderr
    assert [line["prompt"] for line in written(tmp_path)] == ["6 times 7?", "Why?"]
    again = await run(tmp_path, *place)
    assert again.exit_code == 0, again.output
    assert [line["prompt"] for line in written(tmp_path)] == ["6 times 7?", "Who?", "Why?"]


async def test_more_samples_are_asked_beside_what_is_there(tmp_path: Path, start: StartEngine) -> None:
    engine = await start("small", *SCRIPT)
    arguments = ("--record", f"http://{engine.address}/v1", "--target", "small", "--model", engine.profile.model)
    await run(tmp_path, *arguments, "--samples", "2")
    lines = written(tmp_path)
    lines[2]["answers"]["small"] |= {"correct": True, "judged": {"big": 80}}  # as a person and a judge found it
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    asked = len(engine.calls)
    result = await run(tmp_path, *arguments, "--samples", "4")
    assert result.exit_code == 0, result.output
    assert "6 answers recorded" in result.stdout
    assert len(engine.calls) - asked == 6
    for before, after in zip(lines, written(tmp_path), strict=True):
        mine, theirs = before["answers"]["small"], after["answers"]["small"]
        samples = theirs.pop("samples")
        assert len(samples) == 3
        assert {**theirs, "samples": samples[:1]} == mine


async def test_samples_that_came_before_one_that_did_not_are_kept(tmp_path: Path, start: StartEngine) -> None:
    engine = await start("e", {"answer": "42", "times": 2}, {"status": 400, "times": 1}, *SCRIPT)
    place = ["--record", f"http://{engine.address}/v1", "--target", "e", "--model", engine.profile.model]
    arguments = [*place, "--samples", "3", "--no-logprobs"]
    result = await run(tmp_path, *arguments, lines=LINES[:1])
    assert result.exit_code == 1
    assert "2 answers recorded" in result.stdout
    assert len(written(tmp_path)[0]["answers"]["e"]["samples"]) == 1
    again = await run(tmp_path, *arguments, lines=LINES[:1])
    assert again.exit_code == 0, again.output
    assert "1 answers recorded" in again.stdout
    assert len(engine.calls) == 4


async def test_who_refuses_log_probabilities_is_asked_without(tmp_path: Path, start: StartEngine) -> None:
    engine = await start("e", {"status": 400, "times": 1}, *SCRIPT)
    place = ["--record", f"http://{engine.address}/v1", "--target", "e", "--concurrency", "1"]
    result = await run(tmp_path, *place, "--model", engine.profile.model)
    assert result.exit_code == 0, result.output
    assert len(engine.calls) == 4  # refused once, then never asked for again
    assert not any("logprobs" in line["answers"]["e"] for line in written(tmp_path))


async def test_the_key_comes_from_the_environment(
    tmp_path: Path, start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await start("e", *SCRIPT, keys=("sk-right",))
    place = ["--record", f"http://{engine.address}/v1", "--target", "e", "--model", engine.profile.model]
    assert "answered 401" in (await run(tmp_path, *place)).stderr
    monkeypatch.setenv("MY_KEY", "sk-right")
    assert (await run(tmp_path, *place, "--key-env", "MY_KEY")).exit_code == 0
    assert "sk-right" not in (tmp_path / "out.jsonl").read_text()
    monkeypatch.delenv("MY_KEY")
    missing = await run(tmp_path, *place, "--key-env", "MY_KEY")
    assert (missing.exit_code, "there is no such environment variable" in missing.stderr) == (2, True)


@pytest.mark.parametrize("key", ["sk-the-first-of-two\nsk-the-second-one", "sk-with-an-ümlaut-in-it"])
async def test_a_key_that_cannot_be_sent_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    result = await run(tmp_path, "--record", "http://127.0.0.1:1/v1", "--target", "e", "--key-env", "MY_KEY")
    assert (result.exit_code, "--key-env MY_KEY: the key has more than one line" in result.stderr) == (2, True)
    assert "sk-" not in result.output


async def test_a_key_that_an_endpoint_repeats_is_not_written(
    tmp_path: Path, start: StartEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-a-key-that-is-repeated"
    engine = await start("e", {"answer": f"You sent {key}."})
    monkeypatch.setenv("MY_KEY", key)
    place = ["--record", f"http://{engine.address}/v1", "--target", "e", "--model", engine.profile.model]
    result = await run(tmp_path, *place, "--key-env", "MY_KEY")
    assert result.exit_code == 0, result.output
    assert [line["answers"]["e"]["text"] for line in written(tmp_path)] == ["You sent ***."] * 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--record", "http://127.0.0.1:1/v1"], "name the target whose answers these are"),
        (["--record", "ftp://x", "--target", "a"], "write a URL such as"),
        (["--record"], "name their directory with -f"),
        ([], "-f is missing"),
    ],
)
async def test_usage(tmp_path: Path, arguments: list[str], message: str) -> None:
    result = await run(tmp_path, *arguments)
    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


async def test_only_chats_are_recorded(tmp_path: Path) -> None:
    lines = [{"request": {"input": "a text", "dimensions": 8}}]
    result = await run(tmp_path, "--record", "http://127.0.0.1:1/v1", "--target", "a", lines=lines)
    assert (result.exit_code, "line 1: is no chat" in result.stderr) == (2, True)


async def test_who_is_not_there_is_told(tmp_path: Path) -> None:
    result = await run(tmp_path, "--record", "http://127.0.0.1:1/v1", "--target", "a", lines=LINES[:1])
    assert (result.exit_code, "ConnectError" in result.stderr) == (1, True)


async def _answered(path: Path, answer: bytes, *arguments: str) -> Result:
    """By a server that says this of everything."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
        writer.write(answer)
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        return await run(path, "--record", url, "--target", "a", *arguments, lines=LINES[:1])


@pytest.mark.parametrize(
    ("location", "message"),
    [
        (b"location: https://elsewhere/v1\r\n", "answered 307, and sends to https://elsewhere/v1: give the URL that"),
        (b"", "answered 307, and does not say where to go: give the URL that answers itself"),
        (b"location: /" + b"x" * 5000 + b"\r\n", "x…: give the URL that answers itself"),
        (b"location: /?key=sk-secret-of-mine-1234\r\n", "answered 307, and sends to /?key=***: give the URL"),
    ],
)
async def test_who_sends_elsewhere_is_named_with_the_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: bytes, message: str
) -> None:
    monkeypatch.setenv("KEY", "sk-secret-of-mine-1234")
    answer = b"HTTP/1.1 307 Temporary Redirect\r\n" + location + b"content-length: 0\r\nconnection: close\r\n\r\n"
    result = await _answered(tmp_path, answer, "--key-env", "KEY")
    assert (result.exit_code, message in result.stderr) == (1, True), result.stderr
    assert len(result.stderr) < 500


@pytest.mark.parametrize(
    ("size", "message"), [(999, "no chat completion: xxx"), (1001, "answered more than 1000 bytes")]
)
async def test_no_answer_of_any_size_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, message: str
) -> None:
    monkeypatch.setattr(recorder, "MOST_BYTES", 1000)
    result = await _answered(tmp_path, b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * size)
    assert (result.exit_code, message in result.stderr) == (1, True), result.stderr
