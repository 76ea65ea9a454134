"""What comes of faults in a cascade: the tables."""

from pathlib import Path

import pytest
from stage import Stage

from faults import Row, Table, cases, play

TABLES = Path(__file__).parent / "tables"


@pytest.mark.parametrize(("table", "row", "form"), cases(*sorted(TABLES.glob("cascade*.yaml"))))
async def test_it_comes_as_the_table_says(stage: Stage, table: Table, row: Row, form: str) -> None:
    assert await play(stage, table, row, form) == row.outcomes[form]
