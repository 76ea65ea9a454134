"""The values of the chart: all known to its schema, and clear words about wrong ones."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from charts.rendering import refusal
from cluster.helm import CHART


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("replicas: many", "at '/replicas': got string, want integer"),
        ("webhook: {failurePolicy: ignore}", "at '/webhook/failurePolicy': value must be one of 'Ignore', 'Fail'"),
        ("replica: 3", "additional properties 'replica' not allowed"),
        ("namespaces: [Team]", "at '/namespaces/0': 'Team' does not match pattern"),
        ("image: {digest: abc}", "at '/image/digest': 'abc' does not match pattern"),
        ("serviceAccount: {create: false}", "serviceAccount.name: name an existing ServiceAccount"),
    ],
)
def test_a_wrong_value_is_refused(values: str, said: str) -> None:
    assert said in refusal(values)


def test_the_schema_knows_every_value() -> None:
    """Else a default could not be written down by who sets all of them."""
    schema = yaml.safe_load((CHART / "values.schema.json").read_text())
    assert set(paths(yaml.safe_load((CHART / "values.yaml").read_text()), schema)) == set()


def paths(values: dict[str, Any], schema: dict[str, Any], at: str = "") -> Iterator[str]:
    """Values that a schema has no property for."""
    for key, value in values.items():
        known = schema.get("properties", {}).get(key)
        if known is None and schema.get("additionalProperties") is False:
            yield f"{at}{key}"
        elif isinstance(value, dict) and known:
            yield from paths(value, known, f"{at}{key}.")
