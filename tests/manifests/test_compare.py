"""The translations of docs/compare.md are policies that the planner takes."""

import re
from pathlib import Path

import pytest

from signalbox.local import workspace
from signalbox.local.resources import Options
from signalbox.plan.observed import Service
from signalbox.routing.config import Address

PAGE = (Path(__file__).parents[2] / "docs" / "compare.md").read_text()
BLOCKS = {
    section.partition("\n")[0]: block
    for section in PAGE.split("\n## ")[1:]
    for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
}
KEYS = {f"SIGNALBOX_SECRET_PROVIDERS_{key}": "a-key-of-sixteen-bytes" for key in "ABC"}


def test_each_platform_has_one() -> None:
    assert list(BLOCKS) == [
        "LiteLLM",
        "vLLM Semantic Router",
        "Envoy AI Gateway",
        "llm-d",
        "agentgateway",
        "TensorZero",
    ]
    assert len(BLOCKS) == PAGE.count("```yaml")


@pytest.mark.parametrize("platform", BLOCKS)
def test_the_planner_takes_it(platform: str, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(BLOCKS[platform])
    engines = {"qwen": Service(endpoints=(Address("127.0.0.1", 8000),), total=1)} if platform == "llm-d" else {}
    found = workspace.read(Options(tmp_path, endpoints=engines, environment=KEYS))
    assert [one.problem for one in found.errors] == []
    assert len(found.plan.routers) == 1
    assert found.plan.routers[0].config.policies[0].routes


def test_every_link_leads_somewhere() -> None:
    used = set(re.findall(r"\]\[([a-z0-9-]+)\]", PAGE))
    defined = set(re.findall(r"^\[([a-z0-9-]+)\]: https://", PAGE, re.MULTILINE))
    assert used == defined
