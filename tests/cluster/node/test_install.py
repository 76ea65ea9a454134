"""From nothing to an answer: the chart installed by a real Helm, an example applied, a completion by the Service."""

import time

import httpx
import pytest

from cluster.build import Say
from cluster.node import images, installation, product
from cluster.running import Cluster
from cluster.waiting import eventually

pytestmark = pytest.mark.node
MEGABYTE = 1_000_000


def test_the_image_is_small(image: str, say: Say) -> None:
    grown = product.unpacked_size(product.image(say)) - product.unpacked_size(images.base(say))
    assert 0 < grown < 200 * MEGABYTE


def test_a_completion_comes_back(cluster: Cluster, installed: str, restricted: str, say: Say) -> None:
    begin = time.monotonic()
    installation.apply_first(cluster, restricted)
    assert eventually(lambda: answers(cluster, restricted), 120), "no engine is reached"
    answer = ask(cluster, restricted)
    say(f"from apply to the first answer: {time.monotonic() - begin:.1f} s")
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"]
    assert answer.headers["x-signalbox-target"] == "engine"


def test_the_operator_watches_with_the_rights_that_the_chart_gives(cluster: Cluster, installed: str) -> None:
    user = f"system:serviceaccount:{installed}:signalbox"

    def watched() -> set[str]:
        return {each["objectRef"]["resource"] for each in cluster.requests(user) if each["verb"] == "watch"}

    assert eventually(lambda: {"modelbackends", "routingpolicies", "services", "secrets"} <= watched())
    assert {each["requestURI"] for each in cluster.requests(user) if each["responseStatus"]["code"] == 403} == set()


def answers(cluster: Cluster, namespace: str) -> bool:
    """Whether a completion comes back yet: rules for the Service, and the engine itself, may come a moment later."""
    try:
        return ask(cluster, namespace).is_success
    except httpx.ConnectError:
        return False


def ask(cluster: Cluster, namespace: str, model: str = "auto") -> httpx.Response:
    """A chat completion through the Service of the router."""
    address = cluster.api.get("v1", "Service", "chat-router", namespace)["spec"]["clusterIP"]
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    return httpx.post(f"http://{address}:8080/v1/chat/completions", json=body, trust_env=False, timeout=30)
