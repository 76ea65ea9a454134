"""Hostile engines behind a router in a process of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostile.corpus import Family
from hostile.engine import Engine
from hostile.page import PAGE, row
from hostile.running import answer_all, engines, two_engines
from hostile.systems import Ours


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[tuple[Ours, Engine]]:
    async with two_engines(tmp_path) as both:
        yield both


@pytest.mark.parametrize("family", engines(), ids=lambda family: family.name)
async def test_every_client_of_a_hostile_engine_gets_what_is_right(stage: tuple[Ours, Engine], family: Family) -> None:
    outcomes = await answer_all(family, *stage)
    wrong = {case.name: outcomes[case.name] for case in family.cases if outcomes[case.name].text not in case.right}
    assert not wrong


def test_the_page_shows_every_case() -> None:
    lines = PAGE.read_text()
    for family in engines():
        for case in family.cases:
            assert row(case) in lines, "run: make hostile"
