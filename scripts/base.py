"""Writes the Kustomize base: the chart with its default values, without the marks of Helm.

It needs Helm, which is built as for the tests.
"""

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from cluster.api import Object  # noqa: E402
from cluster.helm import rendered  # noqa: E402

NAMESPACE = "signalbox"
NOTICE = "# Rendered from charts/signalbox by `make generate`: do not edit.\n"
HELMS_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")
HELMS_ANNOTATIONS = ("helm.sh/resource-policy",)


def files() -> dict[str, str]:
    """Name and text of every file of the base."""
    manifests = [bare(each) for each in rendered()]
    crds = [each for each in manifests if each["kind"] == "CustomResourceDefinition"]
    others = [namespace(), *(each for each in manifests if each not in crds)]
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["crds.yaml", "operator.yaml"],
    }
    return {
        "crds.yaml": text(crds),
        "operator.yaml": text(others),
        "kustomization.yaml": text([kustomization]),
    }


def namespace() -> Object:
    """Where it is installed; the chart leaves this to Helm."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}


def bare(manifest: Object) -> Object:
    """A manifest that Helm has nothing to do with any more, pods included."""
    for metadata in (manifest["metadata"], manifest.get("spec", {}).get("template", {}).get("metadata", {})):
        for key, names in (("labels", HELMS_LABELS), ("annotations", HELMS_ANNOTATIONS)):
            for name in names:
                metadata.get(key, {}).pop(name, None)
            if metadata.get(key) == {}:
                del metadata[key]
    return manifest


def text(manifests: list[Object]) -> str:
    return NOTICE + yaml.safe_dump_all(manifests, sort_keys=False, width=120, allow_unicode=True)


def main() -> None:
    place = ROOT / "manifests" / "base"
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files().items():
        if not (place / name).exists() or (place / name).read_text() != content:
            (place / name).write_text(content)
            print(f"wrote manifests/base/{name}")


if __name__ == "__main__":
    main()
