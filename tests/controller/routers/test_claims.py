"""What a token says of itself, and what is refused without asking anybody."""

import base64
import json
from typing import Any

import pytest

from signalbox.control.peers import Refused
from signalbox.controller.routers.claims import Claims, read

POD = {"namespace": "team", "pod": {"name": "p", "uid": "u"}, "serviceaccount": {"name": "s", "uid": "v"}}
GOOD = {"aud": ["signalbox.dev/control"], "exp": 2000, "kubernetes.io": POD}


def token(claims: Any) -> str:
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


def test_a_token_of_a_pod() -> None:
    assert read(token(GOOD), 1000.0) == Claims("team", "p", "u", 2000.0)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 401),
        ("a.b", 401),
        ("a.b.c", 401),
        ("é.é.é", 401),
        (token([]), 401),
        (token({**GOOD, "aud": "https://kubernetes.default.svc"}), 401),
        (token({**GOOD, "aud": None}), 401),
        (token({**GOOD, "exp": 1000}), 401),
        (token({**GOOD, "exp": "soon"}), 401),
        (token({**GOOD, "exp": 10**400}), 401),
        (token({"aud": GOOD["aud"], "exp": 2000}), 403),
        (token({**GOOD, "kubernetes.io": {"namespace": "team"}}), 403),
        (token({**GOOD, "kubernetes.io": {**POD, "namespace": 3}}), 403),
    ],
)
def test_what_is_refused_unasked(text: str, status: int) -> None:
    with pytest.raises(Refused) as refused:
        read(text, 1000.0)
    assert refused.value.status == status
