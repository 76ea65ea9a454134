"""From a request body to what the engine has to do: how many tokens in, which answers out. Pure."""

import math
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from signalbox.sim import schema
from signalbox.sim.errors import RequestError
from signalbox.sim.prefixes import blocks_of
from signalbox.sim.profile import Profile
from signalbox.sim.prompts import PROMPTS, last_user_text
from signalbox.sim.text import Answer, Part, pieces, prose, said

Reply = Callable[[int, bool], Answer | None]
"""Makes the next answer, of at most so many tokens, perhaps with calls of tools; None: nothing is scripted."""


@dataclass(frozen=True, slots=True)
class Call:
    """One inference request, understood. ``top_logprobs`` is None when no log-probabilities were asked for.

    ``prompts`` holds the token count and the prefix of each prompt; ``answers`` the choices, prompt by prompt; ``text``
    the first prompt as text.
    """

    operation: str
    id: str
    created: int
    model: str
    stream: bool
    prompts: tuple[tuple[int, tuple[int, ...]], ...]
    answers: tuple[Answer, ...]
    body: dict[str, Any]
    text: str = ""
    max_tokens: int | None = None
    top_logprobs: int | None = None
    include_usage: bool = False
    usage_in_every_chunk: bool = False

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts together."""
        return sum(tokens for tokens, _ in self.prompts)

    @property
    def choices_per_prompt(self) -> int:
        """``n`` of the request."""
        return len(self.answers) // len(self.prompts)


def read(
    operation: str,
    body: dict[str, Any],
    profile: Profile,
    rng: random.Random,
    now: float,
    history: str = "",
    reply: Reply | None = None,
) -> Call:
    """Understand a body of ``chat``, ``completions``, ``responses`` or ``embeddings``; ``now`` is Unix time.

    ``history`` is the conversation that a ``previous_response_id`` stands for; ``reply`` makes the answers where they
    are scripted. Raises ``RequestError`` for what a real engine would refuse.
    """
    texts, prefix = PROMPTS[operation](body)
    if history:
        texts = [history.encode(errors="replace") + b"\n" + text for text in texts if isinstance(text, bytes)]
    prompts = tuple((_tokens(text), blocks_of(text) if isinstance(text, bytes) else ()) for text in texts)
    if not prompts:
        raise RequestError(
            "the prompt is empty", param="input" if operation in {"embeddings", "responses"} else "prompt"
        )
    limit = None if operation == "embeddings" else _max_tokens(body)
    for tokens, _ in prompts:
        _check_window(tokens, limit, profile.context_window)
    answers: list[Answer] = []
    if operation != "embeddings":
        n = 1 if operation == "responses" else _integer(body, "n", 1, 128) or 1
        seed = _integer(body, "seed", -(2**63), 2**63)
        source = rng if seed is None else random.Random(seed)  # noqa: S311 (prose, not secrets)
        for tokens, _ in prompts:
            room = profile.context_window - tokens
            for _ in range(n):
                scripted = (
                    reply(room if limit is None else min(room, limit), operation != "completions")
                    if reply is not None
                    else None
                )
                answers.append(scripted or answer(operation, body, profile, source, room, limit))
    options = body.get("stream_options") or {}
    return Call(
        operation=operation,
        id=prefix + uuid.UUID(int=rng.getrandbits(128)).hex,
        created=int(now),
        model=str(body.get("model") or profile.model),
        stream=bool(body.get("stream")) and operation != "embeddings",
        prompts=prompts,
        answers=tuple(answers),
        body=body,
        text=texts[0].decode(errors="replace") if operation == "responses" and isinstance(texts[0], bytes) else "",
        max_tokens=limit,
        top_logprobs=_logprobs(operation, body),
        include_usage=bool(options.get("include_usage")),
        usage_in_every_chunk=bool(options.get("continuous_usage_stats")),
    )


def answer(
    operation: str, body: dict[str, Any], profile: Profile, rng: random.Random, room: int, limit: int | None
) -> Answer:
    """Script one answer: a tool call if one is asked for, JSON if a format is, prose else."""
    most = min(room, limit) if limit is not None else room
    tool = _tool(operation, body)
    if tool is not None:
        arguments = pieces(schema.example(tool.get("parameters") or {}, rng))
        return Answer((Part(arguments, str(tool.get("name", ""))),), "tool_calls").cut(most)
    wanted = _schema(operation, body)
    if wanted is not None:
        return said(pieces(schema.example(wanted, rng))).cut(most)
    if body.get("ignore_eos") and limit is not None:
        length = most
    else:
        length = max(1, round(profile.output_tokens * rng.lognormvariate(-0.125, 0.5)))
        length = max(length, _integer(body, "min_tokens", 0, most) or 0)
    count = min(length, most)
    return said(
        prose(count, rng.getrandbits(30)), "stop" if length <= most and not body.get("ignore_eos") else "length"
    )


def _tokens(text: bytes | int) -> int:
    """The project's estimate, UTF-8 bytes / 4; a number is a count already."""
    return max(1, text if isinstance(text, int) else math.ceil(len(text) / 4))


def _max_tokens(body: dict[str, Any]) -> int | None:
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        value = _integer(body, name, 1, 2**31)
        if value is not None:
            return value
    return None


def _check_window(prompt: int, output: int | None, window: int) -> None:
    if prompt + (output or 1) > window:
        raise RequestError(
            f"This model's maximum context length is {window} tokens. However, you requested {output or 1} output "
            f"tokens and your prompt contains at least {prompt} input tokens. Please reduce the length of the input "
            "prompt or the number of requested output tokens.",
            param="input_tokens",
        )


def _integer(body: dict[str, Any], name: str, low: int, high: int) -> int | None:
    value = body.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RequestError(f"{name} must be an integer of at least {low}", param=name)
    return value


def _logprobs(operation: str, body: dict[str, Any]) -> int | None:
    if operation == "completions":
        return _integer(body, "logprobs", 0, 20)
    if operation == "responses":
        asked = "message.output_text.logprobs" in (body.get("include") or ())
        return (_integer(body, "top_logprobs", 0, 20) or 0) if asked else None
    return (_integer(body, "top_logprobs", 0, 20) or 0) if body.get("logprobs") else None


def _tool(operation: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """The function to call: the one that is named or required, else one whose name the last message mentions."""
    tools = body.get("tools")
    if not isinstance(tools, list) or not tools or body.get("tool_choice") == "none":
        return None
    functions: list[dict[str, Any]] = [
        tool.get("function", tool) for tool in tools if isinstance(tool, dict) and tool.get("type") == "function"
    ]
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict):
        wanted = choice.get("function", choice).get("name")
        named = [f for f in functions if f.get("name") == wanted]
        if not named:
            raise RequestError(f"tool_choice names {wanted!r}, which is not among the tools", param="tool_choice")
        return named[0]
    if choice == "required":
        return functions[0] if functions else None
    last = last_user_text(operation, body)
    return next((f for f in functions if str(f.get("name", "")) and str(f["name"]) in last), None)


def _schema(operation: str, body: dict[str, Any]) -> dict[str, Any] | None:
    """The JSON schema that the answer must satisfy; {} allows any object."""
    wanted = (body.get("text") or {}).get("format") if operation == "responses" else body.get("response_format")
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_schema":
        found = wanted.get("json_schema", wanted).get("schema")
        return found if isinstance(found, dict) else {}
    return {"type": "object"} if wanted.get("type") == "json_object" else None


def decode(data: bytes) -> dict[str, Any]:
    """A JSON object, or ``RequestError``."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise RequestError("the body must be a JSON object")
    return value
