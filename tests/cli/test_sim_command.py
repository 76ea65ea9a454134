"""``signalbox sim`` as a process, as users start it."""

import asyncio
import re
import signal
import sys
from pathlib import Path

import aiohttp
from click.testing import CliRunner

from signalbox.cli.sim import sim

COMMAND = (sys.executable, "-c", "from signalbox.cli.main import main; main()", "sim")


async def test_it_serves_until_it_is_told_to_stop() -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--name", "left", "--speed", "20",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        lines = [(await process.stdout.readline()).decode() for _ in range(2)]
        assert lines[0].startswith("left: sim on http://127.0.0.1:")
        assert lines[1].startswith("sim-2: ")
        found = re.search(r"http://\S+", lines[1])
        assert found is not None
        body = {"messages": [{"role": "user", "content": "Hello"}], "stream": True, "max_tokens": 30}
        async with aiohttp.ClientSession() as session:

            async def ask() -> str:
                async with session.post(f"{found[0]}/chat/completions", json=body) as response:
                    return await response.text()

            answers = await asyncio.gather(*(ask() for _ in range(40)))
        assert all(answer.endswith("data: [DONE]\n\n") for answer in answers)
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = await process.communicate()
    assert process.returncode == 0
    assert complaints == b""


async def test_it_plays_a_script(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- {when: {engine: left}, answer: this}\n- {answer: that}\n")
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0", "--name", "left", "--script", str(script),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        said = []
        async with aiohttp.ClientSession() as session:
            for _ in range(2):
                found = re.search(r"http://\S+", (await process.stdout.readline()).decode())
                assert found is not None
                body = {"messages": [{"role": "user", "content": "Hello"}]}
                async with session.post(f"{found[0]}/chat/completions", json=body) as response:
                    said.append((await response.json())["choices"][0]["message"]["content"])
        assert said == ["this", "that"]
    finally:
        process.send_signal(signal.SIGTERM)
        await process.communicate()


def test_wrong_options_are_explained(tmp_path: Path) -> None:
    script = tmp_path / "script.yaml"
    script.write_text("- {anwser: x}")
    for arguments, words in (
        (["--script", str(script)], "rule 1 of the script"),
        (["--fault", "explode"], "write kind or kind=value"),
        (["--batch", "0"], "batch must be above 0"),
        (["--listen", "nowhere"], "is not HOST:PORT"),
    ):
        result = CliRunner().invoke(sim, arguments)
        assert result.exit_code == 2
        assert words in result.output
