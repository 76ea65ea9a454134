"""The facts that conditions speak about, each computed when asked for; what takes long, once.

Bodies come from clients: whatever their shape, reading a fact never raises; a field of a wrong type counts as absent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from signalbox.routing import prompts
from signalbox.routing.choosing.classified import NOTHING_SAID, Classified, Column, Judge, Result
from signalbox.routing.code import has_code
from signalbox.routing.formats.anthropic_client.request import Message
from signalbox.routing.regex import Joined, Pattern

_INT64_MAX: Final = 2**63 - 1
_INT64_MIN: Final = -(2**63)
_UNCOUNTED: Final = -1
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


class Facts:
    """All facts of one request.

    ``operation`` is "chat", "completions", "embeddings" or "responses"; ``body`` the decoded JSON object; ``headers``
    have lower-case names. Looking up a classifier in ``labels``, ``scores`` or ``confidences`` asks it, or raises
    ``UnknownValueError`` where it must be waited for; who knows what was said puts that in their place. ``awaited`` is
    the one that the last undecided condition needs. ``target`` and ``answer`` are set before an expression over them is
    asked, again for each target and each answer. ``message`` is there where the chat in ``body`` was one for
    Anthropic's API.
    """

    target: CandidateFacts
    answer: AnswerFacts
    awaited = ""
    message: Message | None = None

    # What takes a look at every message or character is kept; the rest is read again as fast as it would be found.
    _classified: Classified | None = None
    _labels: dict[str, str] | None = None
    _scores: dict[str, float] | None = None
    _confidences: dict[str, float] | None = None
    _images = _UNCOUNTED
    _text: str | None = None
    _utf8: bytes | None = None
    joined: Joined | None = None
    _one_may_match: bool | None = None
    _lower: str | None = None
    _words = _UNCOUNTED
    _lines = _UNCOUNTED
    _has_code: bool | None = None
    _has_url: bool | None = None
    _chars = _UNCOUNTED
    _tokens = _UNCOUNTED
    _turns = _UNCOUNTED
    _system: str | None = None

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

    @property
    def classified(self) -> Classified:
        found = self._classified
        if found is None:
            found = self._classified = Classified(self._judges, self.query_text)
        return found

    @property
    def said(self) -> Mapping[str, Result]:
        """What classifiers have said so far."""
        return NOTHING_SAID if self._classified is None else self._classified.results

    @property
    def labels(self) -> dict[str, str]:
        found = self._labels
        if found is None:
            found = self._labels = Column(self.classified, "label")
        return found

    @labels.setter
    def labels(self, labels: dict[str, str]) -> None:
        self._labels = labels

    @property
    def scores(self) -> dict[str, float]:
        found = self._scores
        if found is None:
            found = self._scores = Column(self.classified, "score")
        return found

    @scores.setter
    def scores(self, scores: dict[str, float]) -> None:
        self._scores = scores

    @property
    def confidences(self) -> dict[str, float]:
        found = self._confidences
        if found is None:
            found = self._confidences = Column(self.classified, "confidence")
        return found

    @confidences.setter
    def confidences(self, confidences: dict[str, float]) -> None:
        self._confidences = confidences

    def header(self, name: str) -> str:
        """The value of a request header, "" when absent; names ignore case."""
        value = self.headers.get(name.lower().encode("latin-1", "replace"))
        return value.decode("latin-1") if value else ""

    # request

    @property
    def request_model(self) -> str:
        return _text(self.body.get("model"))

    @property
    def request_stream(self) -> bool:
        return self.body.get("stream") is True

    @property
    def request_max_tokens(self) -> int | None:
        return prompts.max_tokens(self.body)

    @property
    def request_temperature(self) -> float | None:
        value = self.body.get("temperature")
        if type(value) is int:
            return float(value) if _is_int64(value) else None
        return value if type(value) is float else None

    @property
    def request_n(self) -> int | None:
        value = self.body.get("n")
        return value if _is_int64(value) else None

    @property
    def request_tools(self) -> int:
        return prompts.count_tools(self.body)

    @property
    def request_images(self) -> int:
        if self._images == _UNCOUNTED:
            self._images = prompts.count_images(self.request_operation, self.body)
        return self._images

    @property
    def request_logprobs(self) -> bool:
        return prompts.wants_logprobs(self.request_operation, self.body)

    @property
    def request_response_format(self) -> str:
        return prompts.response_format(self.body)

    @property
    def request_reasoning_effort(self) -> str:
        effort = self.body.get("reasoning_effort")
        if effort is None and isinstance(reasoning := self.body.get("reasoning"), dict):
            effort = reasoning.get("effort")
        return _text(effort)

    # query

    @property
    def query_text(self) -> str:
        found = self._text
        if found is None:
            found = self._text = prompts.query(self.request_operation, self.body)
        return found

    @property
    def query_text_utf8(self) -> bytes:
        """For regular expressions: RE2 works on bytes, and several conditions may ask."""
        found = self._utf8
        if found is None:
            found = self._utf8 = self.query_text.encode("utf-8", "surrogatepass")
        return found

    def look_for(self, joined: Joined | None) -> None:
        """From here on a policy decides that asks for these together; what was found for another does not count."""
        self.joined = joined
        self._one_may_match = None

    def query_matches(self, pattern: Pattern) -> bool:
        """Whether it is found in the query. Where no word is that those need which are asked for together, none is."""
        joined = self.joined
        if joined is not None and pattern.source in joined.sources:
            found = self._one_may_match
            if found is None:
                found = self._one_may_match = joined.possible_in(self.query_text_utf8)
            if not found:
                return False
        return pattern.found_in(self.query_text_utf8)

    @property
    def query_text_lower(self) -> str:
        """For ``containsWord``, which ignores case."""
        found = self._lower
        if found is None:
            found = self._lower = self.query_text.lower()
        return found

    @property
    def query_chars(self) -> int:
        return len(self.query_text)

    @property
    def query_words(self) -> int:
        if self._words == _UNCOUNTED:
            self._words = len(self.query_text.split())
        return self._words

    @property
    def query_lines(self) -> int:
        if self._lines == _UNCOUNTED:
            text = self.query_text
            self._lines = text.count("\n") + 1 if text else 0
        return self._lines

    @property
    def query_tokens(self) -> int:
        return prompts.estimate_tokens(self.query_text)

    @property
    def query_has_code(self) -> bool:
        found = self._has_code
        if found is None:
            found = self._has_code = has_code(self.query_text, self.query_text_utf8)
        return found

    @property
    def query_has_url(self) -> bool:
        found = self._has_url
        if found is None:
            text = self.query_text
            found = self._has_url = "https://" in text or "http://" in text
        return found

    # conversation

    @property
    def conversation_chars(self) -> int:
        if self._chars == _UNCOUNTED:
            self._chars = sum(map(len, prompts.texts(self.request_operation, self.body)))
        return self._chars

    @property
    def conversation_tokens(self) -> int:
        if self._tokens == _UNCOUNTED:
            self._tokens = prompts.prompt_tokens(self.request_operation, self.body)
        return self._tokens

    @property
    def conversation_turns(self) -> int:
        if self._turns == _UNCOUNTED:
            self._turns = prompts.count_turns(self.request_operation, self.body)
        return self._turns

    @property
    def conversation_system(self) -> str:
        found = self._system
        if found is None:
            found = self._system = prompts.system(self.request_operation, self.body)
        return found

    # user

    @property
    def user_id(self) -> str:
        return _text(self.body.get("safety_identifier") or self.body.get("user"))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _is_int64(value: object) -> bool:
    return type(value) is int and _INT64_MIN <= value <= _INT64_MAX
