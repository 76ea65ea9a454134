"""The project's own image, built by its Dockerfile: without a network, from wheels fetched beforehand."""

import gzip
import hashlib
import subprocess
import sys
import tarfile
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cluster import cache
from cluster.build import Say
from cluster.errors import ClusterError
from cluster.node import images
from cluster.node.images import BASE, BUILDER, run

REPOSITORY, TAG = "localhost/signalbox", "dev"
NAME = f"{REPOSITORY}:{TAG}"
ROOT = Path(__file__).parents[3]
KEPT = 2  # older images, beside the newest
IN_USE_SECONDS = 3600.0
EPOCH = 1580601600  # of all times in the image, as in the Dockerfile

# What the Dockerfile copies, as .dockerignore lets it.
FILES = (
    "Dockerfile",
    ".dockerignore",
    "scripts/install",
    "scripts/compiled.py",
    "scripts/sbom.py",
    "pyproject.toml",
    "constraints.txt",
    "README.md",
    "LICENSE",
)
FOLDERS = ("operator", "manifests/examples")


def image(say: Say) -> Path:
    """An OCI archive with the image of this tree."""
    base, builder = images.base(say), images.builder(say)
    wheels = downloaded(base, say)
    name = f"images/signalbox-{digest([base.name, builder.name, wheels.name], sources())}"
    place = cache.made(name, lambda place: build(place, base, builder, wheels, say), say)
    drop_old(place)
    return place


def sources() -> list[Path]:
    """Every file that goes into the image."""
    found = [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    return sorted([*(file for file in found if file.parent.name != "__pycache__"), *(ROOT / name for name in FILES)])


def digest(parts: Iterable[str], files: Iterable[Path]) -> str:
    """A hash of all that decides what comes out."""
    known = hashlib.sha256("\0".join(parts).encode())
    for file in files:
        content = file.read_bytes()
        known.update(f"\0{file.relative_to(ROOT)} {file.stat().st_mode:o} {len(content)}\0".encode() + content)
    return known.hexdigest()[:16]


def downloaded(base: Path, say: Say) -> Path:
    """A directory of wheels: all that the image needs, and what builds the package itself."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    tools = project["project"]["optional-dependencies"]["compiled"]
    wanted = [*project["build-system"]["requires"], *tools, *project["project"]["dependencies"]]

    def make(place: Path) -> None:
        say("fetching the wheels of the image")
        version = python_of(base)
        run(
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--only-binary=:all:", f"--python-version={version}", f"--constraint={ROOT / 'constraints.txt'}"),
            *(f"--dest={place}", *wanted),
        )

    return cache.made(f"wheels/wheels-{digest([base.name, *wanted], [ROOT / 'constraints.txt'])}", make, say)


def python_of(base: Path) -> str:
    """The version of Python in an image, such as 3.11: wheels are made for one."""
    with tarfile.open(base) as archive:
        for blob in archive:
            if not blob.name.startswith("blobs/") or blob.size < 1_000_000:
                continue
            content = archive.extractfile(blob)
            with tarfile.open(fileobj=content, mode="r|") as layer:
                for member in layer:
                    head, _, version = member.name.rpartition("usr/bin/python3.")
                    if version.isdigit() and head in {"", "./"}:
                        return f"3.{version}"
    raise ClusterError(f"no Python is found in {base}")


def build(place: Path, base: Path, builder: Path, wheels: Path, say: Say, context: Path = ROOT) -> None:
    """Build the image, in a store that lasts no longer. There is no network in it, not even by accident."""
    say(f"building the image {NAME} (two or three minutes: the hot path is compiled)")
    begin = time.monotonic()
    with store(place.with_name(f"{place.name}.store")) as buildah:
        for archive, name in ((base, BASE), (builder, BUILDER)):
            identity = run(*buildah, "pull", "--quiet", f"oci-archive:{archive}").split()[-1]
            run(*buildah, "tag", identity, name)
        run(
            *("unshare", "--net", *buildah, "build", "--quiet", "--isolation=chroot", f"--timestamp={EPOCH}"),
            *(f"--build-arg=BASE={BASE}", f"--build-arg=BUILDER={BUILDER}", f"--build-context=wheels={wheels}"),
            *(f"--tag={NAME}", str(context)),
        )
        run(*buildah, "push", "--quiet", "--disable-compression", NAME, f"oci-archive:{place}:{NAME}")
    grown = (unpacked_size(place) - unpacked_size(base)) / 1e6
    say(f"built {NAME} in {time.monotonic() - begin:.0f} s: {grown:.0f} MB over its base")


def unpacked_size(archive: Path) -> int:
    """Bytes of all layers of an OCI archive, whether they are compressed in it or not."""
    total = 0
    with tarfile.open(archive) as outer:
        for blob in outer:
            content = outer.extractfile(blob)
            if content is None:
                continue
            head = content.read(2)
            if head == b'{"':
                continue  # a manifest or a configuration
            content.seek(0)
            if head == b"\x1f\x8b":
                with gzip.open(content) as layer:
                    while chunk := layer.read(1 << 20):
                        total += len(chunk)
            elif blob.name.startswith("blobs/"):
                total += blob.size
    return total


@contextmanager
def store(place: Path) -> Iterator[tuple[str, ...]]:
    """buildah with images of its own, in plain directories: every file system has those."""
    cache.remove(place)
    place.mkdir(parents=True)
    buildah = ("buildah", f"--root={place / 'root'}", f"--runroot={place / 'run'}", "--storage-driver=vfs")
    try:
        yield buildah
    finally:
        subprocess.run([*buildah, "umount", "--all"], check=False, capture_output=True)
        cache.remove(place)


def drop_old(newest: Path) -> None:
    """Every change of the sources makes another image: keep few, and those that somebody may be loading."""
    others = sorted(
        (place for place in newest.parent.glob("signalbox-*") if place != newest),
        key=lambda place: place.stat().st_mtime,
        reverse=True,
    )
    for place in [*others[KEPT:], *newest.parent.glob(".signalbox-*.new*")]:  # and what builds left that were killed
        if time.time() - place.stat().st_mtime > IN_USE_SECONDS:
            cache.remove(place)
