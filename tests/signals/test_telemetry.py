"""The loop's metrics, read as Prometheus reads them."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from signalbox.feedback.backends import Sight
from signalbox.feedback.law import State, step
from signalbox.feedback.plan import Backend, Plan, SetKey, Share, Spill, TargetSet
from signalbox.feedback.readings import Reading
from signalbox.signals.telemetry import LoopFamilies, Seen, Work

ROUTE = SetKey("chat", "default")
PLAN = Plan(
    backends={
        "a": Backend(name="a", engine="VLLM", endpoints=("e1", "e2"), concurrency=4, tokens_per_second=100.0),
        "b": Backend(name="b", engine="VLLM", endpoints=()),
        "saas": Backend(name="saas"),
    },
    sets={
        ROUTE: TargetSet(shares=(Share("small", "a", 3), Share("other", "b", 1))),
        SetKey("chat", "default", 1): TargetSet(shares=(Share("far", "saas"),), mode="Observe"),
    },
    spills={ROUTE: Spill(0.8, 1.0)},
)


def seen(namespace: str = "team-a", **more: object) -> Seen:
    readings = {"e1": Reading(at=1.0, running=3.0, waiting=2.0, kv_usage=0.5)}
    outcome = step(State(), PLAN, {"a": Sight(readings=readings)}, 2.0)
    return Seen(namespace=namespace, plan=PLAN, outcome=outcome, **more)  # type: ignore[arg-type]


def samples(*each: Seen, now: float = 4.0, work: Work | None = None) -> dict[tuple[str, ...], float]:
    text = generate_latest(LoopFamilies(lambda: each, work or Work(), lambda: now)).decode()
    return {
        (sample.name.removeprefix("signalbox_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_weights_and_why() -> None:
    found = samples(seen())
    of = ("team-a", "chat", "default", "0")
    assert found["target_weight_ratio", "b", *of[:1], of[1], of[2], "other", "0"] == 0.0
    assert found["target_base_weight_ratio", "a", "team-a", "chat", "default", "small", "0"] == 0.75
    assert found["target_weight_ratio", "a", "team-a", "chat", "default", "small", "0"] == 1.0
    assert found["target_weight_reason", "b", "team-a", "chat", "NoEndpoint", "default", "other", "0"] == 1
    assert found["feedback_mode", "Observe", "team-a", "chat", "default", "1"] == 1
    assert 0.0 <= found["route_spill_ratio", "team-a", "chat", "default"] <= 1.0


def test_load() -> None:
    found = samples(seen(problems={"a": {"e1": "TimedOut", "e2": "TimedOut"}, "b": {"e3": "Refused"}}))
    assert found["backend_usable_endpoints", "a", "team-a"] == 2
    assert found["backend_silent_endpoints", "a", "team-a"] == 1
    assert found["backend_signal_age_seconds", "a", "team-a"] == 3.0
    assert found["backend_kv_cache_usage_ratio", "a", "team-a"] == 0.5
    assert found["backend_waiting_requests", "a", "team-a"] == 4.0  # the silent one is taken to be like the other
    assert ("backend_signal_age_seconds", "b", "team-a") not in found
    assert found["backend_unreadable_endpoints", "a", "TimedOut", "team-a"] == 2
    assert found["backend_unreadable_endpoints", "b", "Refused", "team-a"] == 1


def test_demand_is_said_only_where_it_is_known() -> None:
    assert not [key for key in samples(seen()) if key[0].startswith("backend_demand")]
    found = samples(seen(answered={"chat": {"default": {"small": 4.0}}}))
    assert found["backend_demand_replicas", "a", "team-a"] > 9.0  # 4 requests of 300 tokens, and two waiting
    assert found["backend_demand_tokens_per_second", "b", "team-a"] == 300.0
    assert ("backend_demand_replicas", "b", "team-a") not in found


def test_what_an_engine_did_is_remembered_when_it_has_gone() -> None:
    now: list[Seen] = []
    families = LoopFamilies(lambda: now, Work(), lambda: 0.0)
    lively = Plan(backends={"a": Backend(name="a", engine="VLLM", endpoints=("e",), concurrency=2)}, sets=PLAN.sets)
    state = State()
    for at in (0.0, 5.0, 10.0):
        reading = Reading(at=at, running=2.0, waiting=1.0, generated=60.0 * at, finished=at)
        outcome = step(state, lively, {"a": Sight(readings={"e": reading})}, at)
        state = outcome.state
    now[:] = [Seen(plan=lively, outcome=outcome, answered={})]
    generate_latest(families)
    gone = Plan(backends={"a": Backend(name="a", engine="VLLM")}, sets=PLAN.sets)
    answered = {"chat": {"default": {"small": 1.0}}}
    now[:] = [Seen(plan=gone, outcome=step(state, gone, {}, 15.0), answered=answered)]
    lines = generate_latest(families).decode().splitlines()
    (line,) = [line for line in lines if line.startswith("signalbox_backend_demand_replicas{")]
    assert float(line.rsplit(" ", 1)[1]) > 0.0


def test_namespaces_are_told_apart() -> None:
    found = samples(seen("x"), seen("y"))
    assert {key[2] for key in found if key[0] == "backend_usable_endpoints"} == {"x", "y"}


def test_how_long_things_took() -> None:
    work = Work()
    work.stepped(0.02)
    work.looked(0.3, 0.04)
    work.looked(0.0, 5.0)
    found = samples(work=work)
    assert found["feedback_step_duration_seconds_count",] == 1
    assert found["scrape_lateness_seconds_sum",] == 0.3
    assert found["scrape_duration_seconds_count",] == 2
