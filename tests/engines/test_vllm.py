"""Two unlike vLLMs behind `signalbox up`: what the loop makes of them, and what clients see when one goes."""

import asyncio
import contextlib
import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from cluster.build import Say
from engines import install, serving
from engines.clients import Seen, ask
from engines.routing import Router, up
from engines.serving import Engine

pytestmark = pytest.mark.engines

BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec:
  model: smollm2
  url: http://{address}/v1
  signals: {{engine: VLLM}}
  timeouts: {{firstToken: 300s, idle: 300s}} # two engines on two processors are slow
"""
POLICY = """
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: chat}
spec:
  models: [auto]
  access: {anonymous: {}}
  targets:
    - {name: wide, backendRef: {name: wide}}
    - {name: narrow, backendRef: {name: narrow}}
  feedback: {interval: 2s, staleAfter: 6s}
  routes:
    - name: all
      weighted: {targets: [{name: wide}, {name: narrow}]}
"""
CLIENTS = 8
TOKENS = 60
END_SECONDS = 240


@pytest.fixture(scope="module")
def engines(say: Say, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Engine]]:
    """One serves four sequences at once, the other two."""
    installed = install.vllm(say)
    logs = tmp_path_factory.mktemp("engines")
    with ExitStack() as stack:
        found = {
            "wide": stack.enter_context(serving.engine(installed, "wide", 4, 2, logs)),
            "narrow": stack.enter_context(serving.engine(installed, "narrow", 2, 1, logs)),
        }
        serving.wait(list(found.values()), say)
        yield found


@pytest.fixture(scope="module")
def router(engines: dict[str, Engine], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Router]:
    backends = (BACKEND.format(name=name, address=each.address) for name, each in engines.items())
    with up(tmp_path_factory.mktemp("policies"), "---".join([*backends, POLICY])) as found:
        yield found


def load(router: Router, before: float, do: Callable[[], None] = lambda: None, after: float = 0.0) -> Seen:
    """Clients for so many seconds before and after something happens, and for as long as it takes."""
    seen, over = Seen(), asyncio.Event()

    async def meanwhile() -> None:
        await asyncio.sleep(before)
        await asyncio.to_thread(do)
        await asyncio.sleep(after)
        over.set()

    async def both() -> None:
        await asyncio.gather(ask(router.chat, CLIENTS, TOKENS, seen, over.is_set), meanwhile())

    asyncio.run(both())
    return seen


def show(seen: Seen) -> str:
    """For whoever reads the run."""
    return f"  ended {dict(seen.ended)}, by target {dict(seen.targets)}, problems {dict(seen.problems)}"


def test_weights_follow_what_each_one_does(engines: dict[str, Engine], router: Router, say: Say) -> None:
    load(router, 40)
    begin, before = time.monotonic(), {name: each.generated() for name, each in engines.items()}
    seen = load(router, 40)
    seconds = time.monotonic() - begin
    rates = {name: (each.generated() - before[name]) / seconds for name, each in engines.items()}
    weights = router.weights()
    total = sum(rates.values())
    say(f"  tokens/s {rates}; their shares { {n: round(r / total, 3) for n, r in rates.items()} }; weights {weights}")
    say(show(seen))
    assert seen.failed == 0, seen.problems
    assert not seen.ended["cut"], seen.problems
    assert weights["wide"] > weights["narrow"]


def test_one_that_drains_fails_nobody(engines: dict[str, Engine], router: Router, say: Say) -> None:
    narrow = engines["narrow"]
    seen = load(router, 10, lambda: end(narrow, narrow.drain), 10)
    say(show(seen))
    assert seen.failed == 0, seen.problems
    assert not seen.ended["cut"], seen.problems


def test_one_that_crashes_cuts_only_what_it_had_begun(engines: dict[str, Engine], router: Router, say: Say) -> None:
    narrow = engines["narrow"]
    if narrow.component.status is not None:  # it was drained before
        narrow.component.start()
    serving.wait([narrow], say)
    load(router, 15)
    seen = load(router, 10, lambda: end(narrow, lambda: crash(narrow)), 10)
    say(show(seen))
    assert seen.failed == 0, seen.problems
    assert 1 <= seen.ended["cut"] <= narrow.sequences, seen.problems


def end(engine: Engine, do: Callable[[], None]) -> None:
    """Do what ends an engine, and wait until it has ended."""
    do()
    for _ in range(END_SECONDS):
        if engine.component.status is not None:
            return
        time.sleep(1)
    raise AssertionError(f"{engine.name} still runs:\n{engine.component.tail(40)}")


def crash(engine: Engine) -> None:
    """A prompt that is read in pieces, with a seed, ends this release's engine on processors in the middle of what it
    does."""
    body = {
        "model": serving.MODEL,
        "messages": [{"role": "user", "content": "signal " * 1800}],
        "seed": 1,
        "max_tokens": 50,
    }
    request = urllib.request.Request(
        f"http://{engine.address}/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=END_SECONDS):
        pass
