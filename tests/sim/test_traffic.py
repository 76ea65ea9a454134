"""The demo's mix and its arithmetic."""

import random
from collections import deque

from signalbox.sim.client import drive
from signalbox.sim.faults import Faults
from signalbox.sim.profile import Profile
from signalbox.sim.server import SimulatedEngine
from signalbox.sim.traffic import Board, Outcome, quantile, request, sparkline


def test_the_mix_has_short_and_long_prompts_code_and_streams() -> None:
    rng = random.Random(4)
    bodies = [request(rng, "auto") for _ in range(300)]
    texts = [body["messages"][0]["content"] for body in bodies]
    assert 0.5 < sum(body["stream"] for body in bodies) / 300 < 0.7
    assert any("```" in text for text in texts)
    assert any(len(text) > 4000 for text in texts)
    assert any(len(text) < 30 for text in texts)


def test_the_board_adds_up() -> None:
    board = Board(("a", "b"))
    board.add(Outcome("a", "chat", 0.2, 0.1))
    board.add(Outcome("a", "chat", 0.4))
    board.add(Outcome("b", "code", 0.1, problem="status 503"))
    board.add(Outcome("b", "code", 0.1, 0.05, problem="error event", cut=True))
    assert (board.answered, board.failed, board.cut) == (2, 1, 1)
    assert (board.lanes["a"].answers, board.lanes["b"].failures) == (2, 2)
    assert board.routes == {"chat": 2}


def test_quantiles_and_bars() -> None:
    assert quantile(deque(), 0.5) is None
    assert quantile(deque([3.0, 1.0, 2.0]), 0.5) == 2.0
    assert sparkline(deque([0, 1, 8]), 2) == "▁█"
    assert sparkline(deque([0, 0]), 2) == "  "


async def test_the_client_sees_answers_and_failures() -> None:
    engine = SimulatedEngine("a", Profile(speed=50.0), seed=1)
    await engine.start()
    try:
        for fault, good in ((Faults(), True), (Faults(status=500), False), (Faults(cut_after=2), False)):
            await engine.apply(fault)
            board, sent = Board(("a",)), []

            def note(outcome: Outcome | None, board: Board = board, sent: list[None] = sent) -> None:
                sent.append(None) if outcome is None else board.add(outcome)

            await drive(f"http://{engine.address}", "sim", 200.0, 0.1, note)
            assert sent
            assert (board.answered if good else board.failed + board.cut) == len(sent)
    finally:
        await engine.stop()
