"""Which endpoint of a target keeps a conversation, or all that begins alike: its cache then has what was computed.

Rendezvous hashing: each endpoint has a rank for each key, and the highest serves. Workers and replicas agree without
talking, an endpoint that comes or goes moves its own part only, and unlike a ring there is nothing to build. The load
is bounded: an endpoint with more than a given share of the mean in flight is passed over for the next in rank.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Protocol, TypeVar

import msgspec

from signalbox.routing import prompts
from signalbox.routing.config import Affinity

# Of a prompt that is one text there is no first message: its beginning stands for it (256 tokens of 4 characters).
BEGINNING = 1024
# A key times a seed modulo a prime is spread evenly; of what Python hashes by itself, pairs of integers are not, and
# texts differ between processes.
PRIME = 2**61 - 1

_encode = msgspec.json.Encoder().encode


class Candidate(Protocol):
    """An endpoint: its ``seed`` is the ``seed_of`` of its address, ``in_flight`` counts requests."""

    @property
    def seed(self) -> int: ...
    @property
    def in_flight(self) -> int: ...


Endpoint = TypeVar("Endpoint", bound=Candidate)


def seed_of(name: str) -> int:
    """A number for an endpoint, the same in every process."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest())


def key_of(affinity: Affinity, operation: str, body: dict[str, Any], headers: Mapping[bytes, bytes]) -> int | None:
    """What the request is told apart by; None where it has nothing of the kind. Never raises, whatever the body is."""
    if affinity.key == "Session":
        text = headers.get(b"x-session-id", b"")
        for field in ("prompt_cache_key", "user"):
            if not text and isinstance(value := body.get(field), str):
                text = value.encode("utf-8", "surrogatepass")
    else:
        text = _beginning(operation, body)
    return int.from_bytes(blake2b(text, digest_size=8).digest()) if text else None


def _beginning(operation: str, body: dict[str, Any]) -> bytes:
    system, first = prompts.system(operation, body), prompts.first_query(operation, body)
    if not prompts.messages(operation, body):
        first = first[:BEGINNING]
        prompt = body.get("prompt" if operation == "completions" else "input")
        if not first and isinstance(prompt, list) and prompt:  # tokens as numbers
            numbers = prompt[0] if isinstance(prompt[0], list) else prompt
            return _encode(numbers[: BEGINNING // 4])
    return f"{system}\0{first}".encode("utf-8", "surrogatepass") if system or first else b""


def choose(key: int, among: Sequence[Endpoint], percent: int) -> Endpoint:
    """The endpoint of a key, or the next in rank where it has ``percent`` of the mean in flight, this request counted.
    There is one at least."""
    best, rank, total = among[0], -1, 1
    for endpoint in among:
        in_flight = endpoint.in_flight
        total += in_flight
        found = key * endpoint.seed % PRIME
        if found > rank:
            best, rank = endpoint, found
    # The mean rounded up: else nobody might have any while few requests are there.
    bound = max(1, -(-percent * total // (100 * len(among))))
    if best.in_flight < bound:
        return best
    for endpoint in sorted(among, key=lambda each: key * each.seed % PRIME, reverse=True):
        if endpoint.in_flight < bound:
            return endpoint
    return min(among, key=lambda each: each.in_flight)
