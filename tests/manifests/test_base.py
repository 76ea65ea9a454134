"""What is installed without Helm is what the chart would install."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import kubernetes_validate
import pytest

from cluster import build
from cluster.api import Object
from cluster.helm import parsed
from cluster.kubectl import KUBECTL
from cluster.node.images import run

ROOT = Path(__file__).parents[2]
BASE = ROOT / "manifests" / "base"


@pytest.fixture(scope="module")
def base() -> ModuleType:
    """scripts/base.py."""
    spec = importlib.util.spec_from_file_location("base", ROOT / "scripts" / "base.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


def test_the_base_is_the_chart(base: ModuleType) -> None:
    """``make generate`` writes it."""
    assert {file.name: file.read_text() for file in BASE.iterdir()} == base.files()


def test_kustomize_builds_the_base() -> None:
    built = parsed(run(str(KUBECTL), "kustomize", str(BASE)))
    files = ("crds.yaml", "operator.yaml")
    written = [each for name in files for each in parsed((BASE / name).read_text())]
    assert by_name(built) == by_name(written)
    major_minor = ".".join(build.kubernetes_version().split(".")[:2])
    for each in built:
        kubernetes_validate.validate(each, f"{major_minor}.0", strict=True)


def by_name(manifests: list[Object]) -> dict[tuple[str, str], Object]:
    return {(each["kind"], each["metadata"]["name"]): each for each in manifests}


def test_no_tool_deletes_the_crds_with_all_policies() -> None:
    for each in parsed((BASE / "crds.yaml").read_text()):
        annotations = each["metadata"]["annotations"]
        assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"
        assert annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
