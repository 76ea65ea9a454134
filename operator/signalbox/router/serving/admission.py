"""Who may ask for what: paths, keys, models. Nothing here touches a connection."""

from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from signalbox.router.wire.errors import Refusal
from signalbox.router.wire.heads import Head
from signalbox.router.wire.requests import Request
from signalbox.router.wire.weight import too_complex
from signalbox.routing.untrusted import has_too_many

if TYPE_CHECKING:
    from signalbox.router.serving.live import Live, LivePolicy

OPERATIONS = {
    b"/v1/chat/completions": "chat",
    b"/v1/completions": "completions",
    b"/v1/embeddings": "embeddings",
    b"/v1/responses": "responses",
    b"/v1/messages": "messages",
}
MODELS = b"/v1/models"
ANTHROPIC_VERSION = b"anthropic-version"
COUNT_TOKENS = b"/v1/messages/count_tokens"
_STREAM_TYPES = (bool, type(None))

_decode = msgspec.json.Decoder().decode


class Admitted(NamedTuple):
    """A request that may be routed."""

    policy: "LivePolicy"
    tenant: str
    tier: str
    data: dict[str, Any]


def in_force(live: "Live | None") -> "Live":
    """The configuration. Raises ``Refusal`` before the first one came."""
    if live is None:
        raise Refusal(503, "not_ready", "The router has no configuration yet.", retry_after=1)
    return live


def turn_away(live: "Live | None", head: Head, has_body: bool) -> Refusal | None:
    """Refuse a caller without a key before anything of the body is read, where every policy asks for one."""
    if live is None or not live.closed or not (has_body or head.method == b"POST"):
        return None
    return None if live.keys.known(head.digest) else unauthorized(head, close=True)


def path_of(target: bytes) -> bytes:
    """The path of a request target, which may be absolute (RFC 9112, section 3.2.2); the query is nobody's here."""
    if target[:7].lower() == b"http://" or target[:8].lower() == b"https://":
        slash = target.find(b"/", 8)
        target = target[slash:] if slash >= 0 else b"/"
    return target.split(b"?", 1)[0] if b"?" in target else target


def admit(live: "Live", request: Request) -> Admitted:
    """Read the body and find policy and tenant. Raises ``Refusal``."""
    head = request.head
    headers = head.headers
    if b"content-encoding" in headers and headers[b"content-encoding"].lower() != b"identity":
        raise Refusal(415, "unsupported_encoding", "Send the body without Content-Encoding.")
    data = _read(request.body)
    model = data.get("model")
    if not isinstance(model, str) or not model:
        raise Refusal(400, "missing_model", "The field model must name a model.", param="model")
    if type(data.get("stream")) not in _STREAM_TYPES:
        raise Refusal(400, "invalid_type", "The field stream must be true or false.", param="stream")
    policy = live.by_model.get(model)
    if policy is not None:
        tenant = live.keys.tenant(policy.name, head.digest)
        if tenant is not None:
            return Admitted(policy, tenant.name, tenant.tier, data)
        if policy.config.access.anonymous:
            return Admitted(policy, "", "", data)
    # The same answer whether the model is another's or nobody's: names of models are not for everybody.
    if live.keys and not live.keys.known(head.digest):
        raise unauthorized(head, close=False)
    raise _no_model(model)


def _read(body: bytes | bytearray) -> dict[str, Any]:
    if has_too_many(body):
        raise too_complex()
    try:
        data = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal(400, "invalid_json", f"The body is not valid JSON: {error}.") from None
    if not isinstance(data, dict):
        raise Refusal(400, "invalid_json", "The body must be a JSON object.")
    return data


def elsewhere(live: "Live | None", head: Head, path: bytes) -> bytes:
    """The body of an answer to whatever is not to be routed. Raises ``Refusal``."""
    if path in OPERATIONS:
        raise Refusal(405, "method_not_allowed", "Use POST here.", allow="POST")
    if path.startswith(b"/v1/responses/"):
        raise Refusal(
            404,
            "not_stored",
            "Responses are kept by the endpoint that made them and cannot be fetched or deleted here.",
        )
    if path == COUNT_TOKENS:
        raise Refusal(404, "not_counted", "Tokens are not counted here: each target counts them in its own way.")
    if path != MODELS and not path.startswith(MODELS + b"/"):
        raise Refusal(404, "unknown_path", f"There is nothing at {path[:200].decode('ascii', 'replace')}.")
    if head.method not in {b"GET", b"HEAD"}:
        raise Refusal(405, "method_not_allowed", "Use GET here.", allow="GET, HEAD")
    models = in_force(live).keys.models(head.digest)
    if not models:
        raise unauthorized(head, close=False)
    of_anthropic = ANTHROPIC_VERSION in head.headers
    cards = [_anthropic_card(model) if of_anthropic else _card(model) for model in models]
    if path == MODELS:
        listed: dict[str, Any] = {"object": "list"}
        if of_anthropic:
            listed = {"has_more": False, "first_id": models[0], "last_id": models[-1]}
        return msgspec.json.encode({**listed, "data": cards})
    name = unquote_to_bytes(path[len(MODELS) + 1 :]).decode("utf-8", "replace")
    card = next((card for card in cards if card["id"] == name), None)
    if card is None:
        raise _no_model(name)
    return msgspec.json.encode(card)


def _card(model: str) -> dict[str, Any]:
    return {"id": model, "object": "model", "created": 0, "owned_by": "signalbox"}


def _anthropic_card(model: str) -> dict[str, Any]:
    return {"id": model, "type": "model", "display_name": model, "created_at": "1970-01-01T00:00:00Z"}


def speaks(head: Head, path: bytes) -> str:
    """The operation in whose API a client is answered that asks for something else."""
    return "messages" if path.startswith(b"/v1/messages/") or ANTHROPIC_VERSION in head.headers else ""


def unauthorized(head: Head, *, close: bool) -> Refusal:
    """401, in words that say what to send."""
    if head.digest:
        return Refusal(401, "invalid_api_key", "Incorrect API key provided.", close=close)
    message = "No API key provided. Send it as Authorization: Bearer KEY, or as x-api-key."
    return Refusal(401, "missing_api_key", message, close=close)


def _no_model(name: str) -> Refusal:
    message = f"The model {name[:200]!r} does not exist or you have no access to it."
    return Refusal(404, "model_not_found", message, param="model")
