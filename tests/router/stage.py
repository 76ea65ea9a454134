"""Policies as users write them, planned by the real planner, on a router between scripted engines and the official
client: what each of the three sees of a strategy."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import openai
import yaml
from classifying import Service

from harness import PATIENCE, Router, StartRouter
from signalbox.local.resources import Options
from signalbox.local.workspace import Workspace, read
from signalbox.routing.config import RouterConfig, Trained
from signalbox.sim.log import CallLog
from signalbox.sim.profile import Profile
from signalbox.sim.script import read as read_script
from signalbox.sim.server import SimulatedEngine
from waiting import until

FEATURES = ["Tools", "LogProbs", "Vision", "JSONSchema"]
PRICING = {"inputPerMillion": "1", "outputPerMillion": "10"}
QUESTION = "What does the signal show?"
Claude = Callable[..., anthropic.AsyncAnthropic]
"""Makes the official client of Anthropic's API."""


@dataclass
class Seen:
    """An answer as the client saw it. ``code`` is that of an error: in place of the answer, or after ``text``."""

    status: int
    code: str = ""
    text: str = ""
    finish: str = ""
    tools: list[tuple[str, str]] = field(default_factory=list)
    usage: tuple[int, int] | None = None
    """Tokens in and out."""
    headers: Mapping[str, str] = field(default_factory=dict)
    choices: list[str] = field(default_factory=list)
    logprobs: bool = False

    @property
    def target(self) -> str:
        return self.headers.get("x-signalbox-target", "")

    @property
    def route(self) -> str:
        return self.headers.get("x-signalbox-route", "")


class Stage:
    """One router, its engines and a client."""

    def __init__(self, directory: Path, start_router: StartRouter) -> None:
        self._directory, self._start_router = directory, start_router
        self.engines: dict[str, SimulatedEngine] = {}
        self.services: dict[str, Service] = {}
        self._specs: dict[str, dict[str, Any]] = {}
        self._client: openai.AsyncOpenAI | None = None
        self.router: Router

    async def engine(
        self,
        name: str,
        *rules: Mapping[str, Any],
        sim: Mapping[str, Any] | None = None,
        features: Sequence[str] = FEATURES,
        quality: Mapping[str, Any] | None = None,
        **spec: Any,
    ) -> SimulatedEngine:
        """Start an engine that plays a script, and make a backend for it; ``spec`` replaces fields of the backend's.

        Engines are fast, so that a test waits for what it scripts only; ``sim`` is the engine's own profile,
        ``features`` are those that the backend declares, ``quality`` what else its profile says.
        """
        options = {"speed": 100.0, "jitter": 0.0, **(sim or {})}
        engine = SimulatedEngine(name, Profile(**options), seed=7, script=read_script(rules))
        await engine.start()
        self.engines[name] = engine
        self._specs[name] = {
            "model": engine.profile.model,
            "url": f"http://{engine.address}/v1",
            "profile": {"contextWindow": 8192, "features": _declared(features, spec), **(quality or {})},
            "pricing": PRICING,
            **spec,
        }
        return engine

    async def service(self, name: str, reply: Mapping[str, Any]) -> Service:
        """Start a service that puts labels on queries; a policy finds it at ``http://SERVICE-NAME/classify``."""
        self.services[name] = await Service(reply).start()
        return self.services[name]

    def workspace(self, spec: str, more: str = "") -> Workspace:
        """Plan a policy over all engines; ``more`` are YAML documents beside it. It must have no errors."""
        for name, service in self.services.items():
            spec = spec.replace(f"http://SERVICE-{name}/", f"http://{service.address}/")
        policy = {
            "models": ["auto"],
            "access": {"anonymous": {}},
            "targets": [{"name": name, "backendRef": {"name": name}} for name in self.engines],
            **yaml.safe_load(spec),
        }
        documents = [_resource("RoutingPolicy", "main", policy)]
        documents += [_resource("ModelBackend", name, backend) for name, backend in self._specs.items()]
        (self._directory / "policy.yaml").write_text(yaml.safe_dump_all(documents))
        (self._directory / "more.yaml").write_text(more)
        found = read(Options(self._directory))
        assert not found.errors, "\n".join(f"{one.location}: {one.problem}" for one in found.errors)
        return found

    async def open(
        self,
        spec: str,
        more: str = "",
        models: Mapping[str, bytes] | None = None,
        **options: Any,
    ) -> "Stage":
        """Put a policy in force: ``spec`` is YAML, and needs nothing but routes; ``options`` are the router's.

        ``models`` are artefacts of trained classifiers.
        """
        found = self.workspace(spec, more)
        [planned] = found.plan.routers
        configuration = _learned(planned.config, models or {})
        self.router = await self._start_router(configuration, found.secrets(planned), **options)
        self._client = openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0, timeout=PATIENCE)
        return self

    @property
    def url(self) -> str:
        """Where the router is."""
        return f"http://127.0.0.1:{self.router.port}"

    @property
    def client(self) -> openai.AsyncOpenAI:
        """The official client."""
        assert self._client is not None, "open() a policy first"
        return self._client

    def prices(self, name: str) -> tuple[str, str]:
        """What a million tokens of a backend cost, in and out."""
        pricing = self._specs[name]["pricing"]
        return pricing["inputPerMillion"], pricing["outputPerMillion"]

    @property
    def calls(self) -> dict[str, CallLog]:
        """What each service and engine was asked."""
        return {name: each.calls for name, each in {**self.services, **self.engines}.items()}

    async def ask(self, text: str = QUESTION, *, stream: bool = False, **fields: Any) -> Seen:
        """One chat request, unary or streaming; ``headers`` among the fields are sent along."""
        headers = fields.pop("headers", None)
        body = {"model": "auto", "messages": [{"role": "user", "content": text}], **fields}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        try:
            raw = await self.client.chat.completions.with_raw_response.create(**body, extra_headers=headers)
        except openai.APIStatusError as error:
            return Seen(error.status_code, code=str(error.code), headers=error.response.headers)
        made: Any = raw.parse()
        return await _follow(made, raw.headers) if stream else _read(made, raw.headers)

    async def leave(self, when: Callable[[], object], text: str = QUESTION, **fields: Any) -> None:
        """Ask, and vanish as soon as ``when`` holds."""
        asking = asyncio.ensure_future(self.ask(text, **fields))
        try:
            await until(lambda: when() or asking.done())
            assert not asking.done(), f"answered before the client left: {asking.result()}"
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    async def close(self) -> None:
        """Stop client and engines; the router is its fixture's."""
        if self._client is not None:
            await self._client.close()
        for each in (*self.services.values(), *self.engines.values()):
            await each.stop()


def _learned(configuration: RouterConfig, models: Mapping[str, bytes]) -> RouterConfig:
    """The configuration as it is once training has ended."""
    [policy] = configuration.policies
    classifiers = tuple(
        msgspec.structs.replace(each, source=Trained(model=models[each.name])) if each.name in models else each
        for each in policy.classifiers
    )
    return msgspec.structs.replace(configuration, policies=(msgspec.structs.replace(policy, classifiers=classifiers),))


def _declared(features: Sequence[str], spec: Mapping[str, Any]) -> list[str]:
    """Anthropic's API has no log-probabilities."""
    return [each for each in features if each != "LogProbs" or spec.get("format") != "Anthropic"]


def _resource(kind: str, name: str, spec: object) -> dict[str, Any]:
    return {"apiVersion": "signalbox.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


def _read(made: Any, headers: Mapping[str, str]) -> Seen:
    """A unary answer."""
    first = made.choices[0]
    return Seen(
        200,
        text=first.message.content or "",
        finish=first.finish_reason or "",
        tools=[(call.function.name, call.function.arguments) for call in first.message.tool_calls or ()],
        usage=(made.usage.prompt_tokens, made.usage.completion_tokens) if made.usage else None,
        headers=headers,
        choices=[choice.message.content or "" for choice in made.choices],
        logprobs=any(choice.logprobs for choice in made.choices),
    )


async def _follow(made: Any, headers: Mapping[str, str]) -> Seen:
    """A stream to its end, or to its error: ``cut`` is one without any."""
    seen = Seen(200, headers=headers)
    texts: dict[int, str] = {}
    calls: dict[int, tuple[str, str]] = {}
    try:
        async for chunk in made:
            seen.usage = (chunk.usage.prompt_tokens, chunk.usage.completion_tokens) if chunk.usage else seen.usage
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
                seen.finish = choice.finish_reason or seen.finish
                seen.logprobs = seen.logprobs or bool(choice.logprobs)
                for call in choice.delta.tool_calls or ():
                    name, arguments = calls.get(call.index, ("", ""))
                    calls[call.index] = (name + (call.function.name or ""), arguments + (call.function.arguments or ""))
    except openai.APIError as error:
        seen.code = str(error.code) if error.code else "cut"
    seen.text = texts.get(0, "")
    seen.choices = [texts[index] for index in sorted(texts)]
    seen.tools = [calls[index] for index in sorted(calls)]
    if not seen.code and not seen.finish:
        seen.code = "cut"
    return seen
