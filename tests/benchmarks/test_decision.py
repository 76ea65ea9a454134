"""Many rules, no two alike, and none that holds."""

from pathlib import Path

import msgspec
import yaml

from benchmarks import decision
from benchmarks.harness import chat
from benchmarks.harness.router import POLICIES


def test_rules_differ() -> None:
    text = decision.with_rules((POLICIES / "rules.yaml").read_text(), 64, 64)
    policy = next(each for each in yaml.safe_load_all(text) if each["kind"] == "RoutingPolicy")["spec"]
    conditions = [route.get("when") for route in policy["routes"]]
    assert len(conditions) == 65 and conditions[-1] is None
    assert len(set(conditions)) == 65
    assert len({route["name"] for route in policy["routes"]}) == 65


def test_more_rules_than_a_policy_may_have_are_all_tried(tmp_path: Path) -> None:
    decider = decision._ruled(tmp_path, 130)
    assert len(decider.compiled.routes) == 131
    body = msgspec.json.decode(chat.body())
    assert decider.targets.keys() == {"small", "strong"}
    tried = []
    for route in decider.compiled.routes[:-1]:
        assert route.condition is not None
        facts = decision.Facts("chat", body, decision.HEADERS, "support", "gold", decider.targets)
        tried.append(route.condition(facts))
    assert not any(tried)
    assert decider.decide(body) in (0, 1)
