"""What the tests of attempts share: streams as engines send them, and two targets of which the first is preferred."""

from harness import DONE, STREAM_HEAD, Router, Upstream, backend, chat, chunk, event, policy, request
from signalbox.routing.config import Backend, Failover, Policy, Route, Share, Tier

ROLE = event({"role": "assistant", "content": ""})
HELLO = event({"content": "hello"})
LAST = b'data: {"id": "chatcmpl-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}\n\n'
USAGE = event(usage={"prompt_tokens": 10, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}})
# As vLLM answers when its queue is full or it is stopping: the 200 is sent before anything is known.
FULL = b'data: {"error": {"message": "overloaded", "type": "ServiceUnavailableError", "param": null, "code": 503}}\n\n'

ASK = request(body=chat())
STREAM = request(body=chat(stream=True))


def stream(*pieces: bytes) -> bytes:
    """A whole stream, a chunk for each piece."""
    return STREAM_HEAD + b"".join(map(chunk, (*pieces, b"")))


def in_order(*backends: Backend) -> Policy:
    """A policy whose first target serves while it can, then the next."""
    tiers = tuple(Tier(targets=(Share(target=each.name),)) for each in backends)
    return policy(*backends, routes=(Route(name="in_order", strategy=Failover(tiers=tiers)),))


def attempts(router: Router) -> dict[tuple[str, str], int]:
    """How many attempts ended how: (backend, outcome) to count."""
    return {(count.first, count.second): count.value for count in router.statistics.snapshot().attempts}


def backends_of(pair: tuple[Upstream, Upstream], **fields: object) -> tuple[Backend, Backend]:
    """A backend for each, with the same fields."""
    return backend(pair[0], **fields), backend(pair[1], **fields)


DONE_STREAM = stream(HELLO, LAST, DONE)
