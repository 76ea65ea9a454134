"""The facts that conditions speak about, each computed when first asked for and then kept.

Bodies come from clients: whatever their shape, reading a fact never raises; a field of a wrong type counts as absent.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeVar, overload

from signalbox.routing import prompts
from signalbox.routing.choosing.classified import NOTHING_SAID, Classified, Column, Judge, Result
from signalbox.routing.code import has_code
from signalbox.routing.formats.anthropic_client.request import Message

_Value = TypeVar("_Value")
_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
_NO_JUDGES: Final[Mapping[str, Judge]] = MappingProxyType({})


class TargetFacts(Protocol):
    """What the router counts of a target: requests in flight, milliseconds, share of failures 0–1, usable at all; and
    what its engines say: requests that wait, how full they are and their caches."""

    @property
    def in_flight(self) -> int: ...
    @property
    def ttft_ms(self) -> int | None: ...
    @property
    def error_rate(self) -> float: ...
    @property
    def healthy(self) -> bool: ...
    @property
    def waiting(self) -> int | None: ...
    @property
    def utilization(self) -> float | None: ...
    @property
    def kv_cache_usage(self) -> float | None: ...
    @property
    def overloaded(self) -> bool: ...


class CandidateFacts(TargetFacts, Protocol):
    """What the filter of an objective sees of one target: also what is said of it, prices per million tokens."""

    @property
    def name(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def quality(self) -> int | None: ...
    @property
    def input_per_million(self) -> float | None: ...
    @property
    def output_per_million(self) -> float | None: ...
    @property
    def context_window(self) -> int | None: ...


class AnswerFacts(Protocol):
    """What the condition for accepting an answer sees of it."""

    @property
    def text(self) -> str: ...
    @property
    def chars(self) -> int: ...
    @property
    def words(self) -> int: ...
    @property
    def lines(self) -> int: ...
    @property
    def tokens(self) -> int: ...
    @property
    def finish_reason(self) -> str: ...
    @property
    def refusal(self) -> bool: ...
    @property
    def is_json(self) -> bool: ...
    @property
    def matches_schema(self) -> bool: ...
    @property
    def tool_calls(self) -> int: ...


class Lazy(Generic[_Value]):
    """An attribute computed on first access, then stored on the instance, where plain attribute access finds it.

    ``functools.cached_property`` does the same behind a lock, at ten times the cost.
    """

    __slots__ = ("_compute", "_name")

    def __init__(self, compute: Callable[[Any], _Value]) -> None:
        self._compute = compute
        self._name = compute.__name__

    @overload
    def __get__(self, instance: None, owner: type) -> "Lazy[_Value]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...
    def __get__(self, instance: object, owner: type) -> "Lazy[_Value] | _Value":
        if instance is None:
            return self
        value = self._compute(instance)
        setattr(instance, self._name, value)
        return value


class Facts:
    """All facts of one request.

    ``operation`` is "chat", "completions", "embeddings" or "responses"; ``body`` the decoded JSON object; ``headers``
    have lower-case names. Looking up a classifier in ``labels``, ``scores`` or ``confidences`` asks it, or raises
    ``UnknownValueError`` where it must be waited for. ``awaited`` is the one that the last undecided condition needs.
    ``target`` and ``answer`` are set before an expression over them is asked, again for each target and each answer.
    ``message`` is there where the chat in ``body`` was one for Anthropic's API.
    """

    target: CandidateFacts
    answer: AnswerFacts
    awaited = ""
    message: Message | None = None

    def __init__(
        self,
        operation: str,
        body: dict[str, Any],
        headers: Mapping[bytes, bytes],
        tenant: str,
        tier: str,
        targets: Mapping[str, TargetFacts],
        judges: Mapping[str, Judge] = _NO_JUDGES,
    ) -> None:
        self.request_operation = operation
        self.body = body
        self.headers = headers
        self.user_tenant = tenant
        self.user_tier = tier
        self.targets = targets
        self._judges = judges

    # classifiers

    @Lazy
    def classified(self) -> Classified:
        return Classified(self._judges, self.query_text)

    @property
    def said(self) -> Mapping[str, Result]:
        """What classifiers have said so far."""
        asked: Classified | None = self.__dict__.get("classified")
        return NOTHING_SAID if asked is None else asked.results

    @Lazy
    def labels(self) -> dict[str, str]:
        return Column(self.classified, "label")

    @Lazy
    def scores(self) -> dict[str, float]:
        return Column(self.classified, "score")

    @Lazy
    def confidences(self) -> dict[str, float]:
        return Column(self.classified, "confidence")

    def header(self, name: str) -> str:
        """The value of a request header, "" when absent; names ignore case."""
        value = self.headers.get(name.lower().encode("latin-1", "replace"))
        return value.decode("latin-1") if value else ""

    # request

    @Lazy
    def request_model(self) -> str:
        return _text(self.body.get("model"))

    @Lazy
    def request_stream(self) -> bool:
        return self.body.get("stream") is True

    @Lazy
    def request_max_tokens(self) -> int | None:
        return prompts.max_tokens(self.body)

    @Lazy
    def request_temperature(self) -> float | None:
        value = self.body.get("temperature")
        if type(value) is int:
            return float(value) if _is_int64(value) else None
        return value if type(value) is float else None

    @Lazy
    def request_n(self) -> int | None:
        value = self.body.get("n")
        return value if _is_int64(value) else None

    @Lazy
    def request_tools(self) -> int:
        return prompts.count_tools(self.body)

    @Lazy
    def request_images(self) -> int:
        return prompts.count_images(self.request_operation, self.body)

    @Lazy
    def request_logprobs(self) -> bool:
        return prompts.wants_logprobs(self.request_operation, self.body)

    @Lazy
    def request_response_format(self) -> str:
        return prompts.response_format(self.body)

    @Lazy
    def request_reasoning_effort(self) -> str:
        effort = self.body.get("reasoning_effort")
        if effort is None and isinstance(reasoning := self.body.get("reasoning"), dict):
            effort = reasoning.get("effort")
        return _text(effort)

    # query

    @Lazy
    def query_text(self) -> str:
        return prompts.query(self.request_operation, self.body)

    @Lazy
    def query_text_utf8(self) -> bytes:
        """For regular expressions: RE2 works on bytes, and several conditions may ask."""
        return self.query_text.encode("utf-8", "surrogatepass")

    @Lazy
    def query_text_lower(self) -> str:
        """For ``containsWord``, which ignores case."""
        return self.query_text.lower()

    @Lazy
    def query_chars(self) -> int:
        return len(self.query_text)

    @Lazy
    def query_words(self) -> int:
        return len(self.query_text.split())

    @Lazy
    def query_lines(self) -> int:
        text = self.query_text
        return text.count("\n") + 1 if text else 0

    @Lazy
    def query_tokens(self) -> int:
        return prompts.estimate_tokens(self.query_text)

    @Lazy
    def query_has_code(self) -> bool:
        return has_code(self.query_text, self.query_text_utf8)

    @Lazy
    def query_has_url(self) -> bool:
        text = self.query_text
        return "https://" in text or "http://" in text

    # conversation

    @Lazy
    def _conversation(self) -> list[str]:
        return prompts.texts(self.request_operation, self.body)

    @Lazy
    def conversation_chars(self) -> int:
        return sum(map(len, self._conversation))

    @Lazy
    def conversation_tokens(self) -> int:
        return prompts.prompt_tokens(self.request_operation, self.body)

    @Lazy
    def conversation_turns(self) -> int:
        return prompts.count_turns(self.request_operation, self.body)

    @Lazy
    def conversation_system(self) -> str:
        return prompts.system(self.request_operation, self.body)

    # user

    @Lazy
    def user_id(self) -> str:
        return _text(self.body.get("safety_identifier") or self.body.get("user"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_int64(value: object) -> bool:
    return type(value) is int and _INT64_MIN <= value <= _INT64_MAX
