"""Generated edits: whatever a spec was before, what it leads to is what it would lead to if it were new; and a spec
that is refused changes nothing."""

import json
import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme
from crashing import secret
from edits import Cell, Chance, Specs, covering
from snapshot import Snapshot, differences, snapshot
from world import API, CHILDREN, OperatorProcess, World, eventually

from cluster.api import Object
from cluster.build import Say
from signalbox.controller.applying.apply import REPLICAS_MANAGER
from signalbox.plan.children import FIRST_REPLICAS

SECONDS = 300.0
# Generations and revisions count edits; node ports are drawn.
COUNTS = {"generation", "observedGeneration", "deployment.kubernetes.io/revision", "nodePort", "healthCheckNodePort"}
# Of what holds the cell's name.
HASH = re.compile(r"\b[0-9a-f]{16,64}\b")


def surroundings() -> list[Object]:
    """What the specs refer to."""
    authority = trustme.CA()
    issued = authority.issue_cert("one.example.com", not_after=datetime.now(UTC) + timedelta(days=1))
    certificate = {
        "tls.crt": issued.cert_chain_pems[0].bytes().decode(),
        "tls.key": issued.private_key_pem.bytes().decode(),
    }
    return [
        secret("keys", one="a-key-of-the-team-1", two="a-key-of-the-team-2"),
        secret("more-keys", three="a-key-of-the-team-3"),
        secret("upstream", token="a-token-of-the-backend", other="another-token-of-it"),
        secret("certificate", **certificate) | {"type": "kubernetes.io/tls"},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "authority"},
            "data": {"ca.crt": authority.cert_pem.bytes().decode()},
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "examples"},
            "data": {"none.jsonl": "no example\n"},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "llama"},
            "spec": {"ports": [{"name": "http", "port": 80}]},
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "llama-1", "labels": {"kubernetes.io/service-name": "llama"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 8000}],
            "endpoints": [{"addresses": ["10.1.0.1"]}, {"addresses": ["10.1.0.2"]}],
        },
    ]


class Edited:
    """Some cells in one namespace, and what is in each."""

    def __init__(self, world: World, specs: Sequence[Specs]) -> None:
        self.world = world
        self.cells = [Cell(f"cell-{index:02}") for index in range(len(specs))]
        self._made: set[str] = set()
        self._scaled: list[tuple[str, int]] = []  # each cell's router, and how many replicas it was given last
        self.put(specs)

    def put(self, specs: Sequence[Specs]) -> None:
        """Give each cell its specs, and wait for all that comes of it."""
        self.specs = list(specs)
        self.write(specs)
        before = self._scaled or [("", 0)] * len(specs)
        self._scaled = [scaled(spec, *last) for spec, last in zip(specs, before, strict=True)]
        eventually(self._all_accepted, SECONDS)
        self.world.settle()

    def write(self, specs: Sequence[Specs]) -> None:
        """Give each cell its specs."""
        for cell, spec in zip(self.cells, specs, strict=True):
            for obj in cell.objects(spec):
                self._write(obj)

    def _write(self, obj: Object) -> None:
        """Not by apply: API servers make null of {} where all that was in it goes, and refuse that."""
        name, path = obj["metadata"]["name"], self.world.api.path_of(obj, self.world.namespace)
        if name in self._made:
            change = [{"op": "replace", "path": "/spec", "value": obj["spec"]}]
            self.world.api.call("PATCH", path, change, "application/json-patch+json")
        else:
            self.world.api.create(obj, self.world.namespace)
            self._made.add(name)

    def _all_accepted(self) -> bool:
        """And whatever could be learned was tried: nothing can."""
        return all(
            obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]
            and '"state": "Training"' not in json.dumps(obj["status"])
            and {"Accepted", "ResolvedRefs"}
            <= {
                each["type"]
                for each in obj["status"]["conditions"]
                if each["status"] == "True" or each["reason"] == "LearningFailed"
            }
            for kind in ("RoutingPolicy", "ModelBackend")
            for obj in self.world.api.list(API, kind, self.world.namespace)
        )

    def seen(self) -> list[Snapshot]:
        """What is there of each cell, under a name that all of them have; what was learned, or could not be, is kept
        under names of its own."""
        everything = snapshot(self.world.api, self.world.namespace)
        return [
            {
                key.replace(cell.name, "CELL"): json.loads(json.dumps(obj).replace(cell.name, "CELL"))
                for key, obj in everything.items()
                if key.partition("/")[2].startswith(cell.name) and "-learned-" not in key
            }
            for cell in self.cells
        ]

    def wrongly_scaled(self) -> list[str]:
        """Routers without the replicas that they were given last, or whose pods may all be evicted at once."""
        found = snapshot(self.world.api, self.world.namespace)
        budgets = {key.partition("/")[2] for key in found if key.startswith("PodDisruptionBudget/")}
        seen = {
            name: (obj["spec"]["replicas"], name in budgets)
            for kind, _, name in (key.partition("/") for key in found)
            for obj in [found[f"{kind}/{name}"]]
            if kind == "Deployment"
        }
        wanted = {
            router.replace("CELL", cell.name): (replicas, replicas > 1)
            for cell, (router, replicas) in zip(self.cells, self._scaled, strict=True)
            if router
        }
        return [] if seen == wanted else [f"replicas: {wanted}, {seen}"]

    def children(self) -> dict[str, Object]:
        """All children to the last byte."""
        return {
            f"{kind}/{obj['metadata']['name']}": obj
            for version, kind in CHILDREN
            for obj in self.world.api.list(version, kind, self.world.namespace)
        }


def scaled(spec: Specs, router: str, replicas: int) -> tuple[str, int]:
    """The router of a policy that had another one, or the same, and its replicas: without a number they stay."""
    if not spec.deploys:
        return "", 0
    kept = replicas if spec.router == router else FIRST_REPLICAS
    return spec.router, kept if spec.replicas is None else spec.replicas


def comparable(found: Snapshot, spec: Specs, *, same: bool) -> Any:
    """Without what counts edits. Where nobody says how many replicas there are, without that number and what is made
    of it; where it is said, without who said the same before. Hashes are compared between the ``same`` cell's only.
    """
    undeclared = spec.deploys and spec.replicas is None
    text = json.dumps(found) if same and not undeclared else HASH.sub("HASH", json.dumps(found))
    result = without(json.loads(text))
    for key, obj in result.items():
        kind = key.partition("/")[0]
        if kind == "Deployment" and not undeclared:
            managers = obj["metadata"]["managedFields"]
            obj["metadata"]["managedFields"] = [each for each in managers if each["manager"] != REPLICAS_MANAGER]
        elif undeclared:
            part = {"Deployment": "spec", "RoutingPolicy": "status", "ConfigMap": "data"}.get(kind)
            if part is not None:
                obj[part] = without(obj[part], {"replicas", "limitShares"})
    return {key: obj for key, obj in result.items() if not (undeclared and key.startswith("PodDisruptionBudget/"))}


def without(value: Any, fields: Collection[str] = COUNTS) -> Any:
    if isinstance(value, dict):
        return {key: without(item, fields) for key, item in value.items() if key not in fields}
    if isinstance(value, list):
        return [without(item, fields) for item in value]
    # A configuration, and a record of what was valid last.
    return without(json.loads(value), fields) if isinstance(value, str) and value.startswith("{") else value


class Story:
    """What becomes of cells; ``wrong`` is where it is not what the same specs led to when they were new."""

    def __init__(self, world: World, specs: Sequence[Specs]) -> None:
        world.apply(*surroundings())
        self.world, self.specs, self.cells = world, list(specs), Edited(world, specs)
        self._fresh = self.cells.seen()
        self.wrong: list[str] = []

    def edits(self, steps: int) -> int:
        """Each step gives each cell another's specs, and back. The number of edits."""
        for step in range(1, steps + 1):
            self.cells.put([*self.specs[step:], *self.specs[:step]])
            self._compare(f"to the {step}. next")
            self.cells.put(self.specs)
            self._compare(f"back from the {step}. next")
        return 2 * steps * len(self.specs)

    def refusals(self, chance: Chance) -> int:
        """Each cell gets specs that the planner refuses, and then its own again. The number of edits."""
        spoilt = [chance.invalid(spec) for spec in self.specs]
        before = self.cells.children()
        self.cells.write([specs for specs, _, _ in spoilt])
        for cell, (_, kind, field) in zip(self.cells.cells, spoilt, strict=True):
            self._says_why(kind, cell.name if kind == "RoutingPolicy" else cell.backends[0], field)
        self.world.settle()
        after = self.cells.children()
        self.wrong += [f"refused: {line}" for line in differences(before, after)]
        self.cells.put(self.specs)
        self._compare("corrected")
        return len(spoilt)

    def _says_why(self, kind: str, name: str, field: str) -> None:
        def refused() -> bool:
            return self.world.conditions(kind, name).get("Accepted", ("",))[0] == "False"

        eventually(refused, SECONDS)
        conditions = self.world.api.get(API, kind, name, self.world.namespace)["status"]["conditions"]
        message = next(each["message"] for each in conditions if each["type"] == "Accepted")
        if not (message.startswith(field) and "; fix: " in message):
            self.wrong.append(f"{kind} {name}: {field} is wrong, and it says {message}")

    def _compare(self, came: str) -> None:
        for index, (now, spec) in enumerate(zip(self.cells.seen(), self.cells.specs, strict=True)):
            at = self.specs.index(spec)
            same = at == index
            found = differences(comparable(self._fresh[at], spec, same=same), comparable(now, spec, same=same))
            self.wrong.extend(f"{came}, cell {index}, specs {at}{line}" for line in found)
        self.wrong += self.cells.wrongly_scaled()


def told(world: World, say: Say, count: int, steps: int, refusals: int) -> None:
    story = Story(world, covering(count))
    edits, refused = story.edits(steps), sum(story.refusals(Chance(seed)) for seed in range(refusals))
    say(f"{edits} edits of {count} policies with their backends, and {refused} that were refused: ")
    say(f"{len(story.wrong)} differences\n")
    assert not story.wrong, "\n".join(story.wrong[:50])


def test_an_edited_spec_leads_to_what_a_new_one_does(world: World, operator: OperatorProcess, say: Say) -> None:
    told(world, say, count=12, steps=2, refusals=1)


@pytest.mark.long
def test_many_edits(world: World, operator: OperatorProcess, say: Say) -> None:
    told(world, say, count=40, steps=7, refusals=5)
