"""Where a target is asked: an endpoint by its URL, or the backend of a target as a router would ask it."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

from signalbox.router.upstream.tls import TlsContexts
from signalbox.router.wire.body import for_backend
from signalbox.router.wire.translation import Translation, reading
from signalbox.routing.config import Address, Backend, Feature

_PATHS = {"OpenAI": "/chat/completions", "Anthropic": "/messages"}
_ANTHROPIC_VERSION = "2023-06-01"
LEAST_SECRET = 16
"""Bytes: whoever serves at home takes keys such as ``none``, which may stand in any answer."""


class PlaceError(ValueError):
    """A place that cannot be asked, with the reason."""


class BadKeyError(PlaceError):
    """It has a key that cannot be sent."""


@dataclass(frozen=True)
class Place:
    """``logprobs``: whether they are asked for; None asks, and goes on without where they are refused."""

    target: str
    url: str
    backend: Backend
    headers: Mapping[str, str] = field(repr=False)
    context: ssl.SSLContext | None = None
    logprobs: bool | None = None
    key: str = field(default="", repr=False)

    def without_key(self, content: bytes) -> bytes:
        """What a place said, for files and screens: some repeat the key that they refuse."""
        key = self.key.encode()
        return content.replace(key, b"***") if len(key) >= LEAST_SECRET else content

    def body(self, asked: dict[str, Any]) -> bytes:
        """The request in the API of the place. Raises ``Refusal`` for what cannot be said in it."""
        return for_backend(asked, self.backend, "chat", stream=False)

    @property
    def translation(self) -> Translation | None:
        """How its answers are read; None: they are chats."""
        return reading(self.backend, native=False, with_usage=True)


def of_url(url: str, target: str, model: str, key: str, logprobs: bool | None) -> Place:
    """An endpoint that speaks OpenAI's API; ``url`` ends where the paths of that API begin, such as ``…/v1``."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise PlaceError(f"{url}: write a URL such as https://api.example.com/v1")
    headers = {"authorization": f"Bearer {_sendable(key)}"} if key else {}
    backend = Backend(name=target, model=model, authority=parts.netloc)
    return Place(target, url.rstrip("/") + _PATHS["OpenAI"], backend, headers, logprobs=logprobs, key=key)


def of_backend(target: str, backend: Backend, secrets: Mapping[str, bytes], logprobs: bool | None) -> Place:
    """The backend of a target. Log-probabilities are asked for where it declares them, unless ``logprobs`` says
    otherwise."""
    if not backend.model:
        raise PlaceError(f"target {target}: its ModelBackend cannot be used; signalbox check says why")
    where = backend.endpoints[0] if backend.endpoints else backend.dns
    if where is None:
        raise PlaceError(f"target {target}: no endpoint is known; give --endpoint {backend.name}=HOST:PORT")
    headers = {each.name: each.value for each in backend.request.headers}
    if backend.format == "Anthropic":
        headers = {"anthropic-version": _ANTHROPIC_VERSION, **headers}
    key = ""
    if backend.api_key is not None:
        try:
            key = _sendable(secrets[backend.api_key.entry].decode("utf-8", "replace").strip())
        except BadKeyError as error:
            raise BadKeyError(f"target {target}: its backend's apiKey: {error}") from None
        headers[backend.api_key.header] = f"{backend.api_key.prefix}{key}"
    query = "&".join(f"{quote(each.name, safe='')}={quote(each.value, safe='')}" for each in backend.request.query)
    scheme, context = ("http", None) if backend.tls is None else ("https", TlsContexts().context(backend.tls, secrets))
    url = f"{scheme}://{_netloc(where)}{backend.base_path}{_PATHS[backend.format]}" + (f"?{query}" if query else "")
    return Place(
        target,
        url,
        backend,
        {**headers, "host": backend.authority},
        context,
        _declares(backend.features) if logprobs is None else logprobs,
        key,
    )


def _sendable(key: str) -> str:
    """What a header can hold. Whoever sends it says of anything else what it is, and a key is not to be said."""
    if not (key.isascii() and key.isprintable()):
        raise BadKeyError("the key has more than one line, or characters that no header holds; give the key alone")
    return key


def _declares(features: tuple[Feature, ...] | None) -> bool:
    return features is not None and "LogProbs" in features


def _netloc(address: Address) -> str:
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"{host}:{address.port}"
