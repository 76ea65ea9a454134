"""The variables of conditions: one table, from which declarations, translation, documentation and messages follow.

Names under ``request`` are those of the OpenAI API; all others are camelCase, as in the resources.
"""

from typing import Final, Literal

import msgspec

Kind = Literal["bool", "int", "double", "string"]


class Attribute(msgspec.Struct, frozen=True):
    """One variable: ``group.name``. An ``optional`` one reads as ``default`` when absent; ``has()`` tells."""

    name: str
    kind: Kind
    text: str
    optional: bool = False
    default: bool | int | float | str = 0


REQUEST: Final = (
    Attribute(
        "operation",
        "string",
        'What is asked for: "chat" (in OpenAI\'s API or Anthropic\'s), "completions", "embeddings" or "responses".',
    ),
    Attribute("model", "string", "The model that the client names."),
    Attribute("stream", "bool", "Whether the client wants a stream."),
    Attribute(
        "max_tokens",
        "int",
        "The bound on tokens of the answer: `max_tokens`, `max_completion_tokens` or `max_output_tokens`.",
        optional=True,
    ),
    Attribute("temperature", "double", "The sampling temperature.", optional=True, default=1.0),
    Attribute("n", "int", "How many answers are asked for.", optional=True, default=1),
    Attribute("tools", "int", "The number of tools that the model may call."),
    Attribute("images", "int", "The number of images in all messages."),
    Attribute("logprobs", "bool", "Whether log-probabilities are asked for."),
    Attribute("response_format", "string", '"text", "json_object" or "json_schema".'),
    Attribute("reasoning_effort", "string", 'The effort asked for ("low", "high", …); "" when absent.'),
)

QUERY: Final = (
    Attribute("text", "string", "The text of the last user message; of a completion or an embedding, its input."),
    Attribute("chars", "int", "Its length in characters (Unicode code points)."),
    Attribute("words", "int", "Its words: runs of characters other than white space."),
    Attribute("lines", "int", "Its lines; 0 when it is empty."),
    Attribute("tokens", "int", "Its estimated tokens: UTF-8 bytes / 4, rounded up."),
    Attribute("hasCode", "bool", "Whether it contains source code (see below)."),
    Attribute("hasUrl", "bool", "Whether it contains `http://` or `https://`."),
)

CONVERSATION: Final = (
    Attribute("chars", "int", "The length of all texts of the request, in characters."),
    Attribute("tokens", "int", "The estimated tokens of all texts: UTF-8 bytes / 4, rounded up."),
    Attribute("turns", "int", "The number of user messages, the last one included."),
    Attribute("system", "string", "The text of the system and developer messages, or the `instructions`."),
)

USER: Final = (
    Attribute("tenant", "string", 'The tenant whose key was sent; "" for anonymous clients.'),
    Attribute("tier", "string", 'The tier of the tenant; "" when it has none.'),
    Attribute("id", "string", 'The end user, as the client claims it (`safety_identifier` or `user`); "" when absent.'),
)

_ABSENT: Final = "absent until known, and when what is known is older than `staleAfter`"

TARGET: Final = (
    Attribute("inFlight", "int", "Requests that this router process has in flight to the target."),
    Attribute(
        "ttftMs", "int", "Recent mean time to the first token, in milliseconds; absent until measured.", optional=True
    ),
    Attribute("errorRate", "double", "Recent share of failed requests, 0 to 1."),
    Attribute("healthy", "bool", "Whether an endpoint of the target is usable."),
    Attribute(
        "waiting", "int", f"Requests that wait at its engines, of all clients together; {_ABSENT}.", optional=True
    ),
    Attribute(
        "utilization",
        "double",
        "How full its engines are: the requests that they have over those that they can run at once, or the use of "
        f"their KV caches where that is more; 0 to 2, above 1 requests wait; {_ABSENT}.",
        optional=True,
        default=0.0,
    ),
    Attribute(
        "kvCacheUsage", "double", f"How full their KV caches are, 0 to 1; {_ABSENT}.", optional=True, default=0.0
    ),
    Attribute(
        "overloaded",
        "bool",
        "Whether its utilization has come to 0.9 and not fallen below 0.7 since; false while it is not known.",
    ),
)

CANDIDATE: Final = (
    Attribute("name", "string", "Its name in `spec.targets`."),
    Attribute("model", "string", "The model of its ModelBackend: the name that is sent upstream."),
    Attribute("backend", "string", "The name of its ModelBackend."),
    Attribute(
        "quality",
        "int",
        "Its quality in percent, as the objective counts it: of this query by the classifier in `quality`; else "
        "`profile.skills` for a query with code, `profile.quality` for others; absent where none of them says it.",
        optional=True,
    ),
    Attribute(
        "inputPerMillion", "double", "The price of a million tokens that it reads; absent without.", optional=True
    ),
    Attribute(
        "outputPerMillion", "double", "The price of a million tokens that it writes; absent without.", optional=True
    ),
    Attribute(
        "contextWindow", "int", "The tokens that a request and its answer may have; absent without.", optional=True
    ),
    *TARGET,
)

ANSWER: Final = (
    Attribute("text", "string", "What it says; of an answer with a refusal, that."),
    Attribute("chars", "int", "Its length in characters (Unicode code points)."),
    Attribute("words", "int", "Its words: runs of characters other than white space."),
    Attribute("lines", "int", "Its lines; 0 when it is empty."),
    Attribute(
        "tokens", "int", "Its tokens, as the engine counts them; where it does not: UTF-8 bytes / 4, rounded up."
    ),
    Attribute(
        "finishReason", "string", 'Why it ends: "stop", "length", "tool_calls", "content_filter"; "" when unsaid.'
    ),
    Attribute(
        "refusal", "bool", "Whether the model refuses: it says so in the field of that name, or in words known for it."
    ),
    Attribute("isJson", "bool", "Whether its text is JSON, a code fence around it aside."),
    Attribute(
        "matchesSchema",
        "bool",
        "Whether its text is JSON as the `response_format` of the request demands; true where that demands nothing.",
    ),
    Attribute(
        "toolCalls", "int", "The tools that it calls. An answer with any is accepted before a condition is asked."
    ),
)

LOAD: Final = frozenset({"inFlight", "waiting", "utilization", "kvCacheUsage"})
"""Those of a target that follow from what conditions decide: with a bound for one of them, all requests swing."""

GROUPS: Final = {"request": REQUEST, "query": QUERY, "conversation": CONVERSATION, "user": USER}

Purpose = Literal["when", "filter", "accept"]
"""What an expression is for: the condition of a route, the filter of an objective, the expression of an accept."""

BOUND: Final = {"target": CANDIDATE, "answer": ANSWER}
"""What only some expressions are asked about, once for each."""

BOUND_IN: Final[dict[str, Purpose]] = {"target": "filter", "answer": "accept"}

CLASSIFIER_GROUPS: Final[dict[str, Kind]] = {"label": "string", "score": "double", "confidence": "double"}

BY_PATH: Final = {f"{group}.{a.name}": a for group, of in {**GROUPS, **BOUND}.items() for a in of}
TARGET_BY_NAME: Final = {a.name: a for a in TARGET}


def groups(purpose: Purpose) -> dict[str, tuple[Attribute, ...]]:
    """The groups that expressions for this purpose know, ``targets`` and classifiers aside."""
    return {**GROUPS, **{group: BOUND[group] for group, where in BOUND_IN.items() if where == purpose}}


def find(path: str) -> Attribute | None:
    """The variable of a dotted path; of targets by its last part."""
    group, _, rest = path.partition(".")
    if group == "targets":
        _, _, field = rest.partition(".")
        return TARGET_BY_NAME.get(field)
    return BY_PATH.get(path)


def snake(name: str) -> str:
    """``inFlight`` -> ``in_flight``: the Python attribute of a variable."""
    return "".join("_" + c.lower() if c.isupper() else c for c in name)
