"""Plain weighted routing on the stage: the path that the other strategies are compared with."""

import pytest
from stage import Stage

from waiting import until

POLICY = "routes: [{name: all, weighted: {targets: [{name: small}]}}]"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_and_what_it_cost(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"answer": "Green.", "outputTokens": 9})
    await stage.open(POLICY)
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.text, seen.target, seen.route) == (200, "", "Green.", "small", "all")
    assert seen.usage == (7, 9)
    [call] = stage.calls["small"]
    assert (call.outcome, call.input_tokens, call.output_tokens) == ("answered", 7, 9)
    [entry] = stage.router.entries()
    assert entry["cost"] == "0.000097"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_is_seen_with_its_code(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"status": 400, "code": "content_filter"})
    await stage.open(POLICY)
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code) == (400, "content_filter")


async def test_a_stream_that_is_cut_ends_with_an_error(stage: Stage) -> None:
    await stage.engine("small", {"answer": "A long answer.", "cutAfter": 2})
    await stage.open(POLICY)
    seen = await stage.ask(stream=True)
    assert seen.status == 200
    assert seen.text == "A long a"
    assert seen.code not in {"", "cut"}
    assert [call.outcome for call in stage.calls["small"]] == ["cut"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_takes_its_call_along(stage: Stage, stream: bool) -> None:
    engine = await stage.engine("small", {"stalled": True})
    await stage.open(POLICY)
    await stage.leave(lambda: engine.calls.outcomes["open"], stream=stream)
    await until(lambda: engine.calls.outcomes["cancelled"])
