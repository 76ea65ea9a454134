"""``python -m benchmarks.harness.scraping_process PORT ENDPOINTS INTERVAL WARM SECONDS``: one scraper, and what it
cost, as a line of JSON."""

import asyncio
import resource
import sys
import time
from pathlib import Path

import msgspec

from signalbox.feedback.plan import Scrape
from signalbox.routing.address_rules import AddressRules, parse_networks
from signalbox.signals.scraper import Scraper


class Cost(msgspec.Struct):
    """Seconds; ``cpu`` of one core, and what part of the time the process ``waited`` for one that others had; lateness
    is from when a look was due until it began. Memory in MB (10⁶ bytes)."""

    looks: int
    wall: float
    cpu: float
    waited: float
    late_p50: float
    late_p99: float
    took_p50: float
    took_p99: float
    oldest: float
    rss: float
    rss_before: float
    problems: dict[str, int]


def addresses(count: int, port: int) -> list[str]:
    """As many addresses of the loopback network."""
    return [f"127.{number >> 14 & 127}.{number >> 7 & 127}.{(number & 127) + 1}:{port}" for number in range(count)]


async def measure(port: int, endpoints: int, interval: float, warm: float, seconds: float) -> Cost:
    """Let a scraper get warm, then count."""
    late: list[float] = []
    took: list[float] = []

    def observe(behind: float, duration: float) -> None:
        late.append(behind)
        took.append(duration)

    before = _rss()
    scraper = Scraper(AddressRules(parse_networks(["127.0.0.0/8"])), observe=observe)
    scraper.follow(
        Scrape(backend=f"b{n // 5}", key=at, url=f"http://{at}/metrics", engine="VLLM", model="m", interval=interval)
        for n, at in enumerate(addresses(endpoints, port))
    )
    run = asyncio.create_task(scraper.run())
    await asyncio.sleep(warm)
    late.clear()
    took.clear()
    begun, used, queued = time.monotonic(), time.process_time(), _queued()
    await asyncio.sleep(seconds)
    wall, cpu = time.monotonic() - begun, time.process_time() - used
    now = time.monotonic()
    readings = [each for n in range(endpoints // 5 + 1) for each in scraper.readings(f"b{n}").values()]
    kinds = [kind for n in range(endpoints // 5 + 1) for kind in scraper.problems(f"b{n}").values()]
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    return Cost(
        looks=len(late),
        wall=wall,
        cpu=cpu / wall,
        waited=(_queued() - queued) / wall,
        late_p50=_quantile(late, 0.5),
        late_p99=_quantile(late, 0.99),
        took_p50=_quantile(took, 0.5),
        took_p99=_quantile(took, 0.99),
        oldest=max((now - each.at for each in readings), default=0.0),
        rss=_rss(),
        rss_before=before,
        problems={kind: kinds.count(kind) for kind in set(kinds)} | {"unread": endpoints - len(readings)},
    )


def _quantile(values: list[float], part: float) -> float:
    return sorted(values)[int(part * (len(values) - 1))] if values else 0.0


def _queued() -> float:
    """Seconds that this process could have run and did not."""
    return int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9


def _rss() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    _port, _endpoints = int(sys.argv[1]), int(sys.argv[2])
    print(msgspec.json.encode(asyncio.run(measure(_port, _endpoints, *map(float, sys.argv[3:])))).decode())
