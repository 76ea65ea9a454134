"""Hostile requests at the TLS port of a router in a process of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hostile.corpus import Family
from hostile.engine import Engine
from hostile.page import PAGE, row
from hostile.running import ask_all, router, tls
from hostile.secure import Certified
from hostile.systems import Ours


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[tuple[Ours, Engine]]:
    async with router(tmp_path, certified=Certified(tmp_path)) as both:
        yield both


@pytest.mark.parametrize("family", tls(), ids=lambda family: family.name)
async def test_every_hostile_request_gets_what_is_right_inside_tls_and_beneath(
    stage: tuple[Ours, Engine], family: Family
) -> None:
    outcomes = await ask_all(family, *stage)
    wrong = {case.name: outcomes[case.name] for case in family.cases if outcomes[case.name].text not in case.right}
    assert not wrong


def test_the_page_shows_every_case() -> None:
    lines = PAGE.read_text()
    for family in tls():
        for case in family.cases:
            assert row(case) in lines, "run: make hostile"
