"""Play every table of faults, and write what came of it: ``make faults`` writes docs/strategies-faults.md."""

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import uvloop
from stage import Stage

from faults import FORMS, Outcome, Table, markdown, play, read
from harness import Router

TABLES = Path(__file__).parent / "strategies" / "tables"
PAGE = Path(__file__).parents[2] / "docs" / "strategies-faults.md"
ORDER = ("failover", "select", "objective", "cascade", "best_of", "consensus")


def tables() -> list[Table]:
    """All tables, in the order of the page."""
    found = [read(path) for path in TABLES.glob("*.yaml")]
    return sorted(found, key=lambda table: (ORDER.index(table.name.split("-")[0]), table.name))


def page(outcomes: Mapping[str, Mapping[tuple[str, str], Outcome]]) -> str:
    """The page, from the outcomes of each table."""
    return "\n".join(
        [(TABLES / "introduction.md").read_text(), *(markdown(table, outcomes[table.name]) for table in tables())]
    )


async def played(table: Table, row: Any, form: str) -> Outcome:
    """What comes of a row, on a stage of its own."""
    routers: list[Router] = []

    async def start(configuration: Any, secrets: Any, **options: Any) -> Router:
        routers.append(Router(directory / "access.log", options))
        routers[-1].configure(configuration, secrets)
        return await routers[-1].start()

    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        (directory / "policies").mkdir()
        stage = Stage(directory / "policies", start)
        try:
            return await play(stage, table, row, form)
        finally:
            await stage.close()
            for router in routers:
                await router.stop()


async def main() -> None:
    """Play all and write the page."""
    outcomes: dict[str, dict[tuple[str, str], Outcome]] = {}
    for table in tables():
        outcomes[table.name] = {}
        for row in table.rows:
            for form in FORMS:
                came = await played(table, row, form)
                outcomes[table.name][row.fault, form] = came
                note = "" if came == row.outcomes[form] else f"  (the table says {row.outcomes[form]})"
                print(f"{table.name}: {row.fault}, {form}: {came}{note}", file=sys.stderr)
    PAGE.write_text(page(outcomes))


if __name__ == "__main__":
    uvloop.run(main())
