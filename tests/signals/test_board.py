"""A board has the view of the moment, and keeps some for the past."""

from signalbox.feedback.law import Outcome, State, step
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, TargetSet
from signalbox.signals.board import MOST_BACKENDS, Board
from signalbox.signals.history import History

PLAN = Plan(
    backends={"a": Backend(name="a", endpoints=("1",))}, sets={SetKey("p", "r"): TargetSet(shares=(Share("t", "a"),))}
)


class World:
    def __init__(self) -> None:
        self.now = 0.0
        self.board = Board(lambda: self.now, lambda: 1000.0 + self.now)
        self._state = State()

    def step(self) -> Outcome:
        outcome = step(self._state, PLAN, {}, self.now)
        self._state = outcome.state
        self.board.show(outcome, PLAN, {"a": {"1": "time-out"}})
        return outcome


def test_there_is_no_view_before_the_first_step() -> None:
    assert World().board.view() is None


def test_a_view_is_of_the_moment_that_somebody_looks() -> None:
    world = World()
    world.step()
    view = world.board.view()
    assert view is not None
    assert (view.at, view.stepped, view.policies[0].name) == (1000.0, 0.0, "p")
    assert view.backends[0].problems == ("time-out",)
    assert world.board.view() is view, "who asks again at once is shown the same"
    world.now = 7.0
    later = world.board.view()
    assert later is not None
    assert (later.at, later.stepped) == (1007.0, 7.0)


def test_each_step_is_kept_for_the_past_also_when_nobody_looks() -> None:
    world = World()
    for _ in range(4):
        world.step()
        world.now += 5.0
    assert world.board.history.recorded().at == [1000.0, 1005.0, 1010.0, 1015.0]


def test_of_very_many_backends_the_past_is_not_kept() -> None:
    board = Board(lambda: 5.0, lambda: 1000.0)
    backends = {f"b{number}": Backend(name=f"b{number}") for number in range(MOST_BACKENDS + 1)}
    plan = Plan(backends=backends)
    board.show(step(State(), PLAN, {}, 5.0), PLAN, {})
    assert board.history.recorded().at == [1000.0]
    board.show(step(State(), plan, {}, 5.0), plan, {})
    assert board.history.recorded() == History().recorded(), "what was before they became so many takes no room"
    view = board.view()
    assert view is not None
    assert len(view.backends) == MOST_BACKENDS + 1
