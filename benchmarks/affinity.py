"""What affinity is worth: conversations at engines with a prefix cache, beside two random draws."""

import json
import random
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass

from benchmarks.harness import chat
from benchmarks.harness.bench import Settings
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Load
from benchmarks.harness.load import run as run_load
from benchmarks.harness.processes import free_ports
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.harness.router import engine, signalbox, write_resources

ENGINES = 4
# So large that the conversations of one quarter fit, and those of all do not.
KV_TOKENS = 57_344
ENGINE = ("--speed", "4", "--output-tokens", "60", "--batch", "16", "--context-window", "4096")
ENGINE += ("--kv-tokens", str(KV_TOKENS))
APPLICATIONS, CONVERSATIONS, TURNS = 12, 96, 5
SYSTEM_WORDS, FIRST_WORDS, TURN_WORDS = 400, 500, 80
RATE = 30.0
VARIANTS = {
    "two random draws": "{key: None}",
    "Prefix": "{key: Prefix}",
    "Session": "{key: Session}",
}
SLICE = """\
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: engines-{port}, labels: {{kubernetes.io/service-name: engines}}}}
addressType: IPv4
ports: [{{name: http, port: {port}}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
---
"""


@dataclass(frozen=True)
class Found:
    """Of one run: the part of all prompt tokens that was cached, the clients' view, requests by endpoint."""

    cached: float
    counts: Counts
    endpoints: Counter[str]


def run(settings: Settings) -> Report:
    """The variants in turn, each on fresh engines, so that a noisy minute hits all alike."""
    seconds = settings.choose(45, 16)
    rounds = round(settings.choose(3, 1))
    found: dict[str, list[Found]] = {name: [] for name in VARIANTS}
    for number in range(rounds):
        for name, affinity in VARIANTS.items():
            settings.tell(f"round {number + 1} of {rounds}: {name}")
            found[name].append(_one(settings, affinity, seconds, number))
    report = Report(
        "affinity",
        f"{ENGINES} simulated engines with a prefix cache of {KV_TOKENS:,} tokens each; {CONVERSATIONS} conversations "
        f"of {TURNS} turns over {APPLICATIONS} system prompts, in random order; unary, open loop at {RATE:.0f}/s for "
        f"{seconds:.0f} s, {rounds} rounds, caches empty at first.",
    )
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            Spread.of(100 * each.cached for each in runs),
            Spread.of(each.counts.latency_us.p50 / 1000 for each in runs),
            Spread.of(each.counts.latency_us.p99 / 1000 for each in runs),
            Spread.of(100 * max(each.endpoints.values()) / each.endpoints.total() for each in runs),
            float(sum(each.counts.failures for each in runs)),
        )
        for name, runs in found.items()
    ]
    columns = ("endpoint by", "cached tokens %", "p50 ms", "p99 ms", "busiest engine %", "failed")
    report.tables.append(Table("Cached tokens and latency", columns, rows))
    return report


def _one(settings: Settings, affinity: str, seconds: float, seed: int) -> Found:
    directory = settings.directory / f"run-{len(list(settings.directory.glob('run-*')))}"
    directory.mkdir(exist_ok=True)
    ports = free_ports(ENGINES)
    slices = "".join(SLICE.format(port=port) for port in ports)
    file = write_resources(directory / "resources", "affinity.yaml", slices=slices, affinity=affinity)
    with ExitStack() as stack:
        for port in ports:
            options = (*ENGINE, "--seed", str(seed))
            stack.enter_context(engine(f"engine-{port}", port, settings.cores.load, directory, *options))
        router = stack.enter_context(signalbox(file.parent, settings.cores.proxy, directory))
        load = Load(bodies=_bodies(seed), seconds=seconds, rate=RATE, connections=256, grace=20.0)
        counts = run_load(load, router.port, settings.cores.load, directory)
    lines = [line for line in router.access_log() if line.get("status") == 200]
    prompt = sum(line["inputTokens"] for line in lines)
    if not prompt:
        raise BenchError(f"nothing was served; see {router.log}")
    cached = sum(line.get("cachedTokens", 0) for line in lines) / prompt
    return Found(cached, counts, Counter(line["endpoint"] for line in lines))


def _bodies(seed: int) -> list[bytes]:
    """Every turn of every conversation, each with all that was said before."""
    rng = random.Random(seed)
    words = sorted(set(chat.TEXT.lower().replace(".", "").replace(",", "").split()))

    def text(count: int) -> str:
        return " ".join(rng.choices(words, k=count))

    systems = [text(SYSTEM_WORDS) for _ in range(APPLICATIONS)]
    bodies = []
    for number in range(CONVERSATIONS):
        messages = [
            {"role": "system", "content": systems[number % APPLICATIONS]},
            {"role": "user", "content": text(FIRST_WORDS)},
        ]
        for _ in range(TURNS):
            bodies.append(chat.body(messages=json.loads(json.dumps(messages)), max_tokens=80, user=f"user-{number}"))
            messages += [
                {"role": "assistant", "content": text(TURN_WORDS)},
                {"role": "user", "content": text(TURN_WORDS)},
            ]
    rng.shuffle(bodies)
    return bodies
