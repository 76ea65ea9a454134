"""What comes of faults in a failover: the table."""

from pathlib import Path

import pytest
from stage import Stage

from faults import Row, cases, play, read

TABLE = read(Path(__file__).parent / "tables" / "failover.yaml")


@pytest.mark.parametrize(("row", "form"), cases(TABLE))
async def test_it_comes_as_the_table_says(stage: Stage, row: Row, form: str) -> None:
    assert await play(stage, TABLE, row, form) == row.outcomes[form]
