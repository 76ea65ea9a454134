"""Responses that continue an earlier one: where that is kept, and the ids that the client knows."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from signalbox.router.serving.response_ids import Kept, ResponseIds
from signalbox.router.upstream.endpoint import Endpoint
from signalbox.router.wire import answers
from signalbox.router.wire.errors import Refusal

if TYPE_CHECKING:
    from signalbox.router.serving.live import LivePolicy


def gone() -> Refusal:
    """The answer to an id that leads nowhere: clients then send the whole input."""
    return Refusal(
        400,
        "previous_response_not_found",
        "The previous response is not kept any more, or never was. Send the whole input again.",
        param="previous_response_id",
    )


def find(
    ids: ResponseIds, policy: "LivePolicy", tenant: str, previous: object, now: float
) -> tuple[Kept, int, Endpoint]:
    """What an id says, the position of its target and the endpoint that keeps the response.

    Raises ``Refusal``: nobody else can stand in for that endpoint.
    """
    kept = ids.open(previous, policy.name, tenant) if isinstance(previous, str) else None
    position = policy.positions.get(kept.target) if kept is not None else None
    if kept is None or position is None:
        raise gone()
    backend = policy.backends[position]
    name = backend.config.name
    endpoint = next((e for e in backend.endpoints if ids.endpoint_hash(name, e.label) == kept.endpoint), None)
    if endpoint is None and not backend.config.endpoints:
        endpoint = backend.choose(now, [])  # a URL is one service, whatever its name resolves to at the moment
    if endpoint is None:
        raise gone()
    if not (endpoint.health.admits(now) or endpoint.health.may_probe(now)):
        raise Refusal(503, "no_healthy_target", "The endpoint that keeps the response is down.", retry_after=1)
    return kept, position, endpoint


def echoes(kept: Kept | None, data: Mapping[str, Any]) -> dict[bytes, bytes]:
    """A response echoes the id of the one before it, which the client knows by its sealed name."""
    if kept is None:
        return {}
    return {b'"%b"' % kept.original.encode(): b'"%b"' % str(data["previous_response_id"]).encode()}


def rename(
    status: int, content: bytes, seal: Callable[[str], str], kept: Kept | None, data: Mapping[str, Any]
) -> bytes:
    """A whole answer with the ids that the client may know."""
    if status >= 400:
        if kept is None:
            return content
        # In the middle of a message, perhaps.
        return content.replace(kept.original.encode(), str(data["previous_response_id"]).encode())
    answer = answers.read(content)
    if answer is not None and answer.id is not None:
        content = content.replace(b'"%b"' % answer.id.encode(), b'"%b"' % seal(answer.id).encode(), 1)
    for old, new in echoes(kept, data).items():
        content = content.replace(old, new)
    return content
