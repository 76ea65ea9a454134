"""Lines through the policy of a text, planned as any directory is."""

import json
from pathlib import Path
from typing import Any

from signalbox.evaluation.lines import read
from signalbox.evaluation.run import Run, run
from signalbox.local import workspace
from signalbox.local.resources import Options

BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec:
  model: {name}
  url: https://{name}.example.com/v1
  profile: {{quality: {quality}, contextWindow: {window}, features: [LogProbs, JSONSchema]}}
  pricing: {{inputPerMillion: "{price}", outputPerMillion: "{price}"}}
---
"""
POLICY = """
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {name: p}
spec:
  models: [auto]
  targets:
  - {name: small, backendRef: {name: small}}
  - {name: middle, backendRef: {name: middle}}
  - {name: strong, backendRef: {name: strong}}
  access: {}
"""
TENANTS = "{tenants: [{name: acme, keysFrom: [{secretRef: {name: keys}}]}]}"
SECRET = {"SIGNALBOX_SECRET_KEYS_ONE": "a-key-of-sixteen-bytes"}
BACKENDS = "".join(
    BACKEND.format(name=name, quality=quality, window=window, price=price)
    for name, quality, window, price in (("small", 40, 100, 1), ("middle", 60, 1000, 10), ("strong", 80, 1000, 100))
)


def replayed(path: Path, policy: str, *lines: dict[str, Any]) -> Run:
    """``policy`` is what follows in its spec: routes, classifiers. Everybody may use it, unless it speaks of acme."""
    access = TENANTS if "acme" in policy else "{anonymous: {}}"
    text = POLICY.replace("  access: {}", f"{policy.rstrip()}\n  access: {access}")
    (path / "policy.yaml").write_text(BACKENDS + text)
    found = workspace.read(Options(path, environment=SECRET))
    assert not found.errors, [one.problem for one in found.errors]
    router = found.plan.routers[0]
    served = [(each, {backend.name: backend for backend in router.config.backends}) for each in router.config.policies]
    data = "\n".join(json.dumps(line) for line in lines).encode()
    return run(served, read(data, "lines"), lambda _: None)[0]


def line(prompt: str = "Why?", **fields: Any) -> dict[str, Any]:
    """A line of a prompt."""
    return {"prompt": prompt, **fields}


def answer(text: str = "yes", **fields: Any) -> dict[str, Any]:
    """Of ten tokens in, ten out, in a tenth of a second."""
    return {"text": text, "inputTokens": 10, "outputTokens": 10, "latencyMs": 100, **fields}
