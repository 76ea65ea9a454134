"""How a router's pod reaches the control stream: an authority beside the configuration, a token of its own."""

from typing import Any

from signalbox.plan.children.settings import Control

AUDIENCE = "signalbox.dev/control"
AUTHORITIES = "control-ca.crt"
"""Key of the ConfigMap."""
TOKEN_DIRECTORY = "/var/run/secrets/signalbox.dev/control"  # noqa: S105 - a path
TOKEN_SECONDS = 3600
_VOLUME = "control-token"


def arguments(control: Control, config_directory: str) -> list[str]:
    """The router's arguments."""
    authorities, token = f"{config_directory}/{AUTHORITIES}", f"{TOKEN_DIRECTORY}/token"
    return ["--control-url", control.url, "--control-ca", authorities, "--control-token", token]


def volume() -> dict[str, Any]:
    """The kubelet asks for a token that is good for this stream only, and renews it."""
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    return {"name": _VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}


def mount() -> dict[str, Any]:
    """Where the token stands."""
    return {"name": _VOLUME, "mountPath": TOKEN_DIRECTORY, "readOnly": True}
