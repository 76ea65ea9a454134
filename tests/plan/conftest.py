"""One flag writes all golden files anew: pytest tests/plan --regenerate."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write the golden files of the plan")
