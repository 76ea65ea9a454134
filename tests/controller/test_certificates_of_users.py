"""A certificate that cannot serve never reaches a router: the last good one goes on."""

import base64
from typing import Any

import trustme
from world import API, OperatorProcess, World, backend, eventually, policy

AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)


def pair(name: str, host: str, key: trustme.LeafCert | None = None) -> dict[str, Any]:
    issued = AUTHORITY.issue_cert(host, key_type=trustme.KeyType.ECDSA)
    chain = b"".join(pem.bytes() for pem in issued.cert_chain_pems)
    data = {"tls.crt": chain, "tls.key": (key or issued).private_key_pem.bytes()}
    encoded = {field: base64.b64encode(value).decode() for field, value in data.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name},
        "type": "kubernetes.io/tls",
        "data": encoded,
    }


def composed(world: World) -> dict[str, bytes]:
    return {entry: base64.b64decode(value) for entry, value in world.child("v1", "Secret").get("data", {}).items()}


def decoded(secret: dict[str, Any], key: str) -> bytes:
    return base64.b64decode(secret["data"][key]).strip()


def test_the_certificate_for_clients(world: World, operator: OperatorProcess) -> None:
    world.apply(backend(), policy(router={"deployment": {"tls": {"secretRef": {"name": "serving"}}}}))
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("ResolvedRefs") == ("False", "SecretNotFound"))
    first = pair("serving", "one.example")
    world.apply(first)
    eventually(lambda: composed(world).get("serving.certificate") == decoded(first, "tls.crt"))
    eventually(lambda: world.statuses().get("ResolvedRefs") == "True")
    status = world.api.get(API, "RoutingPolicy", "chat", world.namespace)["status"]
    assert status["addresses"][0]["url"] == f"https://chat-router.{world.namespace}.svc:8080/v1"
    assert world.child("v1", "Service")["spec"]["ports"][0]["name"] == "https"

    other = AUTHORITY.issue_cert("other.example", key_type=trustme.KeyType.ECDSA)
    world.apply(pair("serving", "two.example", other))
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("ResolvedRefs") == ("False", "InvalidCertificate"))
    assert composed(world)["serving.certificate"] == decoded(first, "tls.crt")
    assert composed(world)["serving.key"] == decoded(first, "tls.key")
    operator.kill()  # a new one has only what the cluster remembers
    operator.start()
    world.apply(backend("b"))
    eventually(lambda: world.conditions("ModelBackend", "b"))
    assert composed(world)["serving.key"] == decoded(first, "tls.key")

    third = pair("serving", "three.example")
    world.apply(third)
    eventually(lambda: composed(world)["serving.certificate"] == decoded(third, "tls.crt"))
    eventually(lambda: world.statuses().get("ResolvedRefs") == "True")


def test_the_certificates_of_a_backend(world: World, operator: OperatorProcess) -> None:
    def authorities(text: bytes) -> dict[str, Any]:
        data = {"ca.crt": text.decode()}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca"}, "data": data}

    good, client = AUTHORITY.cert_pem.bytes(), pair("client", "client.example")
    tls = {"caConfigMapRef": {"name": "ca"}, "clientCertificateRef": {"name": "client"}}
    world.apply(authorities(b"nonsense"), client, backend(tls=tls), policy())
    eventually(lambda: world.conditions("ModelBackend", "a").get("ResolvedRefs") == ("False", "InvalidCertificate"))
    eventually(lambda: world.statuses().get("Programmed") == "False")
    world.apply(authorities(good))
    eventually(lambda: composed(world).get("backend.a.ca") == good)
    eventually(lambda: "dns" in world.config()["backends"][0])

    world.apply(authorities(b"nonsense"))
    eventually(lambda: world.conditions("ModelBackend", "a").get("ResolvedRefs") == ("False", "InvalidCertificate"))
    assert composed(world)["backend.a.ca"] == good
    assert "dns" in world.config()["backends"][0]
    world.apply(authorities(good))
    eventually(lambda: world.conditions("ModelBackend", "a").get("ResolvedRefs") == ("True", "ResolvedRefs"))
