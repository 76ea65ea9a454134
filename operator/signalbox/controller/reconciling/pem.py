"""Whether certificates and keys can serve at all: found out here, before they reach a router."""

import ssl
from collections.abc import Mapping

from signalbox.kube.resources import SECRETS, Resource
from signalbox.pem import load_authorities, load_pair

CERTIFICATE, KEY = "tls.crt", "tls.key"


def faults(resource: Resource, values: Mapping[str, bytes]) -> dict[str, str]:
    """What is wrong, by key. Secrets hold pairs, no half of which is good by itself; ConfigMaps hold authorities."""
    if resource is not SECRETS:
        return {key: fault for key, value in values.items() if (fault := authorities_fault(value))}
    if CERTIFICATE not in values or KEY not in values:
        return {}
    fault = pair_fault(values[CERTIFICATE], values[KEY])
    return {CERTIFICATE: fault, KEY: fault} if fault else {}


def authorities_fault(pem: bytes) -> str:
    """Why a text is no list of certificates; empty where it is one."""
    try:
        load_authorities(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pem)
    except ValueError as error:
        return f"holds no PEM certificates ({error})"
    return ""


def pair_fault(certificate: bytes, key: bytes) -> str:
    """Why a certificate and its key cannot be used together; empty where they can."""
    if fault := authorities_fault(certificate):
        return f"{CERTIFICATE} {fault}"
    try:
        load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate, key)
    except ValueError as error:
        return f"{KEY} is not the usable PEM key of {CERTIFICATE} ({error})"
    return ""
