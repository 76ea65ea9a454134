"""vLLM as a process: started, asked whether it is ready, drained and ended."""

import contextlib
import os
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cluster.build import Say
from cluster.processes import Component, free_ports
from engines.install import Installed

MODEL = "smollm2"
START_SECONDS = 900.0
DRAIN_SECONDS = 30
BATCHED_TOKENS = 512
"""In one step: a longer prompt is read in pieces, between steps of those that run."""
OFFLINE = {
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
}


@dataclass(frozen=True)
class Engine:
    """One vLLM that serves ``MODEL`` to so many sequences at once, with a KV cache of so many GiB."""

    name: str
    port: int
    sequences: int
    component: Component

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.port}"

    def metrics(self) -> str:
        """What it exports now."""
        with urllib.request.urlopen(f"http://{self.address}/metrics", timeout=30) as response:
            return str(response.read().decode())

    def generated(self) -> float:
        """Output tokens since its start."""
        name = "vllm:generation_tokens_total{"
        return sum(float(line.rpartition(" ")[2]) for line in self.metrics().splitlines() if line.startswith(name))

    def drain(self) -> None:
        """Ask it to end when what runs has ended."""
        assert self.component.process is not None
        self.component.process.send_signal(signal.SIGTERM)

    def ready(self) -> bool:
        """Whether it serves."""
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"http://{self.address}/health", timeout=5) as response,
        ):
            return bool(response.status == 200)
        return False


@contextlib.contextmanager
def engine(installed: Installed, name: str, sequences: int, gibibytes: int, logs: Path) -> Iterator[Engine]:
    """Start one; it may not be ready yet."""
    (port,) = free_ports(1)
    command: list[str | Path] = [installed.python, installed.command, "serve", installed.model]
    options = {
        "--host": "127.0.0.1",
        "--port": str(port),
        "--served-model-name": MODEL,
        "--max-model-len": "2048",
        "--max-num-seqs": str(sequences),
        "--max-num-batched-tokens": str(BATCHED_TOKENS),
        "--dtype": "bfloat16",
        "--shutdown-timeout": str(DRAIN_SECONDS),
    }
    for option, value in options.items():
        command += [option, value]
    path = f"{installed.python.parent}:/usr/local/bin:/usr/bin:/bin"
    environment = {**OFFLINE, "VLLM_CPU_KVCACHE_SPACE": str(gibibytes), "PATH": path}
    component = Component(name, [*command, "--enforce-eager"], logs / f"{name}.log", environment)
    component.start()
    try:
        yield Engine(name, port, sequences, component)
    finally:
        component.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(component.pid, signal.SIGKILL)  # its engine is a process of its own


def wait(engines: list[Engine], say: Say) -> None:
    """Until all serve; it takes a minute or more."""
    begin = shown = time.monotonic()
    while not all(each.ready() for each in engines):
        for each in engines:
            if each.component.status is not None:
                raise RuntimeError(f"{each.name} ended with {each.component.status}:\n{each.component.tail(40)}")
        now = time.monotonic()
        if now - begin > START_SECONDS:
            raise RuntimeError(f"not ready after {START_SECONDS:.0f} s:\n{engines[0].component.tail(40)}")
        if now - shown > 10:
            shown = now
            say(f"  vLLM starts: {now - begin:.0f} s")
        time.sleep(1)
    say(f"  vLLM serves after {time.monotonic() - begin:.0f} s")
