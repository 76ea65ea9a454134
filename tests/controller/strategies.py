"""Classifiers and strategies by chance. Nothing can be learned of their examples, and their finished models are none:
what was learned outlives an edit, and that is the matter of other tests."""

import random
from collections.abc import Callable

from draws import Draws, Spec

EXAMPLES: Spec = {"configMapKeyRef": {"name": "examples", "key": "none.jsonl"}}
SECRET: Spec = {"secretKeyRef": {"name": "upstream", "key": "token"}}
NAMES = "learned", "picked", "asked"


class Strategies(Draws):
    """Draws them for the targets of a policy."""

    def __init__(self, source: random.Random, names: list[str]) -> None:
        super().__init__(source)
        self._names = names

    def classifiers(self) -> list[Spec]:
        """One of each kind, all with two labels."""
        kinds = self._trained(), self._llm(), self._http()
        return [
            {
                "name": name,
                "labels": ["x", "y"],
                "default": self.one("x", "y")(),
                **self.fields(timeout=self.one("500ms", "3s"), minConfidencePercent=self.one(50, 80)),
                **kind,
            }
            for name, kind in zip(NAMES, kinds, strict=True)
        ]

    def _trained(self) -> Spec:
        one = self.one
        if self._random.random() < 0.3:
            return {"trained": {"modelFrom": one(SECRET, EXAMPLES)()}}
        cut = one({}, {"strongSharePercent": 30}, {"thresholdPercent": 5})()
        targets = self.fields(targets=one([{"label": "x", "target": "small"}]))
        return {"trained": {"examplesFrom": one([EXAMPLES], [SECRET, EXAMPLES])(), **targets, **cut}}

    def _llm(self) -> Spec:
        more = self.fields(
            prompt=self.one("Which of {labels}?", "Whose is {query}?"),
            descriptions=self.one([{"label": "x", "text": "short"}], [{"label": "y", "text": "long"}]),
        )
        return {"llm": {"target": self._target(), **more}}

    def _http(self) -> Spec:
        one = self.one

        def key() -> Spec:
            named = {"secretRef": {"name": "upstream", "key": one("token", "other")()}}
            return {"apiKey": named | self.fields(header=one("x-api-key", "Authorization"))}

        urls = "https://classifier.example.com/v1", "https://classifier.example.com:8443"
        return {
            "http": {
                "url": one(*urls)(),
                **self.fields(auth=key, caConfigMapRef=one({"name": "authority", "key": "ca.crt"})),
            }
        }

    def strategy(self) -> Spec:
        """Of a route."""
        kinds: list[Callable[[], Spec]] = [
            self._by_share,
            self._failover,
            self._select,
            self._objective,
            self._cascade,
            self._best_of,
        ]
        return self._random.choice([*kinds, self._consensus] if len(self._names) > 1 else kinds)()

    def _target(self) -> str:
        return str(self._random.choice(self._names))

    def _by_share(self) -> Spec:
        return {"weighted": {"targets": self.shares(self._names)}}

    def _failover(self) -> Spec:
        tiers = [{"targets": self.shares(self._names)} for _ in range(self._random.randint(1, 2))]
        spill = self.fields(spill=self.one({"fromPercent": 80, "toPercent": 100}, {"fromPercent": 50, "toPercent": 60}))
        return {"failover": {"tiers": tiers, **(spill if len(tiers) > 1 else {})}}

    def _select(self) -> Spec:
        by, otherwise = self.one(*NAMES)(), {"otherwise": self._target()}
        if {"x", "y"} <= set(self._names) and self._random.random() < 0.5:
            return {"select": {"best": {"by": by}, **otherwise}}
        return {"select": {"by": by, "targets": [{"label": "x", "target": self._target()}], **otherwise}}

    def _objective(self) -> Spec:
        one = self.one
        aims = *({"minimize": aim} for aim in ("Cost", "Latency", "Load")), {"maximize": "Quality"}
        more = self.fields(
            filter=one("target.healthy", 'target.name == "x" || query.hasCode'),
            quality=one({"classifier": "learned"}, {"classifier": "picked"}),
            bounds=lambda: self.fields(minQuality=one(50, 70), maxCost=one("0.01", "1"), maxFirstToken=one("1s", "5s")),
        )
        return {"objective": {**one(*aims)(), "targets": [{"name": name} for name in self._names], **more}}

    def _chain(self) -> Spec:
        one = self.one

        def limits() -> Spec:
            return {"maxCalls": one(32, 64)(), **self.fields(maxCost=one("0.05", "1"), timeout=one("30s", "2m"))}

        return self.fields(limits=limits, onFailure=one("NextStep", "BestSoFar", "Error"))

    def _judge(self) -> Spec:
        return {"target": self._target(), **self.fields(rubric=self.one("short", "complete"))}

    def _accept(self) -> Spec:
        one = self.one
        ways: list[Callable[[], Spec]] = [
            lambda: {"logProbs": self.fields(examplesFrom=one([EXAMPLES], [SECRET, EXAMPLES]))},
            lambda: {"agreement": self.fields(samples=one(2, 3), equality=one("Exact", "Numeric"))},
            lambda: {"judge": self._judge()},
            lambda: {"expression": one("answer.isJson", 'answer.finishReason == "stop"')()},
        ]
        found = self._random.choice(ways)()
        return found if "expression" in found else found | self.fields(minPercent=one(60, 90))

    def _cascade(self) -> Spec:
        steps = [{"target": self._target(), "accept": self._accept()} for _ in range(self._random.randint(1, 2))]
        last = self.one({"target": self._target()}, {"weighted": {"targets": self.shares(self._names)}})()
        return {"cascade": {"steps": [*steps, last]}, **self._chain()}

    def _best_of(self) -> Spec:
        way = self.one({"judge": self._judge()}, {"majority": self.fields(equality=self.one("Exact", "Numeric"))})()
        sampled = [{"name": name, **self.fields(samples=self.one(1, 2))} for name in self._names]
        sampled[0]["samples"] = 2
        return {"bestOf": {"targets": sampled, **way}, **self._chain()}

    def _consensus(self) -> Spec:
        judged = {"equality": "Judged", "judge": self._judge()}
        more = self.one({}, {"equality": "Numeric"}, judged)() | self.fields(minPercent=self.one(60, 80))
        voters = [{"name": name} for name in self._names]
        return {"consensus": {"targets": voters, "escalateTo": self._target(), **more}, **self._chain()}
