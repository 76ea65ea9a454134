"""What a ModelBackend says of its engines: how much they can do, and where they show their load."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from signalbox.api.base import ApiModel
from signalbox.api.rules import Rule, Rules
from signalbox.api.types import Duration, Port, duration_rules

Engine = Literal["VLLM", "SGLang", "LlamaCpp", "Custom", "None"]

_LABEL = '[a-zA-Z_][a-zA-Z0-9_]* *= *\\"[^\\"\\\\\\\\{}[:cntrl:]]*\\"'

Selector = Annotated[
    str,
    Field(min_length=1, max_length=256),
    Rules(
        Rule(
            f"self.matches('^[a-zA-Z_:][a-zA-Z0-9_:]*([{{] *({_LABEL} *(, *{_LABEL} *)*)?[}}])?$')",
            "must be the name of a metric, with labels in braces to choose among its series, such as "
            'engine_running or engine_requests{state="running"}',
        )
    ),
]
"""Which series of an engine's metrics; those that match are added up."""


class Capacity(ApiModel):
    """What one endpoint can do. These are priors: the operator learns from what it sees, and starts from here."""

    concurrency: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that an endpoint works on at the same time, such as max_num_seqs of vLLM. Default: learned, as the most
    that ran while others waited."""
    tokens_per_second: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    """Tokens a second that an endpoint generates when it is full. Default: learned; before that, as other endpoints of
    the same model do."""
    slow_start: Annotated[Duration, Field(max_length=20), duration_rules("0s", "1h")] = Duration("30s")
    """A new endpoint gets a tenth of its part at first, and all of it after this time."""


class CustomSeries(ApiModel):
    """Series of an engine that no preset knows, in the text format of Prometheus."""

    running: Selector
    """Requests that the engine works on, such as engine_running or engine_requests{state="running"}."""
    waiting: Selector | None = None
    """Requests in its queue. Default: it has none."""
    kv_cache_usage: Selector | None = None
    """Part of the KV cache in use, 0 to 1. Default: not known."""
    generated_tokens: Selector | None = None
    """A counter of tokens generated. Default: what the routers count."""


class Signals(ApiModel):
    """Where the engines of this backend show their load. Every ready endpoint is asked."""

    engine: Engine = "None"
    """Whose metrics they are: VLLM, SGLang, LlamaCpp (started with --metrics), Custom (see custom), or None: engines
    are not asked, and what the routers count stands in for it."""
    port: Port | None = None
    """Port of the metrics: a number is a port of the pod (or of the url's host), a name is a port of the Service.
    Default: where the requests go."""
    path: Annotated[
        str,
        Field(min_length=1, max_length=256),
        Rules(Rule("self.matches('^/[!-~]*$') && !self.contains('#')", "must be a path such as /metrics")),
    ] = "/metrics"
    """Path of the metrics from the root of the endpoint; basePath is not put before it."""
    custom: CustomSeries | None = None
    """With engine Custom only: the series to read."""

    rules: ClassVar = (
        Rule(
            "self.engine != 'Custom' || has(self.custom)",
            "is missing: say which series to read, at least running",
            field="custom",
            reason="FieldValueRequired",
        ),
        Rule(
            "!has(self.custom) || self.engine == 'Custom'",
            "goes with engine: Custom only: write that, or remove custom",
            field="custom",
            reason="FieldValueForbidden",
        ),
        Rule(
            "!has(self.port) || self.engine != 'None'",
            "does nothing without an engine: write engine: VLLM or another, or remove port",
            field="port",
            reason="FieldValueForbidden",
        ),
    )
