"""``objective`` on the stage: each aim with what the router itself knows of its targets."""

import asyncio

import pytest
from artefacts import by_length
from stage import Stage

from waiting import until

BOTH = pytest.mark.parametrize("stream", [False, True])
DEBUG = {"x-signalbox-debug": "true"}


async def portfolio(stage: Stage) -> None:
    """Three models: prices, qualities and latencies as they are said of them."""
    said = {"a": ("1", "1", 50, "300ms"), "b": ("2", "8", 70, "200ms"), "c": ("10", "30", 90, "900ms")}
    for name, (read, written, quality, latency) in said.items():
        await stage.engine(
            name,
            {"answer": f"From {name}."},
            pricing={"inputPerMillion": read, "outputPerMillion": written},
            quality={"quality": quality, "latency": latency, "skills": {"code": 95}}
            if name == "b"
            else {"quality": quality, "latency": latency},
        )


async def objective(stage: Stage, fields: str) -> None:
    await portfolio(stage)
    targets = "targets: [{name: a}, {name: b}, {name: c}]"
    await stage.open(f"debug: Allowed\nroutes: [{{name: best, objective: {{{targets}, {fields}}}}}]")


@pytest.mark.parametrize(
    ("fields", "target", "why"),
    [
        ("minimize: Cost", "a", "cost 0.000"),
        ("minimize: Latency", "b", "latency 200 ms of b"),
        ("maximize: Quality", "c", "quality 90.0 of c"),
        ("minimize: Cost, bounds: {minQuality: 60}", "b", "of b"),
        ("maximize: Quality, bounds: {maxCost: '0.003'}", "b", "quality 70.0 of b"),
        ("minimize: Cost, bounds: {minQuality: 80, maxFirstToken: 500ms}", "b", "nearest to minQuality"),
        ("maximize: Quality, bounds: {maxFirstToken: 500ms}", "b", "quality 70.0 of b"),
        ("minimize: Cost, filter: 'target.outputPerMillion > 5.0'", "b", "of b"),
        ("maximize: Quality, filter: 'target.name != \"c\" || query.chars > 100'", "b", "of b"),
    ],
)
@BOTH
async def test_the_best_serves_and_the_reason_says_why(
    stage: Stage, fields: str, target: str, why: str, stream: bool
) -> None:
    await objective(stage, fields)
    seen = await stage.ask(stream=stream, headers=DEBUG)
    assert (seen.status, seen.target, seen.text) == (200, target, f"From {target}.")
    assert why in seen.headers["x-signalbox-reason"]


@BOTH
async def test_load_goes_to_the_idle_one(stage: Stage, stream: bool) -> None:
    await stage.engine("a", {"stalled": True}, capacity={"concurrency": 4})
    await stage.engine("b", {"answer": "From b."}, capacity={"concurrency": 4})
    await stage.open("routes: [{name: idle, objective: {minimize: Load, targets: [{name: a}, {name: b}]}}]")

    busy = stage.router.proxy._backends["a"]
    leaving = asyncio.ensure_future(stage.ask(stream=stream))
    await until(lambda: busy.in_flight)
    assert [(await stage.ask(stream=stream)).target for _ in range(3)] == ["b", "b", "b"]
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)


@BOTH
async def test_quality_is_of_the_query_where_a_classifier_expects_it(stage: Stage, stream: bool) -> None:
    await stage.engine("a", {"answer": "From a."})
    await stage.engine("b", {"answer": "From b."})
    await stage.open(
        """
        classifiers: [{name: best, labels: [a, b], default: b,
                       trained: {examplesFrom: [{configMapKeyRef: {name: examples, key: train}}]}}]
        routes: [{name: best, objective: {maximize: Quality, quality: {classifier: best},
                                          targets: [{name: a}, {name: b}]}}]
        """,
        '{apiVersion: v1, kind: ConfigMap, metadata: {name: examples}, data: {train: \'{"prompt": "x"}\'}}',
        models={"best": by_length("a", "b", scores=True)},
    )
    assert (await stage.ask("Hi", stream=stream)).target == "a"
    assert (await stage.ask("Prove it. " * 30, stream=stream)).target == "b"


async def test_code_goes_by_its_skill(stage: Stage) -> None:
    await objective(stage, "maximize: Quality")
    assert (await stage.ask("```python\nx = 1\n```")).target == "b"


@BOTH
async def test_where_the_best_fails_the_next_serves_and_none_is_left_out_by_bounds(stage: Stage, stream: bool) -> None:
    await stage.engine("a", {"status": 500}, pricing={"inputPerMillion": "1", "outputPerMillion": "1"})
    await stage.engine("b", {"answer": "From b."}, pricing={"inputPerMillion": "9", "outputPerMillion": "9"})
    await stage.open(
        """
        routes:
        - {name: cheap, objective: {minimize: Cost, targets: [{name: a}, {name: b}], bounds: {maxCost: "0.001"}}}
        """
    )
    assert (await stage.ask(stream=stream)).target == "b"


async def test_a_filter_that_leaves_nothing_says_so(stage: Stage) -> None:
    await objective(stage, "minimize: Cost, filter: 'target.quality > query.chars * 100'")
    seen = await stage.ask()
    assert (seen.status, seen.code) == (503, "no_target")


async def test_the_cost_follows_what_answers_are_long(stage: Stage) -> None:
    """Two of one price: the one that was seen to write more is the dearer."""
    for name, tokens in (("a", 900), ("b", 20)):
        await stage.engine(name, {"answer": f"From {name}.", "outputTokens": tokens}, sim={"speed": 10_000.0})
    await stage.open(
        """
        routes:
        - {name: warm, when: 'query.text == "warm"', weighted: {targets: [{name: a, weight: 1}, {name: b, weight: 1}]}}
        - {name: cheap, objective: {minimize: Cost, targets: [{name: a}, {name: b}]}}
        """
    )
    assert (await stage.ask()).target == "a"
    for _ in range(4):
        await stage.ask("warm")
    assert (await stage.ask()).target == "b"


async def test_latency_as_measured_outweighs_what_is_said_of_a_model(stage: Stage) -> None:
    await stage.engine("a", {"answer": "From a.", "delay": 0.3}, quality={"latency": "1ms"})
    await stage.engine("b", {"answer": "From b."}, quality={"latency": "40ms"})
    await stage.open("routes: [{name: fast, objective: {minimize: Latency, targets: [{name: a}, {name: b}]}}]")
    targets = [(await stage.ask(stream=True)).target for _ in range(4)]
    assert targets[0] == "a"
    assert "b" in targets


async def test_what_a_filter_leaves_may_be_unable_to_serve(stage: Stage) -> None:
    await stage.engine("a", {"answer": "From a."}, features=[])
    await stage.engine("b", {"answer": "From b."})
    await stage.open(
        """
        routes: [{name: one, objective: {minimize: Cost, targets: [{name: a}, {name: b}],
                                         filter: 'target.name == "a" || query.chars > 1000'}}]
        """
    )
    seen = await stage.ask(logprobs=True)
    assert (seen.status, seen.code) == (400, "no_eligible_target")
