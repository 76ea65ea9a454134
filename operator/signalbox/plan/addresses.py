"""The addresses that routers must not connect to: said when they are written, not at a request."""

from collections.abc import Iterable

from signalbox.api import ModelBackend
from signalbox.plan.observed import Observed
from signalbox.plan.problems import Problem, Severity
from signalbox.plan.services import is_ip
from signalbox.routing.address_rules import AddressRules, is_metadata, network_of
from signalbox.routing.config import Address


def check_url(kind: str, name: str, path: str, host: str, observed: Observed) -> Problem | None:
    """What is wrong with the host of a URL, where it is an address."""
    if not is_ip(host):
        return None
    if observed.addresses is not None:
        reason = observed.addresses.reason(host)
        return _problem(kind, name, path, [reason], [host]) if reason is not None else None
    if is_metadata(host):
        return Problem(
            kind=kind,
            name=name,
            reason="AddressRefused",
            path=path,
            message=f"{host} is a metadata address of a cloud: routers in a cluster refuse it",
            fix="write the address of a model server"
            if kind == "ModelBackend"
            else "write the address of a classifier",
            severity="warning",
            condition="ResolvedRefs",
        )
    return None


def allowed(
    backend: ModelBackend, endpoints: Iterable[Address], rules: AddressRules | None
) -> tuple[tuple[Address, ...], Problem | None]:
    """The endpoints of a Service without those that are refused, and what is to be said of these.

    That is an error where none is left.
    """
    endpoints = tuple(endpoints)
    if rules is None:
        return endpoints, None
    refused = {each.host: reason for each in endpoints if (reason := rules.reason(each.host)) is not None}
    if not refused:
        return endpoints, None
    left = tuple(each for each in endpoints if each.host not in refused)
    severity: Severity = "warning" if left else "error"
    problem = _problem(
        "ModelBackend", backend.metadata.name, "spec.serviceRef", refused.values(), refused, severity=severity
    )
    return left, problem


def _problem(
    kind: str, name: str, path: str, reasons: Iterable[str], hosts: Iterable[str], severity: Severity = "error"
) -> Problem:
    networks = " ".join(f"--allow-cidr {network_of(host)}" for host in sorted(hosts)[:4])
    return Problem(
        kind=kind,
        name=name,
        reason="AddressRefused",
        path=path,
        message="; ".join(sorted(reasons)[:4]),
        fix=f"use another address, or start the operator with {networks}",
        severity=severity,
        condition="ResolvedRefs",
    )
