"""The real kubectl of the virtual environment, as a user would call it."""

import os
import subprocess
import sysconfig
from pathlib import Path

from cluster.running import Cluster

KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"


def kubectl(cluster: Cluster, *arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command as the administrator. Raises ``AssertionError`` with what it said if it fails."""
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig)}
    done = subprocess.run([KUBECTL, *arguments], check=False, capture_output=True, text=True, env=environment)
    assert not check or done.returncode == 0, f"kubectl {' '.join(map(str, arguments))}: {done.stderr}"
    return done
