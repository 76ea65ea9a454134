"""Images without a registry: written as OCI archives of one layer each, kept in the cache."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cluster import build, cache
from cluster.build import Say
from cluster.errors import ClusterError

BASE, BUILDER, PAUSE = "localhost/base:1", "localhost/builder:1", "localhost/pause:1"
BASE_PACKAGES = "python3,python3-venv,ca-certificates"
BUILDER_PACKAGES = f"{BASE_PACKAGES},python3-dev,gcc,libc6-dev"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def all_of_them(say: Say) -> list[Path]:
    """The archives that every node gets."""
    return [pause(say), base(say)]


def pause(say: Say) -> Path:
    """The image of a pod's sandbox."""
    program = build.pause(say)

    def make(place: Path) -> None:
        layer = place.with_name(f"{place.name}.layer")
        with tarfile.open(layer, "w") as tar:
            tar.add(program, "pause", filter=lambda info: info.replace(mode=0o755, uid=0, gid=0, deep=False))
        write(place, PAUSE, layer, ["/pause"])
        layer.unlink()

    return cache.made(f"images/pause-{program.name.rpartition('-')[2]}", make, say)


def base(say: Say) -> Path:
    """Debian's smallest system with Python, of the release and from the mirror that this machine itself uses."""
    return system(BASE, BASE_PACKAGES, say)


def builder(say: Say) -> Path:
    """The same with a C compiler."""
    return system(BUILDER, BUILDER_PACKAGES, say)


def system(image: str, packages: str, say: Say) -> Path:
    """Debian with these packages."""
    suite, mirror = debian()
    kind = image.partition("/")[2].partition(":")[0]

    def make(place: Path) -> None:
        say(f"making the {kind} image of Debian {suite} (a minute)")
        root, layer = place.with_name(f"{place.name}.root"), place.with_name(f"{place.name}.layer")
        cache.remove(root)
        try:
            run("debootstrap", "--variant=minbase", f"--include={packages}", suite, str(root), mirror)
            for waste in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
                cache.remove(root / waste)
            run("tar", "--directory", str(root), "--numeric-owner", "--create", "--file", str(layer), ".")
            write(place, image, layer, ["python3"])
        finally:
            cache.remove(root)
            cache.remove(layer)

    name = hashlib.sha256(f"{suite} {packages}".encode()).hexdigest()[:16]
    return cache.made(f"images/{kind}-{name}", make, say)


def debian() -> tuple[str, str]:
    """Release and mirror, as apt knows them."""
    codename = next(
        (
            line.partition("=")[2].strip('"')
            for line in Path("/etc/os-release").read_text().splitlines()
            if line.startswith("VERSION_CODENAME=")
        ),
        "",
    )
    listed = run("apt-get", "indextargets", "--format", "$(RELEASE) $(REPO_URI)").splitlines()
    mirrors = [line.partition(" ")[2] for line in listed if line.partition(" ")[0] == codename]
    if not mirrors:
        raise ClusterError(
            f"apt lists no mirror for this machine's release ({codename or 'unknown'}): run apt-get update"
        )
    return codename, mirrors[0]


def run(*command: str) -> str:
    """Run a command; what it printed. Raises ``ClusterError``."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise ClusterError(f"{command[0]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def write(place: Path, name: str, layer: Path, command: Sequence[str]) -> None:
    """An OCI archive with one image of one layer."""
    digest, size = measured(layer)
    architecture = ARCHITECTURES.get(platform.machine(), platform.machine())
    config = encoded(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {
                "Cmd": list(command),
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            },
            "rootfs": {"type": "layers", "diff_ids": [digest]},
        }
    )
    manifest = encoded(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(CONFIG, config),
            "layers": [{"mediaType": LAYER, "digest": digest, "size": size}],
        }
    )
    names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
    index = {"schemaVersion": 2, "manifests": [described(MANIFEST, manifest) | {"annotations": names}]}
    with tarfile.open(place, "w") as tar:
        add(tar, "oci-layout", encoded({"imageLayoutVersion": "1.0.0"}))
        add(tar, "index.json", encoded(index))
        for blob in (config, manifest):
            add(tar, f"blobs/sha256/{hashlib.sha256(blob).hexdigest()}", blob)
        tar.add(layer, f"blobs/sha256/{digest.removeprefix('sha256:')}")


def measured(file: Path) -> tuple[str, int]:
    with file.open("rb") as content:
        return f"sha256:{hashlib.file_digest(content, 'sha256').hexdigest()}", file.stat().st_size


def described(kind: str, blob: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}", "size": len(blob)}


def encoded(content: Any) -> bytes:
    return json.dumps(content).encode()


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    tar.addfile(info, io.BytesIO(content))
