"""What was valid last goes on serving while its file is being edited."""

from collections.abc import Mapping
from dataclasses import replace

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.local.objects import Resource
from signalbox.local.resources import Options, read_source, resources
from signalbox.local.source import Object, Source
from signalbox.local.workspace import Workspace, assemble


class LastGood:
    """Reads a directory again and again. An invalid resource is replaced by its last valid form, each for itself; a
    resource that is gone is gone.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._objects: list[Object] = []
        self._policies: dict[str, RoutingPolicy] = {}
        self._backends: dict[str, ModelBackend] = {}

    def read(self) -> tuple[Workspace, Workspace]:
        """The directory as it is, with all its problems, and what to serve. Raises ``SourceError``."""
        source, namespace = read_source(self._options)
        self._restore_broken(source)
        found = resources(source, namespace, self._options)
        seen = assemble(found, self._options)
        policies, backends = _invalid(seen, "RoutingPolicy"), _invalid(seen, "ModelBackend")
        served = seen
        if (policies | backends) & {*self._policies, *self._backends}:
            restored = replace(
                found,
                source=replace(source, problems=[]),
                policies=_restored(found.policies, policies, self._policies),
                backends=_restored(found.backends, backends, self._backends),
                invalid_backends=backends - self._backends.keys(),
            )
            served = assemble(restored, self._options)
        self._keep(served)
        return seen, served

    def _restore_broken(self, source: Source) -> None:
        """A file that is no YAML at this moment still holds what it held. So does one that is empty: many programs
        empty a file before they write it.
        """
        there = {(o.kind, o.name) for o in source.objects}
        unsure = source.broken | source.empty
        lost = [o for o in self._objects if o.file in unsure and (o.kind, o.name) not in there]
        for file in sorted({o.file for o in lost} & source.empty):
            source.notes.append(f"{file} is empty: what it held goes on serving; delete the file to end that")
        source.objects += lost

    def _keep(self, served: Workspace) -> None:
        in_force = {p.name for router in served.plan.routers for p in router.config.policies}
        bad = _invalid(served, "ModelBackend")
        self._objects = list(served.resources.source.objects)
        self._policies = {n: p for n, p in served.resources.policies.items() if n in in_force}
        self._backends = {n: b for n, b in served.resources.backends.items() if n not in bad}


def _invalid(workspace: Workspace, kind: str) -> frozenset[str]:
    """Names of the invalid resources: not of the right shape, or refused by the plan."""
    found = workspace.resources
    shape = found.invalid_policies if kind == "RoutingPolicy" else found.invalid_backends
    return shape | {p.name for p in workspace.plan.problems if p.invalidates and p.kind == kind}


def _restored(
    now: Mapping[str, Resource], invalid: frozenset[str], before: Mapping[str, Resource]
) -> dict[str, Resource]:
    valid = {name: resource for name, resource in now.items() if name not in invalid}
    return valid | {name: before[name] for name in invalid if name in before}
