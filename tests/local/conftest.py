"""A directory of resources to edit."""

from pathlib import Path

import pytest

BACKEND = """
apiVersion: signalbox.dev/v1alpha1
kind: ModelBackend
metadata: {{name: {name}}}
spec:
  model: m-{name}
  url: http://127.0.0.1:9/v1
"""
POLICY = """
apiVersion: signalbox.dev/v1alpha1
kind: RoutingPolicy
metadata: {{name: {name}}}
spec:
  models: [{model}]
  access: {{anonymous: {{}}}}
  targets: [{{name: a, backendRef: {{name: a}}}}]
  routes:
  - name: some
    when: {when}
    weighted: {{targets: [{{name: a}}]}}
  - name: all
    weighted: {{targets: [{{name: a}}]}}
"""


class Directory:
    """Writes resources, one a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> None:
        (self.path / f"{name}.yaml").write_text(text)

    def backend(self, name: str = "a") -> None:
        self.write(f"backend-{name}", BACKEND.format(name=name))

    def policy(self, name: str, model: str = "", when: str = "request.stream") -> None:
        self.write(f"policy-{name}", POLICY.format(name=name, model=model or name, when=when))

    def remove(self, name: str) -> None:
        (self.path / f"{name}.yaml").unlink()


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    found = Directory(tmp_path)
    found.backend()
    found.policy("one")
    found.policy("two")
    return found
