"""The systems of the comparison: how each is started, and the run of one of them under a load."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.error import HTTPError

from benchmarks.harness import chat, environments, model_peers, peers
from benchmarks.harness.candidates import DIRECT, ENVOY, NGINX, SIGNALBOX, Candidate
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Upstream
from benchmarks.harness.processes import Cores, cpu_seconds, memory
from benchmarks.harness.router import ask, mount, mounted_router, write_resources
from benchmarks.versus.records import System

LITELLM, VLLM_ROUTER = "litellm", "vllm-router"
SYSTEMS = (DIRECT, ENVOY, NGINX, LITELLM, VLLM_ROUTER, SIGNALBOX)
HOT_MODULE = "signalbox.router.serving.exchange"
READY_SECONDS = 60.0
SETTLE_SECONDS = 20.0
SETTLE_STEP = 0.1
IDLE_SHARE = 0.06

SETUPS = {
    DIRECT: "no proxy: the load generator at the upstream",
    ENVOY: "one worker, circuit breakers raised, no access log; passes bytes, parses no body",
    NGINX: "one worker, keep-alive on both sides, no access log; passes bytes, parses no body",
    LITELLM: "its proxy with one worker and one key, as its guide to production says; parses the body",
    VLLM_ROUTER: "policy round_robin over one engine, log of errors only; parses the body",
    SIGNALBOX: "one worker; checks a key, parses the body, evaluates 8 conditions (2 regular expressions), draws a "
    "target, writes the model's name, logs each request",
}

Say = Callable[[str], None]


def compiled() -> bool:
    """Whether the modules of the hot path that are installed are compiled ones."""
    spec = find_spec(HOT_MODULE)
    return bool(spec and spec.origin and spec.origin.endswith((".so", ".pyd")))


def version(name: str, say: Say) -> str:
    """The version that would be started; installs it where it has an environment of its own. Raises ``BenchError``."""
    if name == ENVOY:
        return peers.envoy_program()[1]
    if name == NGINX:
        return peers.nginx_program()[1]
    if name in (LITELLM, VLLM_ROUTER):
        package = environments.LITELLM if name == LITELLM else environments.VLLM_ROUTER
        environments.installed(package, say)
        return package.version
    if name == SIGNALBOX:
        return "hot path compiled" if compiled() else "hot path interpreted"
    return ""


def roster(names: tuple[str, ...], say: Say) -> list[System]:
    """Who takes part. One that cannot be had stays on the list, with the reason."""
    found = []
    for name in names:
        try:
            found.append(System(name, version(name, say), SETUPS[name]))
        except BenchError as error:
            found.append(System(name, "", SETUPS[name], reason=one_line(error)))
    return found


def one_line(error: Exception) -> str:
    """A reason that fits into a row."""
    return " ".join(str(error).split())[:300]


@dataclass(frozen=True)
class Running:
    """A system that answers: where, and how many seconds after its start it did."""

    candidate: Candidate
    seconds: float


@contextmanager
def started(name: str, upstream: Upstream, cores: Cores, directory: Path, say: Say) -> Iterator[Running]:
    """Start one, until the block ends. Raises ``BenchError``."""
    small, strong = upstream.ports
    scratch = directory / name
    scratch.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if name == SIGNALBOX:
            resources = write_resources(scratch / "resources", "rules.yaml", small=small, strong=strong).parent
            mounted = mount(resources, scratch)
        begun = time.monotonic()
        if name == DIRECT:
            yield Running(Candidate(name, small, None), 0.0)
            return
        if name == ENVOY:
            port, pid = stack.enter_context(peers.envoy(small, cores.proxy, scratch))
        elif name == NGINX:
            port, pid = stack.enter_context(peers.nginx(small, cores.proxy, scratch))
        elif name == LITELLM:
            port, pid = stack.enter_context(model_peers.litellm(small, cores.proxy, scratch, say))
        elif name == VLLM_ROUTER:
            port, pid = stack.enter_context(model_peers.vllm_router(small, cores.proxy, scratch, say))
        else:
            port, pid = stack.enter_context(mounted_router(mounted, cores.proxy, scratch))
        _await_answer(name, port)
        yield Running(Candidate(name, port, pid), time.monotonic() - begun)


def _await_answer(name: str, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if ask(port, chat.body()):
                return
            problem = "an empty body"
        except HTTPError as error:
            problem = f"{error.code}: {error.read(300).decode(errors='replace')}"
        except OSError as error:
            problem = str(error)
        if time.monotonic() > deadline:
            raise BenchError(f"{name} did not answer within {READY_SECONDS:.0f} s: {problem}")
        time.sleep(0.005)


def megabytes(candidate: Candidate) -> dict[str, float]:
    """Memory of all of a system's processes: shared pages counted once (PSS), and the largest process alone (RSS)."""
    sizes = [memory(pid) for pid in candidate.processes()]
    return {"pss_mb": sum(size.pss for size in sizes), "largest_rss_mb": max(size.rss for size in sizes)}


def settle(candidate: Candidate) -> None:
    """Wait until a system is done with what the last load left to it: the core is the next one's."""
    deadline = time.monotonic() + SETTLE_SECONDS
    pids = candidate.processes()
    while pids and time.monotonic() < deadline:
        before = sum(map(cpu_seconds, pids))
        time.sleep(SETTLE_STEP)
        if sum(map(cpu_seconds, pids)) - before <= IDLE_SHARE * SETTLE_STEP:
            return
