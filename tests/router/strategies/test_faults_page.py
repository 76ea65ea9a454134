"""The page of faults shows the tables that the tests have held to the truth."""

from faults_page import PAGE, page, tables


def test_the_page_shows_the_tables() -> None:
    outcomes = {
        table.name: {(row.fault, form): outcome for row in table.rows for form, outcome in row.outcomes.items()}
        for table in tables()
    }
    assert PAGE.read_text() == page(outcomes), "run: make faults"
