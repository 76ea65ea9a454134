"""The image: the same to the byte whoever builds it and whenever, with a bill of what is in it, and compiled.

Two builds take minutes: ``make image-twice``.
"""

import hashlib
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from cluster.build import Say
from cluster.node import images, packages, product

EARLIER, LATER = 1_500_000_000, 1_900_000_000


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("apt-get") is None, reason="buildah comes by apt-get, as root")
def test_two_builds_of_the_same_sources_give_the_same_image(tmp_path: Path, say: Say) -> None:
    packages.ensure(say)
    base, builder = images.base(say), images.builder(say)
    wheels = product.downloaded(base, say)
    built = []
    for name, umask, age in (("one", 0o022, EARLIER), ("two", 0o027, LATER)):
        before = os.umask(umask)
        try:
            sources = copied(tmp_path / name / "sources", age)
            product.build(tmp_path / name / "image", base, builder, wheels, say, sources)
        finally:
            os.umask(before)
        built.append(tmp_path / name / "image")
    one, two = map(files, built)
    assert [name for name in sorted(one | two) if one.get(name) != two.get(name)] == []
    assert digests(built[0]) == digests(built[1])
    home = "opt/signalbox"
    bill = json.loads(content(built[0], f"{home}/sbom.cdx.json"))
    installed = {name.split("/")[-2] for name in one if name.endswith(".dist-info/METADATA")}
    listed = {(each["name"], each["version"]) for each in [bill["metadata"]["component"], *bill["components"]]}
    assert listed == {
        (name.lower().replace("_", "-").replace(".", "-"), version)
        for name, _, version in (each.removesuffix(".dist-info").rpartition("-") for each in installed)
    }
    assert [name for name in one if name.startswith(home) and "signalbox/router/wire/sse.cpython" in name]
    assert not [name for name in one if name.startswith(("usr/bin/gcc", "usr/bin/cc", f"{home}/bin/mypy"))]


def copied(place: Path, age: float) -> Path:
    """The sources of the image, in another place and with other times and rights."""
    for source in product.sources():
        target = place / source.relative_to(product.ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if os.access(source, os.X_OK):
            target.chmod(target.stat().st_mode | 0o111)
    for path in place.rglob("*"):
        os.utime(path, (age, age))
    return place


def layers(archive: Path) -> list[bytes]:
    """The layers of an image, the lowest first."""
    with tarfile.open(archive) as outer:

        def blob(digest: str) -> bytes:
            found = outer.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
            assert found is not None
            return found.read()

        index = outer.extractfile("index.json")
        assert index is not None
        manifest = json.loads(blob(json.loads(index.read())["manifests"][0]["digest"]))
        return [blob(each["digest"]) for each in manifest["layers"]]


def digests(archive: Path) -> list[str]:
    """Of what a registry would hold: manifest, configuration, layers."""
    with tarfile.open(archive) as outer:
        return sorted(name for name in outer.getnames() if name.startswith("blobs/"))


def files(archive: Path) -> dict[str, tuple[object, ...]]:
    """Everything that is in the layers: its kind, rights, owner, time and content."""
    found: dict[str, tuple[object, ...]] = {}
    for layer in layers(archive):
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for each in tar:
                read = tar.extractfile(each) if each.isreg() else None
                digest = hashlib.sha256(read.read()).hexdigest() if read is not None else each.linkname
                found[each.name] = (each.type, each.mode, each.uid, each.gid, each.mtime, digest)
    return found


def content(archive: Path, name: str) -> bytes:
    """Of one file."""
    for layer in reversed(layers(archive)):
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            if name in tar.getnames():
                read = tar.extractfile(name)
                assert read is not None
                return read.read()
    raise KeyError(name)
