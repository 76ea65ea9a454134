"""What is counted and said of requests that no target answered."""

from scenes import ASK, backends_of, in_order

from harness import StartRouter, Upstream, chat, config, policy, request, response


async def test_a_request_that_failed_everywhere_counts_for_its_last_target(
    start_router: StartRouter, pair: tuple[Upstream, Upstream]
) -> None:
    for each in pair:
        each.reply = response(500, {"error": {"message": "no"}})
    router = await start_router(config(in_order(*backends_of(pair)), *backends_of(pair)))
    client = await router.connect()
    assert (await client.ask(ASK)).status == 502
    assert (await client.ask(request(body=chat(model="nobody")))).status == 404
    counted = router.statistics.snapshot()
    (series,) = counted.series
    assert (series.labels.target, series.labels.route, series.statuses, series.retries) == (
        pair[1].name,
        "in_order",
        {502: 1},
        1,
    )
    assert [(count.first, count.second, count.value) for count in counted.rejected] == [("", "model_not_found", 1)]


async def test_what_was_never_sent_says_no_target(start_router: StartRouter, pair: tuple[Upstream, Upstream]) -> None:
    first, _ = backends_of(pair, endpoints=())
    router = await start_router(config(policy(first), first))
    answer = await (await router.connect()).ask(ASK)
    assert (answer.status, answer.code) == (503, "no_backend")
    assert answer.header("x-signalbox-target") is None
    assert answer.header("x-signalbox-route") == b"default"
