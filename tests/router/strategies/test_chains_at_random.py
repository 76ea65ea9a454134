"""Many requests at once over engines that fail at random, and clients that leave: nothing stays behind."""

import asyncio
import random

from stage import Stage

from waiting import until

POLICY = """
routes:
- name: cascade
  when: query.text.startsWith("cascade")
  cascade:
    steps:
    - {target: a, accept: {agreement: {samples: 3}, minPercent: 60}}
    - {target: b, accept: {judge: {target: c}, minPercent: 50}}
    - {target: c}
  limits: {timeout: 2s, maxCalls: 12}
- name: best
  when: query.text.startsWith("best")
  bestOf: {targets: [{name: a, samples: 2}, {name: b}], judge: {target: c}}
  limits: {timeout: 2s}
- name: rest
  consensus: {targets: [{name: a}, {name: b}], escalateTo: c, equality: Judged, judge: {target: c}}
  limits: {timeout: 2s}
"""
FAULTS = ({"status": 500}, {"status": 400}, {"status": 429}, {"errorEvent": 503}, {"cutAfter": 1, "answer": "cut"})


async def test_nothing_stays_behind(stage: Stage) -> None:
    rng = random.Random(5)
    for name in "abc":
        rules = [{"times": 1, **rng.choice(FAULTS)} if rng.random() < 0.3 else {"times": 1, "answer": rng.choice(
            ("Yes.", "No.", "70", '{"best": 1}', '{"groups": [[1, 2]]}')), "delay": rng.choice((0, 0.01, 0.05))}
            for _ in range(400)]  # fmt: skip
        await stage.engine(name, *rules, {"answer": "Yes."})
    await stage.open(POLICY)

    async def one(number: int) -> int:
        text = f"{rng.choice(('cascade', 'best', 'rest'))} {number}"
        asking = asyncio.ensure_future(stage.ask(text, stream=rng.random() < 0.5))
        if rng.random() < 0.2:
            await asyncio.sleep(rng.random() * 0.05)
            asking.cancel()
        try:
            seen = await asking
        except asyncio.CancelledError:
            return 499
        assert seen.text or seen.code, seen
        return seen.status

    statuses = [status for _ in range(6) for status in await asyncio.gather(*(one(number) for number in range(30)))]
    assert statuses.count(200) > 60
    assert not {500} & set(statuses)
    proxy = stage.router.proxy
    await until(lambda: all(connection.idle for connection in proxy._connections))
    await until(lambda: not any(log.outcomes["open"] for log in stage.calls.values()))
    entries = stage.router.entries()
    assert len(statuses) >= len(entries) >= len([status for status in statuses if status != 499])
    assert all(entry["status"] and entry.get("calls", 0) <= 12 for entry in entries)
    assert proxy.live is not None
    assert not proxy._attempts
    assert all(backend.in_flight == 0 for backend in proxy.live.backends.values())
    assert all(endpoint.in_flight == 0 for b in proxy.live.backends.values() for endpoint in b.endpoints)
    counted = sum(int(series.input_tokens.sum) for series in stage.router.statistics.snapshot().series)
    assert counted == sum(entry.get("inputTokens", 0) for entry in entries)


async def test_what_a_client_leaves_ends_before_it_is_booked(stage: Stage) -> None:
    for name in "abc":
        await stage.engine(name, {"stalled": True})
    await stage.open(POLICY)
    asking = asyncio.ensure_future(stage.ask("best"))
    await until(lambda: sum(log.outcomes["open"] for log in stage.calls.values()) == 3)
    proxy = stage.router.proxy
    [connection] = proxy._connections
    exchange, connection._exchange = connection._exchange, None
    assert exchange is not None
    assert exchange.abandon()
    assert not proxy._attempts
    [entry] = stage.router.entries()
    assert (entry["status"], entry["calls"], entry["tries"]) == (499, 3, 3)
    asking.cancel()
