"""What an http classifier refers to reaches routers, as what backends refer to does."""

import base64

from world import OperatorProcess, World, backend, eventually, policy

ENTRY = "classifier.chat.kind.apiKey"


def test_the_key_of_a_classifier_is_awaited_and_rotated(world: World, operator: OperatorProcess) -> None:
    def key(value: str) -> dict[str, object]:
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own"}, "stringData": {"token": value}}

    def composed() -> str:
        return base64.b64decode(world.child("v1", "Secret")["data"][ENTRY]).decode()

    http = {
        "url": "https://classifier.example.com/v1",
        "auth": {"apiKey": {"secretRef": {"name": "own", "key": "token"}}},
    }
    kind = {"name": "kind", "labels": ["code", "prose"], "default": "prose", "http": http}
    world.apply(backend(), policy(when='label.kind == "code"', classifiers=[kind]))
    eventually(lambda: world.conditions("RoutingPolicy", "chat").get("ResolvedRefs") == ("False", "SecretNotFound"))
    (service,) = eventually(lambda: world.config()["services"])
    assert service["name"] == "classifier.chat.kind"
    assert "dns" not in service, "without its key it is not asked, and the default label holds"
    assert world.statuses()["Accepted"] == "True"
    world.apply(key("first-token"))
    eventually(lambda: composed() == "first-token")
    eventually(lambda: world.statuses().get("ResolvedRefs") == "True")
    (service,) = eventually(lambda: world.config()["services"])
    assert service["dns"] == {"host": "classifier.example.com", "port": 443}
    world.apply(key("second-token"))
    eventually(lambda: composed() == "second-token")
    assert "token" not in str(world.config())
