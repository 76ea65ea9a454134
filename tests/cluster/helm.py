"""The real Helm, as a user would call it."""

import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from cluster import build
from cluster.api import Object
from cluster.running import Cluster

CHART = Path(__file__).parents[2] / "charts" / "signalbox"


def helm(
    cluster: Cluster | None, *arguments: str | Path, check: bool = True, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, as the administrator of a cluster if it needs one. Raises ``AssertionError`` with what it said."""
    with tempfile.TemporaryDirectory() as home:  # nothing of the user's: no plugins, repositories or caches
        environment = {**os.environ, "HELM_DATA_HOME": home, "HELM_CONFIG_HOME": home, "HELM_CACHE_HOME": home}
        if cluster:
            environment["KUBECONFIG"] = str(cluster.kubeconfig)
        command = [build.helm(print), *arguments]
        done = subprocess.run(command, check=False, input=stdin, capture_output=True, text=True, env=environment)
    assert not check or done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stderr}"
    return done


def rendered(
    *values: str, release: str = "signalbox", namespace: str = "signalbox", options: Sequence[str] = ()
) -> list[Object]:
    """The chart's manifests with some values, such as ``replicas=1``."""
    sets = [f"--set={each}" for each in values]
    return parsed(helm(None, "template", release, CHART, "--namespace", namespace, *sets, *options).stdout)


def parsed(text: str) -> list[Object]:
    """The manifests in what Helm says. libyaml, where PyYAML has it, reads CRDs ten times as fast."""
    return [each for each in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if each]
