"""Hostile engines behind a router in a process of its own."""

import asyncio
from pathlib import Path

import pytest

from hostile.page import PAGE, row
from hostile.running import answer_all, engines, two_engines


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "side by side"])
async def test_every_client_of_a_hostile_engine_gets_what_is_right(tmp_path: Path, together: bool) -> None:
    """What waits for time-outs is played at the same time."""
    families = [family for family in engines() if family.together == together]
    async with two_engines(tmp_path) as stage:
        playing = [answer_all(family, *stage) for family in families]
        found = await asyncio.gather(*playing) if together else [await each for each in playing]
    assert not {
        (family.name, case.name): outcomes[case.name]
        for family, outcomes in zip(families, found, strict=True)
        for case in family.cases
        if outcomes[case.name].text not in case.right
    }


def test_the_page_shows_every_case() -> None:
    lines = PAGE.read_text()
    for family in engines():
        for case in family.cases:
            assert row(case) in lines, "run: make hostile"
