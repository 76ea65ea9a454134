"""Cascades on the stage: who answers, what the client sees, what is called, counted and told."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from stage import QUESTION, Stage

from harness import PATIENCE, Upstream, completion, response
from signalbox.router.serving.chains import run
from waiting import until

BOTH = pytest.mark.parametrize("stream", [False, True])
SURE, UNSURE = {"answer": "Small says so.", "confidence": 0.95}, {"answer": "Small guesses.", "confidence": 0.4}
STRONG = {"answer": "Strong says so."}
LOGPROBS = "accept: {logProbs: {}, minPercent: 80}"


def policy(accept: str = LOGPROBS, more: str = "", debug: bool = False) -> str:
    return f"""
routes:
- name: all
  cascade: {{steps: [{{target: small, {accept}}}, {{target: strong}}]}}
  {more}
debug: {"Allowed" if debug else "Denied"}
"""


def billed(stage: Stage) -> dict[str, list[str]]:
    return {name: [call.outcome for call in log] for name, log in stage.calls.items()}


def counted(stage: Stage) -> dict[tuple[str, str], int]:
    return {(each.target, each.word): each.value for each in stage.router.statistics.snapshot().chains}


async def streamed(stage: Stage) -> bytes:
    """A stream to its end, as it comes over the wire: clients keep comments to themselves."""
    body = {"model": "auto", "messages": [{"role": "user", "content": QUESTION}], "stream": True}
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        return (await client.post(f"{stage.url}/v1/chat/completions", json=body)).content


async def trail(stage: Stage, **fields: Any) -> list[dict[str, Any]]:
    seen = await stage.ask(headers={"x-signalbox-debug": "true"}, **fields)
    found: list[dict[str, Any]] = json.loads(seen.headers["x-signalbox-trail"])
    return found


@BOTH
async def test_a_sure_answer_is_the_answer(stage: Stage, stream: bool) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.text, seen.target, seen.route) == (200, "", "Small says so.", "small", "all")
    assert (seen.finish, seen.usage, seen.logprobs) == ("stop", (7, 4), False)
    assert billed(stage) == {"small": ["answered"], "strong": []}
    assert json.loads(seen.headers["x-signalbox-usage"]) == {
        "calls": 1, "inputTokens": 7, "outputTokens": 4, "cost": "0.000047"
    }  # fmt: skip
    [entry] = stage.router.entries()
    assert (entry["calls"], entry["tries"], entry["inputTokens"], entry["outputTokens"]) == (1, 1, 7, 4)
    assert (entry["cost"], entry["target"], entry["stream"] if stream else False) == ("0.000047", "small", stream)
    assert counted(stage) == {("small", "accepted"): 1}
    assert "x-signalbox-trail" not in seen.headers


@BOTH
async def test_an_unsure_one_is_not(stage: Stage, stream: bool) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.text, seen.target, seen.usage) == ("Strong says so.", "strong", (7, 4))
    assert billed(stage) == {"small": ["answered"], "strong": ["answered"]}
    [entry] = stage.router.entries()
    assert (entry["calls"], entry["inputTokens"], entry["outputTokens"], entry["cost"]) == (2, 14, 8, "0.000094")
    assert counted(stage) == {("strong", "live"): 1}
    usage = json.loads(seen.headers["x-signalbox-usage"])
    assert usage["calls"] == 2
    assert usage["inputTokens"] == (7 if stream else 14)
    series = {one.labels.target: one for one in stage.router.statistics.snapshot().series}
    assert {name: int(one.output_tokens.sum) for name, one in series.items()} == {"small": 4, "strong": 4}
    assert {name: one.statuses for name, one in series.items()} == {"small": {}, "strong": {200: 1}}


async def test_log_probabilities_that_the_client_wants_it_gets(stage: Stage) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    assert (await stage.ask(logprobs=True)).logprobs
    assert (await stage.ask(logprobs=True, stream=True)).logprobs


async def test_the_last_step_streams_live(stage: Stage) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", {"answer": "Strong says so at length.", "cutAfter": 3})
    await stage.open(policy())
    seen = await stage.ask(stream=True)
    assert (seen.text, seen.code) == ("Strong says ", "upstream_error")


@BOTH
@pytest.mark.parametrize(
    ("accept", "accepted"),
    [
        ("""accept: {expression: 'answer.finishReason == "stop" && !answer.refusal && answer.chars > 5'}""", True),
        ("accept: {expression: 'answer.words > 100'}", False),
        ("accept: {expression: '[1][answer.words] == 1'}", False),
    ],
)
async def test_an_expression_decides(stage: Stage, accept: str, accepted: bool, stream: bool) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy(accept))
    assert (await stage.ask(stream=stream)).target == ("small" if accepted else "strong")


@BOTH
async def test_a_schema_is_looked_at(stage: Stage, stream: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    asked = {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}}
    await stage.engine("small", {"json": {"n": "one"}}, {"json": {"n": 1}})
    await stage.engine("strong", {"json": {"n": 2}})
    await stage.open(policy("accept: {expression: 'answer.matchesSchema'}"))
    assert (await stage.ask(stream=stream, response_format=asked)).text == '{"n":2}'


@BOTH
@pytest.mark.parametrize(
    ("word", "target"), [("90", "small"), ('{"score": 20}', "strong"), ("It is fine, 90.", "strong")]
)
async def test_a_judge_decides(stage: Stage, word: str, target: str, stream: bool) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.engine("wise", {"answer": word})
    await stage.open(policy("accept: {judge: {target: wise, rubric: it is short}, minPercent: 70}"))
    seen = await stage.ask("Tell me.", stream=stream)
    assert seen.target == target
    [call] = stage.calls["wise"]
    system, user = call.body["messages"]
    assert "it is short" in system["content"]
    assert "Tell me." in user["content"]
    assert "Small says so." in user["content"]
    assert call.body["response_format"]["json_schema"]["schema"]["required"] == ["score"]
    [entry] = stage.router.entries()
    assert entry["calls"] == (2 if target == "small" else 3)


@BOTH
@pytest.mark.parametrize(
    ("answers", "target", "needed"),
    [(["Yes.", "yes", "No."], "small", 2), (["a", "b", "c"], "strong", 3), (["x", "x", "x"], "small", 2)],
)
async def test_agreement_decides(stage: Stage, answers: list[str], target: str, needed: int, stream: bool) -> None:
    await stage.engine("small", {"answers": answers})
    await stage.engine("strong", STRONG)
    await stage.open(policy("accept: {agreement: {samples: 3}, minPercent: 60}"))
    seen = await stage.ask(stream=stream, temperature=0.2, seed=5)
    assert seen.target == target
    await until(lambda: not stage.calls["small"].outcomes["open"])
    assert needed <= len(stage.calls["small"]) <= 3
    bodies = [call.body for call in stage.calls["small"]]
    assert {body["temperature"] for body in bodies} == {0.7}
    seeds = {body["seed"] for body in bodies}
    assert seeds <= {5, 6, 7}
    assert len(seeds) == len(bodies)


async def test_samples_that_cannot_matter_any_more_are_cancelled(stage: Stage) -> None:
    await stage.engine("small", {"times": 2, "answer": "Yes."}, {"stalled": True})
    await stage.engine("strong", STRONG)
    await stage.open(policy("accept: {agreement: {samples: 3}, minPercent: 60}"))
    assert (await stage.ask()).text == "Yes."
    await until(lambda: stage.calls["small"].outcomes["cancelled"])
    assert sorted(billed(stage)["small"]) == ["answered", "answered", "cancelled"]


@BOTH
async def test_a_call_of_a_tool_is_an_answer(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"toolCalls": [{"name": "look", "arguments": {"at": "sky"}}], "confidence": 0.1})
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    seen = await stage.ask(stream=stream, tools=[tool])
    assert (seen.target, seen.finish) == ("small", "tool_calls")
    [(name, arguments)] = seen.tools
    assert (name, json.loads(arguments)) == ("look", {"at": "sky"})


@BOTH
@pytest.mark.parametrize("fault", [{"status": 500}, {"stalled": True}, {"answer": "x", "cutAfter": 0}, {"status": 400}])
async def test_a_step_that_fails_is_left(stage: Stage, stream: bool, fault: dict[str, Any]) -> None:
    await stage.engine("small", fault)
    await stage.engine("strong", STRONG)
    await stage.open(policy(more="limits: {timeout: 2s}" if fault.get("stalled") else ""))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text) == (200, "Strong says so.")


@BOTH
async def test_who_wants_errors_gets_them(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"status": 400, "code": "content_filter"}, timeouts={"request": "1s"})
    await stage.engine("strong", STRONG)
    await stage.open(policy(more="onFailure: Error"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (400, "content_filter", "small")
    assert not billed(stage)["strong"]


async def test_a_large_answer_of_the_last_step_becomes_a_stream(stage: Stage, upstream: Upstream) -> None:
    text = "long " * 300_000
    upstream.reply = response(200, completion(text))
    await stage.engine("small", UNSURE)
    await stage.engine("strong", url=f"http://{upstream.address.host}:{upstream.address.port}/v1")
    await stage.open(policy())
    seen = await stage.ask(stream=True)
    assert (seen.code, seen.text == text, seen.finish, seen.target) == ("", True, "stop", "strong")


@BOTH
async def test_a_last_step_that_nobody_may_ask(stage: Stage, stream: bool) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", STRONG, limits={"requestsPerMinute": 1})
    await stage.open(policy(more="onFailure: Error"))
    assert (await stage.ask(stream=stream)).target == "strong"
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (429, "rate_limit_exceeded", "small")
    assert counted(stage) == {("strong", "live"): 1}


@BOTH
@pytest.mark.parametrize("how", ["NextStep", "BestSoFar"])
async def test_where_the_last_step_fails_the_best_so_far_is_the_answer(stage: Stage, stream: bool, how: str) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", {"status": 500})
    await stage.open(policy(more=f"onFailure: {how}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text, seen.target) == (200, "Small guesses.", "small")
    assert counted(stage) == {("small", "best so far"): 1}
    [entry] = stage.router.entries()
    assert (entry["status"], entry["calls"]) == (200, 2)


@BOTH
@pytest.mark.parametrize(("middle", "best"), [(0.3, "small"), (0.5, "middle")])
async def test_the_best_so_far_is_the_one_that_was_judged_best(
    stage: Stage, stream: bool, middle: float, best: str
) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("middle", {"answer": "Middle guesses.", "confidence": middle})
    await stage.engine("strong", {"status": 500})
    steps = f"{{target: small, {LOGPROBS}}}, {{target: middle, {LOGPROBS}}}, {{target: strong}}"
    await stage.open(f"routes: [{{name: all, cascade: {{steps: [{steps}]}}}}]")
    assert (await stage.ask(stream=stream)).target == best


@BOTH
async def test_an_answer_that_nobody_can_judge_is_better_than_one_that_was_rejected(stage: Stage, stream: bool) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("middle", {"answer": "Middle guesses."})
    await stage.engine("wise", {"answer": "Hm."})
    await stage.engine("strong", STRONG)
    steps = (
        f"{{target: small, {LOGPROBS}}}, {{target: middle, accept: {{judge: {{target: wise}}}}}}, {{target: strong}}"
    )
    await stage.open(f"routes: [{{name: all, onFailure: BestSoFar, cascade: {{steps: [{steps}]}}}}]")
    assert (await stage.ask(stream=stream)).target == "middle"


@BOTH
async def test_a_judge_does_not_speak_to_the_client(stage: Stage, stream: bool) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.engine("wise", {"status": 400, "code": "content_filter"})
    await stage.open(policy("accept: {judge: {target: wise}}", more="onFailure: Error"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (502, "upstream_error", "wise")


@BOTH
async def test_who_wants_errors_gets_those_of_samples(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"times": 1, "status": 400, "code": "content_filter"}, {"answer": "Yes.", "delay": 1})
    await stage.engine("strong", STRONG)
    await stage.open(policy("accept: {agreement: {samples: 3}, minPercent: 60}", more="onFailure: Error"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (400, "content_filter", "small")


@BOTH
@pytest.mark.parametrize(
    ("how", "target", "status"), [("NextStep", "strong", 200), ("BestSoFar", "small", 200), ("Error", "wise", 502)]
)
async def test_a_judge_that_fails_loses_nothing(stage: Stage, stream: bool, how: str, target: str, status: int) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.engine("wise", {"answer": "Hm."})
    await stage.open(policy("accept: {judge: {target: wise}}", more=f"onFailure: {how}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.target) == (status, target)


@BOTH
async def test_everybody_fails(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"status": 500})
    await stage.engine("strong", {"status": 500})
    await stage.open(policy())
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code, seen.target) == (502, "upstream_error", "strong")


@BOTH
async def test_a_limit_ends_the_search(stage: Stage, stream: bool) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy(more='limits: {maxCost: "0.0001"}'))
    seen = await stage.ask(stream=stream, max_tokens=9)
    assert (seen.status, seen.text, seen.target) == (200, "Small guesses.", "small")
    assert billed(stage)["strong"] == []
    assert counted(stage) == {("small", "maxCost"): 1}


async def test_what_would_cost_too_much_at_once(stage: Stage) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy(more='limits: {maxCost: "0.0001"}'))
    seen = await stage.ask(max_tokens=900)
    assert (seen.status, seen.code) == (400, "cost_limit")
    assert billed(stage) == {"small": [], "strong": []}


@pytest.mark.parametrize(("most", "status"), [("0.0002", 200), ("0.00015", 400)])
async def test_a_call_that_is_cut_off_counts_as_what_it_may_cost(stage: Stage, most: str, status: int) -> None:
    await stage.engine("small", {"stalled": True})
    await stage.engine("strong", STRONG)
    await stage.open(policy(more=f'limits: {{timeout: 2s, maxCost: "{most}"}}'))
    seen = await stage.ask(max_tokens=9)
    assert (seen.status, seen.code) == (status, "" if status == 200 else "cost_limit")


@BOTH
async def test_the_deadline_is_that_of_all_of_it(stage: Stage, stream: bool) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", {"stalled": True})
    await stage.open(policy(more="limits: {timeout: 2s}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.text) == (200, "Small guesses.")
    await until(lambda: stage.calls["strong"].outcomes["cancelled"])


@BOTH
async def test_the_deadline_without_any_answer(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {"stalled": True})
    await stage.engine("strong", {"stalled": True})
    await stage.open(policy(more="limits: {timeout: 200ms}"))
    seen = await stage.ask(stream=stream)
    assert (seen.status, seen.code) == (504, "upstream_timeout")
    await until(lambda: not any(log.outcomes["open"] for log in stage.calls.values()))


@BOTH
@pytest.mark.parametrize("waits", ["small", "strong"])
async def test_a_client_that_leaves_takes_its_calls_along(stage: Stage, stream: bool, waits: str) -> None:
    await stage.engine("small", UNSURE if waits == "strong" else {"stalled": True})
    await stage.engine("strong", {"stalled": True})
    await stage.open(policy())
    await stage.leave(lambda: stage.calls[waits].outcomes["open"], stream=stream)
    await until(lambda: stage.calls[waits].outcomes["cancelled"])
    await until(lambda: len(stage.router.entries()) == 1)
    [entry] = stage.router.entries()
    assert (entry["status"], entry["error"], entry["target"]) == (499, "client_closed", waits)
    assert stage.router.proxy.live is not None
    assert not any(backend.in_flight for backend in stage.router.proxy.live.backends.values())


async def test_several_answers_come_from_the_last_step(stage: Stage) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", {"answers": ["One.", "Two."]})
    await stage.open(policy())
    seen = await stage.ask(n=2)
    assert (seen.choices, seen.target) == (["One.", "Two."], "strong")
    assert billed(stage)["small"] == []


@BOTH
@pytest.mark.parametrize(("most", "status"), [("0.000191", 200), ("0.000186", 400)])
async def test_several_answers_must_fit_too(stage: Stage, most: str, status: int, stream: bool) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", {"answers": ["One.", "Two."]})
    await stage.open(policy(more=f'limits: {{maxCost: "{most}"}}'))
    seen = await stage.ask(n=2, max_tokens=9, stream=stream)
    assert (seen.status, seen.code) == (status, "" if status == 200 else "cost_limit")
    assert billed(stage) == {"small": [], "strong": ["answered"] if status == 200 else []}


async def test_completions_and_embeddings(stage: Stage) -> None:
    await stage.engine("small", SURE, features=["LogProbs", "Embeddings"])
    await stage.engine("strong", STRONG, features=["LogProbs", "Embeddings"])
    await stage.open(policy())
    made = await stage.client.completions.create(model="auto", prompt="Say so.")
    assert (made.choices[0].text, made.choices[0].logprobs) == ("Small says so.", None)
    pieces = [
        chunk.choices[0].text
        async for chunk in await stage.client.completions.create(model="auto", prompt="Say so.", stream=True)
    ]
    assert "".join(pieces) == "Small says so."
    await stage.client.embeddings.create(model="auto", input="a")
    assert billed(stage) == {"small": ["answered"] * 2, "strong": ["answered"]}


async def test_a_step_that_cannot_serve_is_left_out(stage: Stage) -> None:
    await stage.engine("small", SURE, features=["LogProbs"])
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
    assert (await stage.ask(tools=[tool])).target == "strong"
    assert billed(stage)["small"] == []


async def test_silence_is_filled(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "KEEP_ALIVE_SECONDS", 0.03)
    await stage.engine("small", {**SURE, "delay": 0.1})
    await stage.engine("strong", {"status": 500})
    await stage.open(policy(more="onFailure: Error", debug=True))
    seen = await stage.ask(stream=True, headers={"x-signalbox-debug": "true"})
    assert (seen.status, seen.text, seen.code, seen.usage) == (200, "Small says so.", "", (7, 4))
    assert seen.headers["x-signalbox-route"] == "all"
    unknown = {"x-signalbox-target", "x-signalbox-usage", "x-signalbox-trail"}  # nor are they made up
    assert not unknown & set(seen.headers)
    assert seen.headers["x-signalbox-reason"] == "route all (no condition), cascade"
    assert (await streamed(stage)).startswith(b": keep-alive\n\n")


@pytest.mark.parametrize(
    ("small", "strong", "text", "code"),
    [
        ({**UNSURE, "delay": 0.1}, STRONG, "Strong says so.", ""),
        ({"status": 500, "delay": 0.1}, {"stalled": True}, "", "upstream_timeout"),
        ({**UNSURE, "delay": 0.1}, {"status": 500}, "Small guesses.", ""),
    ],
)
async def test_after_a_silence_that_was_filled(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, small: Any, strong: Any, text: str, code: str
) -> None:
    monkeypatch.setattr(run, "KEEP_ALIVE_SECONDS", 0.02)
    await stage.engine("small", small)
    await stage.engine("strong", strong)
    await stage.open(policy(more="limits: {timeout: 2s}"))
    seen = await stage.ask(stream=True)
    assert (seen.status, seen.text, seen.code) == (200, text, code)
    assert not {"x-signalbox-target", "x-signalbox-usage"} & set(seen.headers)
    assert (await streamed(stage)).startswith(b": keep-alive\n\n")


async def test_the_trail_tells_what_was_done_but_not_what_was_said(stage: Stage) -> None:
    await stage.engine("small", UNSURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy(debug=True))
    assert "x-signalbox-trail" not in (await stage.ask()).headers
    asked, settled, live = await trail(stage)
    assert (asked["what"], asked["target"], asked["said"], asked["tokens"]) == ("step 1", "small", "text", [7, 4])
    assert settled == {"what": "step 1", "score": 40.0, "verdict": "rejected", "why": "at least 80"}
    assert live == {"what": "step 2", "said": "live"}
    seen = await stage.ask(headers={"x-signalbox-debug": "true"})
    assert "guesses" not in seen.headers["x-signalbox-trail"]
    assert seen.headers["x-signalbox-reason"].startswith("route all (no condition), cascade")


@BOTH
async def test_an_expression_may_ask_a_classifier(stage: Stage, stream: bool) -> None:
    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.engine("picker", {"json": {"label": "hard"}}, {"answer": "hard"})
    await stage.open(
        policy("""accept: {expression: 'answer.chars > 0 && label.kind == "easy"'}""")
        + "classifiers: [{name: kind, labels: [easy, hard], default: easy, llm: {target: picker}}]"
    )
    assert (await stage.ask(stream=stream)).target == "strong"
    assert len(stage.calls["picker"]) == 1


async def test_a_set_of_targets_is_drawn_by_share(stage: Stage) -> None:
    await stage.engine("small", SURE)
    await stage.engine("other", {**SURE, "answer": "Other says so."})
    await stage.engine("strong", STRONG)
    weighted = "weighted: {targets: [{name: small, weight: 3}, {name: other, weight: 1}]}"
    await stage.open(f"routes: [{{name: all, cascade: {{steps: [{{{weighted}, {LOGPROBS}}}, {{target: strong}}]}}}}]")
    for _ in range(20):
        await stage.ask()
    assert len(stage.calls["small"]) in {14, 15, 16}
    assert len(stage.calls["small"]) + len(stage.calls["other"]) == 20


async def test_a_defect_is_answered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*of: object) -> None:
        raise ZeroDivisionError("a defect")

    await stage.engine("small", SURE)
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    monkeypatch.setattr(run, "cascade", broken)
    seen = await stage.ask()
    assert (seen.status, seen.code) == (500, "internal_error")


@BOTH
async def test_a_router_that_drains_waits_for_a_chain(stage: Stage, stream: bool) -> None:
    await stage.engine("small", {**UNSURE, "delay": 0.2})
    await stage.engine("strong", STRONG)
    await stage.open(policy())
    asking = asyncio.ensure_future(stage.ask(stream=stream))
    await until(lambda: stage.calls["small"].outcomes["open"])
    stage.router.proxy.drain()
    assert (await asking).text == "Strong says so."
