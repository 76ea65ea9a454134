"""What is handed on of what the loop says: a reconcile is not made for every figure that wavers."""

from signalbox.controller.reconciling.said import Heard
from signalbox.plan.status.said import BackendSaid, Said
from signalbox.plan.status.telemetry import SECONDS


def said(running: int, *, silent: int = 0) -> Said:
    return Said(backends={"a": BackendSaid(measured=True, endpoints=1, silent=silent, load={"running": running})})


async def test_figures_are_handed_on_no_more_often_than_they_may_be_written() -> None:
    now, changed = 0.0, list[str]()
    heard = Heard(changed.append, lambda: now)
    for second in range(round(2 * SECONDS) + 1):
        now = float(second)
        await heard.take("team", said(100 * (second % 2)))
    assert len(changed) == 2
    newest = heard.of("team")
    assert newest is not None and newest.backends["a"].load == {"running": 0}


async def test_what_is_more_than_a_figure_is_handed_on_at_once() -> None:
    changed: list[str] = []
    heard = Heard(changed.append, lambda: 0.0)
    await heard.take("team", said(1))
    await heard.take("team", said(1, silent=1))
    await heard.take("team", said(1, silent=1))
    assert changed == ["team", "team"]
    heard.forget("team")
    assert heard.of("team") is None
