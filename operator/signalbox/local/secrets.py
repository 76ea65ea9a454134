"""Secrets and ConfigMaps of local mode: from YAML, or from the environment. Values never leave this module in text."""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from signalbox.local.source import Object, Source
from signalbox.plan.problems import Problem, join

PREFIX = "SIGNALBOX_SECRET_"


def variable(name: str, key: str = "") -> str:
    """The environment variable that overrides a key of a Secret; without a key, the prefix of all of its keys."""
    return PREFIX + _upper(name) + "_" + _upper(key)


def _upper(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", text.upper())


class Secrets:
    """The Secrets that local mode knows: those in YAML, and those that the environment gives."""

    def __init__(self, source: Source, environment: Mapping[str, str], referenced: Mapping[str, Iterable[str]]) -> None:
        """``referenced`` names the Secrets in use and the keys asked of each, so that variables can be told apart."""
        self._variables: dict[tuple[str, str], str] = {}
        self._values = {o.name: _secret(o, source) for o in source.of_kind("Secret")}
        for name, variables in _owners({*self._values, *referenced}, environment).items():
            known = self._values.setdefault(name, {})
            by_variable = {variable(name, key): key for key in sorted({*known, *referenced.get(name, ())})}
            for one in variables:
                key = by_variable.get(one, one.removeprefix(variable(name)).lower())
                known[key] = environment[one].encode()
                self._variables[name, key] = one

    def keys(self) -> dict[str, frozenset[str]]:
        """The keys of every Secret: what a plan may know of them."""
        return {name: frozenset(values) for name, values in self._values.items()}

    def value(self, name: str, key: str) -> bytes:
        """One value. Raises ``KeyError``."""
        return self._values[name][key]

    def variable(self, name: str, key: str) -> str:
        """The environment variable that a value comes from; "" where it comes from YAML."""
        return self._variables.get((name, key), "")

    def values(self, name: str) -> list[bytes]:
        """All values of a Secret. Raises ``KeyError``."""
        return list(self._values[name].values())


def _owners(names: Iterable[str], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """Which variables belong to which Secret: each to one, that of the longest name that it begins with, so that the
    keys of a Secret "team-a" never count as keys of a Secret "team".
    """
    prefixes = sorted(((variable(name), name) for name in names), key=lambda pair: (-len(pair[0]), pair[1]))
    owned: dict[str, list[str]] = {}
    for one in sorted(environment):
        name = next((name for prefix, name in prefixes if one.startswith(prefix) and one != prefix), None)
        if name is not None:
            owned.setdefault(name, []).append(one)
    return owned


def _secret(found: Object, source: Source) -> dict[str, bytes]:
    values = _decoded(found, "data", source)
    values |= {key: text.encode() for key, text in _strings(found, "stringData", source).items()}
    return values


def _decoded(found: Object, section: str, source: Source) -> dict[str, bytes]:
    values: dict[str, bytes] = {}
    for key, text in _strings(found, section, source).items():
        try:
            values[key] = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            path, plain = join(section, key), "stringData" if found.kind == "Secret" else "data"
            problem = Problem(
                kind=found.kind,
                name=found.name,
                reason="InvalidBase64",
                path=path,
                message="the value is not base64",
                fix=f"encode it, or write it as it is under {plain}",
                condition="ResolvedRefs",
            )
            source.add(found.location(path), problem)
    return values


def config_maps(source: Source) -> dict[str, dict[str, str]]:
    """The text of every key of every ConfigMap."""
    return {o.name: _strings(o, "data", source) for o in source.of_kind("ConfigMap")}


def binaries(source: Source) -> dict[str, dict[str, bytes]]:
    """What ConfigMaps hold that need not be text."""
    return {o.name: _decoded(o, "binaryData", source) for o in source.of_kind("ConfigMap") if "binaryData" in o.data}


def _strings(found: Object, section: str, source: Source) -> dict[str, str]:
    data = found.data.get(section)
    if data is None:
        return {}
    entries = data if isinstance(data, dict) else {None: data}
    for key, value in entries.items():
        if key is None or not isinstance(value, str):
            path = section if key is None else join(section, key)
            problem = Problem(
                kind=found.kind,
                name=found.name,
                reason="InvalidValue",
                path=path,
                message="values must be strings" if key else "must be a mapping of strings",
                fix="quote the value" if key else "",
                condition="ResolvedRefs",
            )
            source.add(found.location(path), problem)
    return {key: value for key, value in entries.items() if key is not None and isinstance(value, str)}
