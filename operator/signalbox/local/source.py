"""A directory of YAML as the API server would hold it: objects of one namespace, each with the places of its fields."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from signalbox.local.yamlfile import Document, Mark, YamlError, documents
from signalbox.plan.problems import Problem, join

GROUP = "signalbox.dev"
VERSION = f"{GROUP}/v1alpha1"
API_VERSIONS = {
    "ModelBackend": VERSION,
    "RoutingPolicy": VERSION,
    "Secret": "v1",
    "ConfigMap": "v1",
    "Service": "v1",
    "EndpointSlice": "discovery.k8s.io/v1",
}
_SUFFIXES = {".yaml", ".yml", ".json"}
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a file; line and column are 1-based."""

    file: str
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Object:
    """One resource: its data and where its fields stand. ``root`` is its path inside the document (of a List)."""

    kind: str
    namespace: str | None
    name: str
    data: dict[str, Any]
    file: str
    document: Document
    root: str = ""

    def mark(self, path: str) -> Mark:
        """The mark of a field, or of the nearest parent that is there."""
        return self.document.mark(f"{self.root}.{path}" if self.root and path else self.root or path)

    def location(self, path: str = "") -> Location:
        """Where a field stands."""
        mark = self.mark(path or "kind")
        return Location(self.file, mark.line, mark.column)


@dataclass(frozen=True, slots=True)
class Located:
    """A problem and the place that it is about, where that is known."""

    problem: Problem
    location: Location | None


@dataclass(slots=True)
class Source:
    """What a directory holds. ``broken`` are files that could not be read, ``empty`` those that hold nothing."""

    objects: list[Object] = field(default_factory=list)
    problems: list[Located] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    empty: set[str] = field(default_factory=set)

    def find(self, kind: str, name: str) -> Object | None:
        """The object of this kind and name."""
        return next((o for o in self.objects if o.kind == kind and o.name == name), None)

    def of_kind(self, kind: str) -> list[Object]:
        """All objects of a kind, by name."""
        return sorted((o for o in self.objects if o.kind == kind), key=lambda o: o.name)

    def add(self, location: Location | None, problem: Problem) -> None:
        """Note a problem."""
        self.problems.append(Located(problem, location))


class SourceError(Exception):
    """The directory cannot be used as a whole: it is missing, or holds several namespaces and none was chosen."""


def files(path: Path) -> list[Path]:
    """The YAML files of a directory, like ``kubectl apply -f``: not those of its sub-directories."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(f"{path} is no file or directory")
    try:
        found = list(path.iterdir())
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None
    return sorted(p for p in found if p.suffix in _SUFFIXES and not p.name.startswith(".") and p.is_file())


def load(path: Path) -> Source:
    """Everything in the files, of all namespaces. Raises ``SourceError`` where there is nothing to read."""
    source = Source()
    found = files(path)
    if not found:
        raise SourceError(f"{path} holds no *.yaml, *.yml or *.json file (sub-directories are not read)")
    for file in found:
        _read(file, source)
    return source


def choose_namespace(source: Source, namespace: str | None) -> str:
    """The namespace in force: the one asked for, else the only one named in the files, else "default".

    Objects that name none belong to it, as with ``kubectl apply -n``. Objects of others are dropped from the source.
    Raises ``SourceError`` when several are named and none was chosen.
    """
    named = sorted({o.namespace for o in source.objects if o.namespace})
    if namespace is None and len(named) > 1:
        raise SourceError(f"the files hold several namespaces ({', '.join(named)}): choose one with -n NAMESPACE")
    chosen = namespace or (named[0] if named else "default")
    source.objects = [o for o in source.objects if o.namespace in {None, chosen}]
    _drop_duplicates(source)
    return chosen


def _read(file: Path, source: Source) -> None:
    name = str(file)
    try:
        parts = documents(file.read_text(encoding="utf-8"))
    except YamlError as error:
        source.broken.add(name)
        problem = Problem(kind="File", name=name, reason="InvalidYAML", message=f"not YAML: {error.message}")
        source.add(Location(name, error.line, error.column), problem)
        return
    except (OSError, UnicodeDecodeError) as error:
        source.broken.add(name)
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        message = f"cannot be read: {reason}"
        source.add(Location(name, 1), Problem(kind="File", name=name, reason="Unreadable", message=message))
        return
    if not parts:
        source.empty.add(name)
    for part in parts:
        for data, root in _flatten(part.data):
            _object(data, root, part, name, source)


def _flatten(data: Any) -> Iterator[tuple[Any, str]]:
    """The resources of a document: itself, or the items of a ``List``."""
    if isinstance(data, dict) and data.get("kind") == "List" and isinstance(data.get("items"), list):
        for index, item in enumerate(data["items"]):
            yield item, join("items", index)
    else:
        yield data, ""


def _object(data: Any, root: str, document: Document, file: str, source: Source) -> None:
    mark = document.mark(root)
    where = Location(file, mark.line, mark.column)
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        message = "not a Kubernetes resource: it has no kind"
        source.add(where, Problem(kind="File", name=file, reason="NotAResource", message=message))
        return
    version = data.get("apiVersion")
    ours = isinstance(version, str) and version.split("/")[0] == GROUP
    if (kind in API_VERSIONS and version != API_VERSIONS[kind]) or (ours and kind not in API_VERSIONS):
        known = API_VERSIONS.get(kind)
        wanted = f"write apiVersion: {known}" if known else "the kinds are ModelBackend and RoutingPolicy"
        if not ours and kind in API_VERSIONS and API_VERSIONS[kind] != VERSION:
            source.notes.append(f"{where}: {version} {kind} is ignored")
            return
        message = f"there is no {kind} in {version}"
        source.add(where, Problem(kind=kind, name=_name(data), reason="UnknownVersion", message=message, fix=wanted))
        return
    if kind not in API_VERSIONS:
        source.notes.append(f"{where}: {kind} is ignored: not a kind that routers are made from")
        return
    metadata = data.get("metadata")
    name, namespace = _name(data), metadata.get("namespace") if isinstance(metadata, dict) else None
    found = Object(kind, namespace if isinstance(namespace, str) else None, name, data, file, document, root)
    if not _NAME.fullmatch(name):
        message = "a resource needs a name: lower-case letters, digits, '-' and '.'"
        problem = Problem(kind=kind, name=name, reason="InvalidName", path="metadata.name", message=message)
        source.add(found.location("metadata.name"), problem)
        return
    source.objects.append(found)


def _name(data: dict[str, Any]) -> str:
    metadata = data.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return name if isinstance(name, str) else ""


def _drop_duplicates(source: Source) -> None:
    first: dict[tuple[str, str], Object] = {}
    for found in source.objects:
        earlier = first.setdefault((found.kind, found.name), found)
        if earlier is not found:
            message = f"{found.kind} {found.name} is declared twice: also at {earlier.location()}"
            problem = Problem(
                kind=found.kind,
                name=found.name,
                reason="Duplicate",
                path="metadata.name",
                message=message,
                fix="remove one of them, or give it another name",
            )
            source.add(found.location("metadata.name"), problem)
    source.objects = list(first.values())
