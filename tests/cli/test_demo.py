"""``signalbox demo``: the whole path, as a newcomer runs it, without a terminal."""

import asyncio
import re
import signal
import socket
import sys

import pytest
import yaml
from click.testing import CliRunner

from signalbox.cli import demo as demo_module
from signalbox.cli import examples
from signalbox.cli.demo import ENGINES, demo
from signalbox.cli.demo_story import STORY
from signalbox.sim.server import SimulatedEngine

COMMAND = (sys.executable, "-c", "from signalbox.cli.main import main; main()", "demo")


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )


@pytest.mark.parametrize("fault", [(), ("--fault", "balanced=status=500"), ("--fault", "fast=errorEvent=503")])
async def test_requests_are_answered_and_a_broken_engine_goes_unnoticed(fault: tuple[str, ...]) -> None:
    process = await start("--listen", "127.0.0.1:0", "--duration", "2", "--rate", "15", *fault)
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    assert ", 0 failed" in output
    assert re.search(r"^http://127\.0\.0\.1:\d+ +the live page", output, re.MULTILINE), output
    found = re.search(r"requests (\d+) sent, (\d+) answered, 0 in flight, 0 failed(?:, (\d+) streams cut)?", output)
    assert found, output
    sent, answered, cut = (int(number or 0) for number in found.groups())
    assert sent == answered + cut
    assert not (cut and fault)  # of the story's dead engine only
    assert ("breaks" in output) == bool(fault)
    assert ("is dead" in output) == (not fault)


@pytest.mark.long
async def test_the_story_is_seen_in_the_weights() -> None:
    process = await start("--listen", "127.0.0.1:0")
    output = (await process.communicate())[0].decode()
    found = re.findall(r"^ *(\d+) s .*; weights: (.*)$", output, re.MULTILINE)
    weights = {int(at): {name: int(part) for name, part in re.findall(r"(\w+) (\d+) %", text)} for at, text in found}
    slow, healed, dead, _ = (act.at for act in STORY)
    before = weights[max(at for at in weights if at <= slow + 1)]
    assert min(each["fast"] for at, each in weights.items() if slow < at <= healed + 4) < 0.9 * before["fast"], output
    assert any(each["balanced"] == 0 for at, each in weights.items() if at > dead), output
    assert weights[max(weights)]["balanced"] > 0, output


async def test_it_ends_when_told_to_and_takes_the_router_along() -> None:
    process = await start("--listen", "127.0.0.1:0", "--duration", "60")
    assert process.stdout is not None
    first = (await process.stdout.readline()).decode()
    found = re.search(r"router on http://127\.0\.0\.1:(\d+)", first)
    assert found, first + (await process.communicate())[0].decode()
    process.send_signal(signal.SIGTERM)
    await process.communicate()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(found[1]))


async def test_a_taken_port_is_said_and_fails() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = await start("--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--duration", "1")
        output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert "the router did not start" in output
    assert "in use" in output


def test_wrong_faults_are_explained() -> None:
    for value, words in (("weak=dead", "take one of fast, balanced, strong"), ("fast=sleepy", "write kind")):
        result = CliRunner().invoke(demo, ["--fault", value])
        assert result.exit_code == 2
        assert words in result.output


def test_the_engines_are_those_of_the_example() -> None:
    backends = yaml.safe_load_all((examples.find("demo") / "backends.yaml").read_text())
    declared = {b["metadata"]["name"]: (b["spec"]["model"], b["spec"]["profile"]["contextWindow"]) for b in backends}
    assert declared == {name: (profile.model, profile.context_window) for name, profile in ENGINES.items()}


async def test_a_port_that_somebody_takes_meanwhile_is_left_to_them(monkeypatch: pytest.MonkeyPatch) -> None:
    free_port, asked = demo_module._free_port, list[int]()

    def late(wish: int, *avoid: int) -> int:
        asked.append(wish)
        return taken.getsockname()[1] if wish == demo_module.PAGE_PORT else free_port(0, *avoid)

    monkeypatch.setattr(demo_module, "_free_port", late)
    engines = {name: SimulatedEngine(name, profile) for name, profile in ENGINES.items()}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        for engine in engines.values():
            await engine.start()
        async with demo_module._router(examples.find("demo"), "127.0.0.1", free_port(0), engines) as (url, _, page):
            assert not page.endswith(f":{taken.getsockname()[1]}")
            assert url.startswith("http://127.0.0.1:")
        for engine in engines.values():
            await engine.stop()
    assert asked == [demo_module.ADMIN_PORT, demo_module.PAGE_PORT, 0, 0]
