"""The operator of a simulation says of its knowledge how old it is."""

import random

from signalbox.simulation.loop import Loop
from signalbox.simulation.scenarios import provider


def test_what_routers_said_is_as_old_as_their_last_report() -> None:
    loop = Loop(provider(), random.Random(1))
    loop.reported(0, [(3, 1, 0, 300.0, 2)] * 5, 0, 8.0)
    load = loop.step(10.0).loads["d4"]
    assert (load.observed_at, load.in_system) == (8.0, 2.0)
