"""The bytes behind secret entries: which values are usable, and what the router is given of each."""

from collections.abc import Iterable, Mapping

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.local.secrets import Secrets, binaries, config_maps
from signalbox.local.source import Source
from signalbox.plan.contents import MIN_KEY_BYTES, content, is_api_key, is_tenant_key
from signalbox.plan.credentials import Entry
from signalbox.plan.lessons import Source as LessonSource
from signalbox.plan.lessons import lessons_of
from signalbox.plan.problems import Problem, join
from signalbox.router.upstream.tls import TlsContexts
from signalbox.routing.config import Tls


class Vault:
    """Secrets and ConfigMaps that the resources refer to.

    Values that cannot serve count as absent, with a problem on the object that holds them; no problem shows a value.
    """

    def __init__(
        self,
        source: Source,
        environment: Mapping[str, str],
        policies: Iterable[RoutingPolicy],
        backends: Iterable[ModelBackend],
    ) -> None:
        self._source = source
        self._tenant_secrets = {
            key.secret_ref.name for p in policies for tenant in p.spec.access.tenants or () for key in tenant.keys_from
        }
        api_keys, pairs, authorities = _references(backends)
        referenced: dict[str, set[str]] = {name: set() for name in self._tenant_secrets}
        for name, key in api_keys:
            referenced.setdefault(name, set()).add(key)
        lessons = [lesson for policy in policies for lesson in lessons_of(policy)]
        self._examples = {source for lesson in lessons for source in lesson.sources}
        for one in self._examples:
            if one.kind == "Secret":
                referenced.setdefault(one.name, set()).add(one.key)
        for name in pairs:
            referenced.setdefault(name, set()).update({"tls.crt", "tls.key"})
        self._secrets = Secrets(source, environment, referenced)
        self._texts = config_maps(source)
        self.secrets = {name: set(keys) for name, keys in self._secrets.keys().items()}
        self._binaries = binaries(source)
        self.config_maps = {name: {*texts, *self._binaries.get(name, ())} for name, texts in self._texts.items()}
        self._check_tenant_keys()
        self._check_api_keys(api_keys)
        self._check_tls(pairs, authorities)

    @property
    def examples(self) -> dict[LessonSource, bytes]:
        """What is learned from, as far as it is there."""
        found: dict[LessonSource, bytes] = {}
        for one in self._examples:
            if one.kind == "Secret" and one.key in self.secrets.get(one.name, ()):
                found[one] = self._secrets.value(one.name, one.key)
            elif one.kind == "ConfigMap" and one.key in self._texts.get(one.name, ()):
                found[one] = self._texts[one.name][one.key].encode()
            elif one.kind == "ConfigMap" and one.key in self._binaries.get(one.name, ()):
                found[one] = self._binaries[one.name][one.key]
        return found

    def contents(self, entries: Mapping[str, Entry]) -> dict[str, bytes]:
        """What the router is given under each entry; all of them exist, or the plan would not name them."""
        texts = {name: {key: text.encode() for key, text in found.items()} for name, found in self._texts.items()}
        values = {name: {key: self._secrets.value(name, key) for key in keys} for name, keys in self.secrets.items()}
        return {entry: content(source, values, texts) for entry, source in entries.items()}

    def _check_tenant_keys(self) -> None:
        for name in sorted(self._tenant_secrets & self.secrets.keys()):
            for key in sorted(self.secrets[name]):
                value = self._secrets.value(name, key)
                if not is_tenant_key(value):
                    size = len(value.strip())
                    message = f"the value has {size} bytes, but a key of a tenant needs at least {MIN_KEY_BYTES}"
                    self._drop("Secret", name, key, message, "make one with: openssl rand -hex 24")

    def _check_api_keys(self, references: Iterable[tuple[str, str]]) -> None:
        for name, key in sorted(set(references)):
            if key in self.secrets.get(name, ()) and not is_api_key(self._secrets.value(name, key)):
                message = "the value is no API key: it must be one line of printable ASCII without spaces"
                self._drop("Secret", name, key, message, "")

    def _check_tls(self, pairs: Iterable[str], authorities: Iterable[tuple[str, str]]) -> None:
        contexts = TlsContexts()
        for name, key in sorted(set(authorities)):
            if key in self._texts.get(name, ()):
                try:
                    contexts.context(Tls(server_name="x", ca="ca"), {"ca": self._texts[name][key].encode()})
                except ValueError:
                    self._drop("ConfigMap", name, key, "the value holds no certificates in PEM form", "")
        for name in sorted(set(pairs)):
            if {"tls.crt", "tls.key"} <= set(self.secrets.get(name, ())):
                values = {key: self._secrets.value(name, key).strip() for key in ("tls.crt", "tls.key")}
                try:
                    contexts.context(Tls(server_name="x", certificate="tls.crt", key="tls.key"), values)
                except ValueError:
                    self._drop("Secret", name, "tls.crt", "no certificate in PEM form that fits the key tls.key", "")

    def _drop(self, kind: str, name: str, key: str, message: str, fix: str) -> None:
        """Count a value as absent, and say why."""
        (self.secrets if kind == "Secret" else self.config_maps)[name].discard(key)
        found = self._source.find(kind, name)
        if kind == "Secret" and (variable := self._secrets.variable(name, key)):
            found = None
            message = f"{message} (Secret {name}, from the variable {variable})"
        section = next((s for s in ("stringData", "data") if found and key in (found.data.get(s) or ())), "data")
        problem = Problem(
            kind=kind,
            name=name,
            reason="UnusableValue",
            path=join(section, key),
            message=message,
            fix=fix,
            condition="ResolvedRefs",
        )
        self._source.add(found.location(problem.path) if found else None, problem)


def _references(
    backends: Iterable[ModelBackend],
) -> tuple[list[tuple[str, str]], list[str], list[tuple[str, str]]]:
    """What backends refer to: API keys (Secret, key), client certificates (Secret), authorities (ConfigMap, key)."""
    api_keys, pairs, authorities = [], [], []
    for backend in backends:
        if backend.spec.auth is not None:
            reference = backend.spec.auth.api_key.secret_ref
            api_keys.append((reference.name, reference.key))
        if (tls := backend.spec.tls) is not None:
            if tls.client_certificate_ref is not None:
                pairs.append(tls.client_certificate_ref.name)
            if tls.ca_config_map_ref is not None:
                authorities.append((tls.ca_config_map_ref.name, tls.ca_config_map_ref.key))
    return api_keys, pairs, authorities
