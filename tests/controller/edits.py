"""Specs by chance: every field of both kinds, valid ones, and ones that only the planner refuses.

A cell is one policy with its two backends. The same number makes the same specs in every cell, but for the cell's name.
"""

import copy
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from draws import Draws, Spec
from strategies import Strategies
from world import API

from cluster.api import Object
from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.crd import structural

CONDITIONS = (
    "query.chars > 1",
    "query.chars < 50 && !request.stream",
    'query.text.contains("code")',
    'request.model == "other"',
    "targets.x.healthy",
    'label.learned == "y" && score.picked > 0.3 || confidence.asked < 0.5',
)
SIGNALS: tuple[Spec, ...] = (
    {"engine": "VLLM"},
    {"engine": "SGLang", "port": "http", "path": "/engine/metrics"},
    {"engine": "None"},
    {
        "engine": "Custom",
        "port": 9100,
        "custom": {
            "running": 'requests{state="running"}',
            "waiting": 'requests{state="waiting"}',
            "kvCacheUsage": "kv",
            "generatedTokens": "tokens_total",
        },
    },
)
POD_SPECS: tuple[Spec, ...] = (
    {"nodeSelector": {"pool": "routers"}, "tolerations": [{"key": "spot", "operator": "Exists"}]},
    {"containers": [{"name": "router", "env": [{"name": "ONE", "value": "1"}, {"name": "TWO", "value": "2"}]}]},
    {"containers": [{"name": "router", "env": [{"name": "TWO", "value": "2"}]}, {"name": "mesh", "image": "mesh:1"}]},
    {"containers": [{"name": "router", "resources": {"requests": {"cpu": "0.25"}}}]},
    {"volumes": [{"name": "more", "emptyDir": {}}], "terminationGracePeriodSeconds": 90},
    {"volumes": [{"name": "more", "emptyDir": {"medium": "Memory"}}], "securityContext": {"runAsUser": 4000}},
    {"terminationGracePeriodSeconds": None, "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["one", "two"]}]},
    {"affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}, "priority": 0},
)


class Cell(NamedTuple):
    """Names of one policy and its backends."""

    name: str

    @property
    def backends(self) -> tuple[str, str]:
        return f"{self.name}-a", f"{self.name}-b"

    def objects(self, specs: "Specs") -> list[Object]:
        named = [("ModelBackend", name, spec) for name, spec in zip(self.backends, specs.backends, strict=True)]
        policy = copy.deepcopy(specs.policy)
        for target in policy["targets"]:
            target["backendRef"]["name"] = f"{self.name}-{target['backendRef']['name']}"
        if group := policy.get("router", {}).get("deployment", {}).get("group"):
            policy["router"]["deployment"]["group"] = f"{self.name}-{group}"
        named.append(("RoutingPolicy", self.name, policy))
        return [{"apiVersion": API, "kind": kind, "metadata": {"name": n}, "spec": spec} for kind, n, spec in named]


class Specs(NamedTuple):
    """What is in a cell."""

    policy: Spec
    backends: tuple[Spec, Spec]

    @property
    def replicas(self) -> int | None:
        """The number that it declares, if any."""
        found: int | None = self.policy.get("router", {}).get("deployment", {}).get("replicas")
        return found

    @property
    def router(self) -> str:
        """Its name, in a cell of the name CELL."""
        group = self.policy.get("router", {}).get("deployment", {}).get("group")
        return f"CELL-{group}-group" if group else "CELL-router"

    @property
    def deploys(self) -> bool:
        return "sidecar" not in self.policy.get("router", {})


class Chance(Draws):
    """Draws specs."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.Random(seed))

    def specs(self) -> Specs:
        return Specs(self._policy(), (self._backend(), self._backend()))

    def invalid(self, specs: Specs) -> tuple[Specs, str, str]:
        """Specs that the planner refuses, the kind that is at fault, and the field that a message must name."""
        policy, (first, second) = copy.deepcopy(specs)
        if not self._random.randrange(len(INVALID) + 1):
            first = {"model": "m", "url": "https://[1]/v1"}
            return Specs(policy, (first, second)), "ModelBackend", "spec.url"
        spoil, field = self._random.choice(INVALID)
        spoil(policy)
        return Specs(policy, (first, second)), "RoutingPolicy", field

    def _backend(self) -> Spec:
        one, some = self.one, self.some
        if self._random.random() < 0.4:
            where = {
                "serviceRef": {"name": "llama", "port": one(80, "http")()},
                **self.fields(basePath=one("/", "/v2")),
            }
        else:
            urls = "https://api.example.com/v1", "https://10.1.2.3:8443", "http://models.example.com:8000/v1"
            where = {"url": one(*urls)()}
        spec = {
            "model": one("m", "meta/n")(),
            **where,
            **self.fields(
                request=lambda: self.fields(
                    headers=some({"name": "X-One", "value": "1"}, {"name": "X-Two", "value": "2"}),
                    query=some({"name": "api-version", "value": "1"}, {"name": "b", "value": "2"}),
                    rename=one({"max_tokens": "max_completion_tokens"}, {"user": "who", "seed": "start"}),
                    remove=some("top_k", "logit_bias"),
                ),
                auth=lambda: {
                    "apiKey": {
                        "secretRef": {"name": "upstream", "key": one("token", "other")()},
                        **self.fields(header=one("api-key", "Authorization"), prefix=one("", "Key ")),
                    }
                },
                tls=lambda: self.fields(
                    caConfigMapRef=one({"name": "authority", "key": "ca.crt"}),
                    serverName=one("one.example.com", "two.example.com"),
                    clientCertificateRef=one({"name": "certificate"}),
                ),
                format=one("OpenAI"),
                profile=lambda: self.fields(
                    contextWindow=one(1000, 128_000),
                    features=lambda: ["LogProbs", *some("Tools", "Vision")()],
                    quality=one(55, 90),
                    latency=one("200ms", "2s"),
                    skills=one({"code": 80}, {"code": 60, "math": 70}),
                ),
                pricing=lambda: {
                    "inputPerMillion": one("0.05", "1")(),
                    "outputPerMillion": one("0.5", "2")(),
                    **self.fields(cachedInputPerMillion=one("0", "0.01")),
                },
                capacity=lambda: self.fields(
                    concurrency=one(8, 256), tokensPerSecond=one(900, 9000), slowStart=one("0s", "1m")
                ),
                signals=lambda: copy.deepcopy(self._random.choice(SIGNALS)),
                limits=lambda: self.fields(
                    maxInFlight=one(7, 100), requestsPerMinute=one(60, 600), tokensPerMinute=one(6000, 60_000)
                ),
                health=lambda: {
                    "http": {"path": one("/health", "/ready")()},
                    **self.fields(interval=one("5s", "1m"), unhealthyThreshold=one(2, 5), healthyThreshold=one(1, 2)),
                },
                timeouts=lambda: self.fields(
                    connect=one("1s", "500ms"), firstToken=one("5s", "30s"), idle=one("5s"), request=one("60s", "1h")
                ),
            ),
        }
        if spec.get("url", "").startswith("http:"):
            spec.pop("tls", None)
        if "url" in spec and isinstance(spec.get("signals", {}).get("port"), str):
            spec["signals"]["port"] = 9000
        return spec

    def _policy(self) -> Spec:
        one = self.one
        names = self._random.sample(("x", "y", "z"), self._random.randint(1, 3))
        if "x" not in names:
            names[0] = "x"
        strategies = Strategies(self._random, names)
        conditions = self._random.sample(CONDITIONS, self._random.randint(0, 3))
        routes = [{"name": f"r{index}", "when": when} for index, when in enumerate(conditions)] + [{"name": "last"}]
        tenants = {"tenants": [self._tenant("one"), self._tenant("two")]}
        ordered = {**tenants, **self.fields(tiers=one(["gold", "silver"], ["silver", "gold"]))}
        return {
            "models": self.some("auto", "gpt", "other")(),
            "targets": [{"name": name, "backendRef": {"name": one("a", "b")()}} for name in names],
            "classifiers": strategies.classifiers(),
            "routes": [route | strategies.strategy() for route in routes],
            "access": one({"anonymous": {}}, ordered)(),
            **self.fields(
                affinity=lambda: {
                    "key": one("Prefix", "Session", "None")(),
                    **self.fields(maxOverloadPercent=one(150)),
                },
                feedback=lambda: self.fields(
                    mode=one("Active", "Observe", "Disabled"), interval=one("5s", "10s"), staleAfter=one("20s", "1m")
                ),
                debug=one("Denied", "Allowed"),
                router=one(
                    {"sidecar": self.fields(port=one(15080, 16000))},
                    *({"deployment": self._deployment()} for _ in range(4)),
                ),
            ),
        }

    def _tenant(self, name: str) -> Spec:
        keys = self.some({"secretRef": {"name": "keys"}}, {"secretRef": {"name": "more-keys"}})
        return {"name": name, **self.fields(tier=self.one("gold", "silver")), "keysFrom": keys()}

    def _deployment(self) -> Spec:
        one = self.one
        labels, notes = one({"team": "a"}, {"team": "b", "tier": "c"}), one({"note": "a"}, {"note": "b", "other": "c"})
        return self.fields(
            replicas=one(1, 3),
            workers=one(1, 2, 4),
            group=one("team", "others"),
            resources=lambda: self.fields(
                requests=one({"cpu": "0.5"}, {"cpu": 1, "memory": "1024Mi"}), limits=one({"memory": "2Gi"})
            ),
            service=lambda: self.fields(
                type=one("ClusterIP", "NodePort", "LoadBalancer"), port=one(80, 8080), annotations=notes, labels=labels
            ),
            tls=one({"secretRef": {"name": "certificate"}}),
            podTemplate=lambda: self.fields(
                metadata=lambda: self.fields(labels=labels, annotations=notes), spec=one(*POD_SPECS)
            ),
        )


def _when(text: str) -> Callable[[Spec], None]:
    def spoil(policy: Spec) -> None:
        policy["routes"].insert(0, {"name": "spoilt", "when": text, "weighted": {"targets": [{"name": "x"}]}})

    return spoil


def _last(strategy: Spec) -> Callable[[Spec], None]:
    def spoil(policy: Spec) -> None:
        policy["routes"][-1] = {"name": "last", **copy.deepcopy(strategy)}

    return spoil


def _mixed(policy: Spec) -> None:
    policy["targets"].append({"name": "more", "backendRef": {"name": "a"}})
    _last({"weighted": {"targets": [{"name": "x", "weight": 1}, {"name": "more"}]}})(policy)


def _deployed(field: str, value: Spec) -> Callable[[Spec], None]:
    def spoil(policy: Spec) -> None:
        router = policy.get("router", {})
        policy["router"] = {"deployment": router.get("deployment", {}) | {field: copy.deepcopy(value)}}

    return spoil


def _template(**pod: Any) -> Callable[[Spec], None]:
    return _deployed("podTemplate", {"spec": pod})


_LABEL = {"app.kubernetes.io/name": "mine"}
_TEMPLATE = "spec.router.deployment.podTemplate."
# What the schema lets through; each with the field that the message is to begin with.
INVALID: tuple[tuple[Callable[[Spec], None], str], ...] = (
    (_when("query.char > 1"), "spec.routes[0].when"),
    (_when("query.chars"), "spec.routes[0].when"),
    (_when("query.chars > 1.5"), "spec.routes[0].when"),
    (_when("targets.nobody.healthy"), "spec.routes[0].when"),
    (_when('label.learned == "z"'), "spec.routes[0].when"),
    (_when("answer.isJson"), "spec.routes[0].when"),
    (_when("targets.x.tired"), "spec.routes[0].when"),
    (_when("query.chars >"), "spec.routes[0].when"),
    (_last({"weighted": {"targets": [{"name": "nobody"}]}}), "spec.routes["),
    (_last({"select": {"by": "nobody", "targets": [{"label": "x", "target": "x"}]}}), "spec.routes["),
    (_last({"select": {"by": "picked", "targets": [{"label": "x", "target": "x"}]}}), "spec.routes["),
    (_last({"bestOf": {"targets": [{"name": "x", "samples": 9}], "majority": {}}}), "spec.routes["),
    (_mixed, "spec.routes["),
    (_last({"failover": {"tiers": [{"targets": [{"name": "x"}, {"name": "nobody"}]}]}}), "spec.routes["),
    (_deployed("service", {"labels": _LABEL}), "spec.router.deployment.service.labels"),
    (_deployed("podTemplate", {"metadata": {"labels": _LABEL}}), _TEMPLATE + "metadata.labels"),
    (_template(serviceAccountName="mine"), _TEMPLATE + "spec.serviceAccountName"),
    (_template(containers=[{"name": "router", "command": ["sh"]}]), _TEMPLATE + "spec.containers[0].command"),
    (_template(containers=[{"name": "router", "$patch": "delete"}]), _TEMPLATE + "spec.containers[0]"),
    (_template(volumes=[{"name": "config", "$patch": "delete"}]), _TEMPLATE + "spec.volumes"),
    (_template(containers="all"), _TEMPLATE + "spec.containers"),
)


def fields_of_schema() -> set[str]:
    """Every field of both kinds that can be written."""
    return {
        f"{model.__name__}.{path}"
        for model in (ModelBackend, RoutingPolicy)
        for path in _schema_fields(structural(model)["properties"]["spec"])
    }


def fields_of(specs: Specs) -> set[str]:
    found = {f"RoutingPolicy.{path}" for path in _fields(specs.policy)}
    return found | {f"ModelBackend.{path}" for spec in specs.backends for path in _fields(spec)}


def _schema_fields(schema: Spec, path: str = "spec") -> Iterator[str]:
    if "items" in schema:
        yield from _schema_fields(schema["items"], path)
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from _schema_fields(field, f"{path}.{name}")


def _fields(value: Any, path: str = "spec") -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _fields(item, path)
    elif isinstance(value, dict):
        for name, field in value.items():
            yield f"{path}.{name}"
            yield from _fields(field, f"{path}.{name}")


def covering(count: int) -> list[Specs]:
    """The first so many specs by chance that together have every field of the schema."""
    for seed in range(1000):
        chance = Chance(seed)
        found = [chance.specs() for _ in range(count)]
        if fields_of_schema() <= set[str]().union(*map(fields_of, found)):
            return found
    raise AssertionError("no specs have every field: is one missing in the generator?")
