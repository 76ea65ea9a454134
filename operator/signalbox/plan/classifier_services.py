"""The services that classifiers ask over HTTP: backends that serve no model."""

from typing import Final
from urllib.parse import urlsplit

from signalbox.api.classifiers import Classifier, HttpClassifier
from signalbox.plan.addresses import check_url
from signalbox.plan.credentials import Credentials, Entry
from signalbox.plan.observed import Observed
from signalbox.plan.places import NOWHERE, of_url
from signalbox.plan.problems import Problem
from signalbox.plan.routes import KIND, Report
from signalbox.routing import config

_CONNECT_MS: Final = config.Timeouts().connect_ms


def service_name(policy: str, classifier: str) -> str:
    """The name of the service of a classifier, unique among all policies of a router."""
    return f"classifier.{policy}.{classifier}"


def service_of(
    policy: str, classifier: Classifier, path: str, credentials: Credentials, observed: Observed, report: Report
) -> config.Backend:
    """The service of an http classifier at ``path``. One that lacks something it refers to keeps its place, without any
    address: then the default label holds."""
    http, name = classifier.http, service_name(policy, classifier.name)
    assert http is not None
    place, sound = NOWHERE, True
    try:
        place = of_url(http.url)
    except ValueError:
        fix = "write a name, or an IP address (IPv6 in brackets)"
        message = "has no valid host"
        report(Problem(kind=KIND, name=policy, reason="InvalidURL", path=f"{path}.url", message=message, fix=fix))
    else:
        refused = check_url(KIND, policy, f"{path}.url", place.host, observed)
        if refused is not None:
            report(refused)
            sound = refused.severity != "error"
    api_key = _api_key(http, name, path, credentials)
    authorities = None
    if http.ca_config_map_ref is not None:
        source = Entry(kind="ConfigMap", name=http.ca_config_map_ref.name, key=http.ca_config_map_ref.key)
        authorities = credentials.value(f"{name}.ca", source, f"{path}.caConfigMapRef")
        sound = sound and authorities is not None
    sound = sound and (http.auth is None or api_key is not None)
    timeout = classifier.timeout_in_force.milliseconds
    return config.Backend(
        name=name,
        model="",
        authority=place.authority,
        dns=place.dns if sound else None,
        tls=config.Tls(server_name=place.host, ca=authorities) if place.tls and sound else None,
        api_key=api_key,
        timeouts=config.Timeouts(connect_ms=min(_CONNECT_MS, timeout), request_ms=timeout),
    )


def path_of(http: HttpClassifier) -> str:
    """Where on its host the service is asked."""
    try:
        return urlsplit(http.url).path or "/"
    except ValueError:
        return "/"


def _api_key(http: HttpClassifier, name: str, path: str, credentials: Credentials) -> config.ApiKey | None:
    if http.auth is None:
        return None
    key = http.auth.api_key
    source = Entry(kind="Secret", name=key.secret_ref.name, key=key.secret_ref.key)
    entry = credentials.value(f"{name}.apiKey", source, f"{path}.auth.apiKey.secretRef")
    if entry is None:
        return None
    if key.header is None or key.header.lower() == "authorization":
        return config.ApiKey(entry=entry)
    return config.ApiKey(entry=entry, header=key.header, prefix="")
