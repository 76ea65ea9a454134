"""Chains that have ended leave little to the collector of garbage, and no request, answer or connection."""

import pytest
from garbage import left
from stage import Stage

from waiting import until

SURE, UNSURE, ERROR = {"answer": "Yes.", "confidence": 0.95}, {"answer": "Perhaps.", "confidence": 0.4}, {"status": 500}
POLICY = """
routes:
- name: all
  cascade: {steps: [{target: small, accept: {logProbs: {}, minPercent: 80}}, {target: strong}]}
"""
HEAVY = {"ClientConnection", "RequestReader", "UpstreamConnection", "Exchange", "Run", "Chain", "Call", "Reply", "Head"}


@pytest.mark.usefixtures("no_collector")
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("small", "strong", "status"),
    [
        pytest.param(SURE, SURE, 200, id="accepted"),
        pytest.param(UNSURE, SURE, 200, id="live"),
        pytest.param(UNSURE, ERROR, 200, id="best so far"),
        pytest.param(ERROR, ERROR, 502, id="failed"),
    ],
)
async def test_nothing_heavy_is_left(
    stage: Stage, small: dict[str, object], strong: dict[str, object], status: int, stream: bool
) -> None:
    await stage.engine("small", small)
    await stage.engine("strong", strong)
    await stage.open(POLICY)
    for _ in range(2):
        assert (await stage.ask(stream=stream)).status == status
    before = left(stage.router)
    for _ in range(4):
        await stage.ask(stream=stream)
    await until(lambda: not (left(stage.router) - before).keys() & HEAVY)
