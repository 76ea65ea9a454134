"""What to serve, of what is known: pure, so that every order of arrival can be tested."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from signalbox.routing.config import content_hash, decode


class Serving(NamedTuple):
    """A configuration, and the secret entries that go with it."""

    config: bytes
    secrets: dict[str, bytes]


class Decision(NamedTuple):
    """``serve`` what (None: nothing new can); which entries the ``newest`` configuration lacks; why it cannot serve."""

    serve: Serving | None
    newest: str
    missing: tuple[str, ...] = ()
    rejected: str = ""


Refusals = Mapping[bytes, tuple[Serving, str]]
"""By configuration: with which secrets the workers could not read it, and why."""


def decide(
    newest: bytes,
    fallback: bytes | None,
    secrets: Mapping[str, bytes],
    in_force: Serving | None,
    refusals: Refusals,
) -> Decision:
    """A configuration counts only when every entry that it names is readable; until then the one in force goes on.

    ``fallback`` is what may serve where nothing does yet.
    """
    serve, missing, reason = _complete(newest, secrets, refusals)
    if serve is None and in_force is not None:
        again, _, _ = _complete(in_force.config, secrets, refusals)
        serve = again or in_force  # with new secrets, unless that is worse
    elif serve is None and fallback is not None:
        serve, _, _ = _complete(fallback, secrets, refusals)
    return Decision(serve, content_hash(newest), missing, reason)


def _complete(
    config: bytes, secrets: Mapping[str, bytes], refusals: Refusals
) -> tuple[Serving | None, tuple[str, ...], str]:
    """With its secrets; or what is missing; or why it cannot serve."""
    try:
        named = decode(config).secret_entries()
    except (msgspec.DecodeError, ValueError) as error:
        return None, (), str(error)
    if missing := tuple(sorted(named - secrets.keys())):
        return None, missing, ""
    found = Serving(config, dict(secrets))
    with_which, reason = refusals.get(config, (None, ""))
    return (None, (), reason) if found == with_which else (found, (), "")
