"""Usage: python scripts/sbom.py [FILE]: what is installed beside signalbox, as CycloneDX 1.6 in JSON.

Made from the metadata of this interpreter's distributions, so that it says what an image really holds and asks nobody.
The same distributions give the same bytes: there is no time and nothing drawn in it.
"""

import json
import re
import sys
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = "signalbox"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
_EXTRA = re.compile(r"\bextra\s*==")


def document(root: str = ROOT) -> dict[str, Any]:
    """Everything that a distribution needs and that is installed."""
    found = _closure(root)
    top = found[root]
    components = [_component(each) for name, each in sorted(found.items()) if name != root]
    dependencies = [
        {"ref": _purl(each), "dependsOn": sorted(_purl(found[name]) for name in _needs(each) if name in found)}
        for _, each in sorted(found.items())
    ]
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**_component(top), "type": "application"}},
        "components": components,
        "dependencies": dependencies,
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "serialNumber": f"urn:uuid:{serial}", **body}


def _closure(root: str) -> dict[str, Distribution]:
    """What is not installed was not needed here: on this platform, by this version of Python."""
    found: dict[str, Distribution] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += _needs(found[name])
    return found


def _needs(of: Distribution) -> set[str]:
    lines = (line for line in of.requires or () if not _EXTRA.search(line))
    return {_normal(match.group()) for line in lines if (match := _NAME.match(line))}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _purl(of: Distribution) -> str:
    return f"pkg:pypi/{_normal(of.name)}@{of.version}"


def _component(of: Distribution) -> dict[str, Any]:
    expression = of.metadata.get("License-Expression")
    classified = [
        {"license": {"name": line.rsplit(" :: ", 1)[1]}}
        for line in of.metadata.get_all("Classifier") or ()
        if line.startswith("License :: ") and line.count(" :: ") > 1
    ]
    licenses = [{"expression": expression}] if expression else classified
    return {
        "type": "library",
        "bom-ref": _purl(of),
        "name": _normal(of.name),
        "version": of.version,
        "purl": _purl(of),
        **({"licenses": licenses} if licenses else {}),
    }


if __name__ == "__main__":
    text = json.dumps(document(), indent=2) + "\n"
    if len(sys.argv) > 1:
        Path(sys.argv[1]).parent.mkdir(parents=True, exist_ok=True)
        Path(sys.argv[1]).write_text(text)
    else:
        sys.stdout.write(text)
