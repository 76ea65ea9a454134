"""Hostile requests and engines, where two workers share the port."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hostile.corpus import Family
from hostile.page import PAGE, row
from hostile.running import (
    All,
    answer_all,
    ask_all,
    engines_of_two_workers,
    router,
    two_engines_of_two_workers,
    two_workers,
)

FAMILIES = (*two_workers(), *engines_of_two_workers())


@pytest.mark.parametrize(
    ("families", "stage", "play"),
    [
        (two_workers(), router, ask_all),
        (engines_of_two_workers(), two_engines_of_two_workers, answer_all),
    ],
    ids=["requests", "engines"],
)
async def test_nothing_is_left_behind_in_either_worker(
    families: list[Family], stage: Callable[..., Any], play: All, tmp_path: Path
) -> None:
    async with stage(tmp_path, workers=2) as (system, engine):
        for family in families:
            outcomes = await play(family, system, engine)
            assert not {
                case.name: outcomes[case.name] for case in family.cases if outcomes[case.name].text not in case.right
            }
        assert len(system.pids()) == len([each for each in system.served() if each]) == 2


def test_the_page_shows_every_case() -> None:
    lines = PAGE.read_text()
    for family in FAMILIES:
        for case in family.cases:
            assert row(case) in lines, "run: make hostile"
