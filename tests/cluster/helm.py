"""The real Helm, as a user would call it."""

import os
import subprocess
import tempfile
from pathlib import Path

from cluster import build
from cluster.running import Cluster

CHART = Path(__file__).parents[2] / "charts" / "signalbox"


def helm(cluster: Cluster | None, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command, as the administrator of a cluster if it needs one. Raises ``AssertionError`` with what it said."""
    with tempfile.TemporaryDirectory() as home:  # nothing of the user's: no plugins, repositories or caches
        environment = {**os.environ, "HELM_DATA_HOME": home, "HELM_CONFIG_HOME": home, "HELM_CACHE_HOME": home}
        if cluster:
            environment["KUBECONFIG"] = str(cluster.kubeconfig)
        command = [build.helm(print), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert not check or done.returncode == 0, f"helm {' '.join(map(str, arguments))}: {done.stderr}"
    return done
