"""Draws where no share is declared: two targets by weight, and the one with less to do for its weight wins.

Weights move once in some seconds; what happens between is seen by the comparison. Either alone is worse: the weight
alone lets queues form by chance, the least of all queues sends the routers, which do not see each other, to the same
place. The two are different ones: a target that is drawn twice is compared with nobody, and of five unlike ones that is
a third of all draws.
"""

import random
from bisect import bisect_right
from collections.abc import Callable, Sequence

from signalbox.routing.backlog import Backlog
from signalbox.routing.shares import MAX_SEQUENCES, TRIAL, Draws, intervals, with_weight

Pick = Callable[[int], int]


class TwoDraws:
    """Weights and backlogs by position; made anew whenever weights come. Picking allocates nothing."""

    __slots__ = ("_backlogs", "_bounds", "_idle", "_random", "_weights", "active", "untried")

    def __init__(self, weights: Sequence[float], mask: int, backlogs: Sequence[Backlog], random: random.Random) -> None:
        """``mask`` are the positions that may be drawn; see ``shares.Draws`` for those of them without weight."""
        self._weights = weights
        self._backlogs = backlogs
        self._random = random.random
        self.active = mask & with_weight(weights)
        self._idle = self.untried = mask & ~self.active
        self._bounds: dict[int, tuple[list[int], list[float]]] = {}

    def pick(self, among: int) -> int:
        """The position of a first attempt, out of the bitmask ``among``; -1 when there is none."""
        idle = self._idle & among
        if idle and (not self.active & among or idle & self.untried or self._random() < TRIAL):
            position = self._least_busy(idle & self.untried or idle)
            self.untried &= ~(1 << position)
            return position
        return self.redraw(among)

    def redraw(self, among: int) -> int:
        """Like ``pick`` for a further attempt, which is no trial unless nobody else is left."""
        usable = among & self.active
        found = self._bounds.get(usable)
        if found is None:
            found = self._open(usable)
        positions, bounds = found
        if not bounds:
            return positions[0] if positions else self._least_busy(self._idle & among)
        draw = self._random
        index = bisect_right(bounds, draw())
        below = bounds[index - 1] if index else 0.0
        width = (bounds[index] if index < len(bounds) else 1.0) - below
        point = draw() * (1.0 - width)
        one, other = positions[index], positions[bisect_right(bounds, point if point < below else point + width)]
        backlog, weights = self._backlogs[one], self._weights
        mine = max(backlog.in_flight, backlog.offset + backlog.scale * backlog.in_flight) + 1.0
        backlog = self._backlogs[other]
        theirs = max(backlog.in_flight, backlog.offset + backlog.scale * backlog.in_flight) + 1.0
        return one if mine * weights[other] <= theirs * weights[one] else other

    def _least_busy(self, among: int) -> int:
        positions = [position for position in range(len(self._backlogs)) if among >> position & 1]
        return min(positions, key=lambda position: self._backlogs[position].in_flight, default=-1)

    def _open(self, usable: int) -> tuple[list[int], list[float]]:
        if len(self._bounds) >= MAX_SEQUENCES:
            self._bounds.clear()  # as many sets as targets allow must not take as much memory
        found = self._bounds[usable] = intervals(self._weights, usable)
        return found


class FreeDraws:
    """A set of targets without declared shares: equal shares until weights are heard, then two draws by load.

    ``pick`` and ``redraw`` are those of ``Draws``, or of ``TwoDraws``: what is in force is called without a detour.
    """

    __slots__ = ("_draws", "_random", "_used", "active", "by_load", "mask", "pick", "redraw")

    def __init__(self, draws: Draws, random: random.Random) -> None:
        self._draws = draws
        self._used: Draws | TwoDraws = draws
        self._random = random
        self.mask = self.active = draws.mask
        self.by_load = False
        self.pick: Pick = draws.pick
        self.redraw: Pick = draws.redraw

    @property
    def untried(self) -> int:
        """See ``Draws``."""
        return self._used.untried

    def steer(self, weights: Sequence[float] | None, backlogs: Sequence[Backlog] | None) -> None:
        """Put weights by position in force; without ``backlogs`` they are drawn as shares."""
        use: Draws | TwoDraws = self._draws
        if weights is not None and backlogs is not None and max(weights) > 0.0:
            use = TwoDraws(weights, self.mask, backlogs, self._random)
        else:
            self._draws.reweigh(weights)
        self._used = use
        self.by_load = use is not self._draws
        self.pick, self.redraw, self.active = use.pick, use.redraw, use.active


class SharedDraws:
    """A set of targets with declared shares: drawn by share, whatever the load, and less where one is overloaded."""

    __slots__ = ("_draws", "active", "mask", "pick", "redraw")

    def __init__(self, draws: Draws) -> None:
        self._draws = draws
        self.mask = self.active = draws.mask
        self.pick: Pick = draws.pick
        self.redraw: Pick = draws.redraw

    @property
    def by_load(self) -> bool:
        """Whether what is in force is not what was declared."""
        return self._draws.moved

    @property
    def untried(self) -> int:
        """See ``Draws``."""
        return self._draws.untried

    def steer(self, weights: Sequence[float] | None, backlogs: Sequence[Backlog] | None) -> None:
        """Put weights by position in force. Shares are drawn alike with ``backlogs`` and without."""
        self._draws.reweigh(weights)
        self.active = self._draws.active
