"""What a provider says of its rate limits, on the wire: nobody runs into a 429 that was announced."""

import pytest
from scenes import ASK, backends_of, in_order

from harness import StartRouter, Upstream, completion, config, response


@pytest.mark.parametrize("status", [200, 400, 429])
async def test_a_target_with_nothing_left_is_left_alone_until_the_reset(
    start_router: StartRouter, pair: tuple[Upstream, Upstream], status: int
) -> None:
    backends = backends_of(pair)
    router = await start_router(config(in_order(*backends), *backends))
    client = await router.connect()
    spent = ("x-ratelimit-remaining-tokens: 0", "x-ratelimit-reset-tokens: 40s")
    body = completion() if status == 200 else {"error": {"message": "no", "code": None}}
    pair[0].reply = response(status, body, "x-ratelimit-remaining-requests: 9", *spent)
    first = await client.ask(ASK)
    assert (first.status, first.header("x-signalbox-target")) == (
        (200, b"second") if status == 429 else (status, b"first")
    )
    for _ in range(3):
        assert (await client.ask(ASK)).header("x-signalbox-target") == b"second"
    pair[1].reply = response(429, {"error": {"message": "no"}}, "retry-after: 50")
    await client.ask(ASK)
    full = await client.ask(ASK)
    assert (full.status, full.code, full.header("retry-after")) == (429, "rate_limit_exceeded", b"40")
    assert len(pair[0].requests) == 1
