"""How tools judge a status: Argo CD by its script, kstatus (Flux, kubectl, Argo CD's waits) by the conditions alone."""

from pathlib import Path
from typing import Any

from lupa.lua51 import LuaRuntime

from cluster.api import Object

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
    """Current, InProgress, Failed or Terminating, by the rules for kinds that kstatus does not know."""
    if "deletionTimestamp" in obj["metadata"]:
        return "Terminating"
    status = obj.get("status") or {}
    if status.get("observedGeneration", obj["metadata"]["generation"]) != obj["metadata"]["generation"]:
        return "InProgress"
    conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "Current" if conditions.get("Ready", "True") == "True" else "InProgress"
