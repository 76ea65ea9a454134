"""How tools judge an object: Argo CD by a script, Flux and Helm's --wait by the library kstatus; the real ones."""

import json
import subprocess
from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime

from cluster import build
from cluster.api import Object

# What one says of what the other says.
SAME = {"Healthy": "Current", "Progressing": "InProgress", "Degraded": "Failed"}
SCRIPTS = Path(__file__).parents[3] / "manifests" / "gitops" / "resource_customizations" / "signalbox.dev"


def argo(obj: Object) -> tuple[str, str]:
    """Status and message, as Argo CD's engine finds them: Lua 5.1, without strings, files and the system."""
    runtime = LuaRuntime(unpack_returned_tuples=True, register_eval=False, register_builtins=False)
    for library in ("string", "io", "os", "package", "require", "debug", "dofile", "loadfile", "loadstring", "load"):
        runtime.globals()[library] = None
    runtime.globals()["obj"] = table(runtime, obj)
    found = runtime.execute((SCRIPTS / obj["kind"] / "health.lua").read_text())
    return str(found["status"]), str(found["message"])


def table(runtime: Any, value: Any) -> Any:
    """JSON as Lua has it."""
    if isinstance(value, dict):
        return runtime.table_from({key: table(runtime, each) for key, each in value.items()})
    if isinstance(value, list):
        return runtime.table_from([table(runtime, each) for each in value])
    return value


def kstatus(obj: Object) -> str:
    """Current, InProgress, Failed or Terminating."""
    identified = {"apiVersion": "signalbox.dev/v1alpha1", **obj}
    done = subprocess.run(
        [build.kstatus(print)], input=json.dumps(identified), check=True, capture_output=True, text=True
    )
    return str(json.loads(done.stdout)["status"])
