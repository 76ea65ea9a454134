"""The comparison: records, tables, picture; and who is missing is there, with the reason."""

import json
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from benchmarks.harness import environments, peers
from benchmarks.harness.errors import BenchError
from benchmarks.harness.load import Counts, Quantiles
from benchmarks.harness.report import Report, Spread, Table
from benchmarks.versus import __main__ as command
from benchmarks.versus import field, goals, measuring, picture, scenarios, tables
from benchmarks.versus.records import Machine, Record, Results, System, Taken, ratio, records

FULL = "unary-1KB-256-connections"
HALF = "unary-1KB-50%-of-its-own-load"
WHY = "litellm[proxy]==1 cannot be installed: No matching distribution"
SYSTEMS = [
    System("direct", "", "no proxy"),
    System("envoy", "1.40.0", "bare"),
    System("litellm", "", "its proxy", reason=WHY),
    System("signalbox", "hot path interpreted", "all"),
]


def results(taken: dict[str, Taken] | None = None) -> Results:
    served = taken or {
        "direct": Taken(values=[400.0, 402.0]),
        "envoy": Taken(values=[100.0, 110.0], details={"cpu_us_per_request": [10.0, 12.0]}),
        "litellm": Taken(reason=WHY),
        "signalbox": Taken(values=[120.0, 121.0], details={"cpu_us_per_request": [9.0, 9.5]}),
    }
    found = list(records(FULL, "requests/s of one core", "1/s", served, higher_is_better=True))
    about = Machine({"cpu": "two <cores> & more"}, "2026-01-01 00:00 UTC", 61.0, False, "cores 0, 1", 0.1, 2.0)
    return Results(about, SYSTEMS, found)


def quantiles(count: int, p50: float = 1.0, p99: float = 2.0, p999: float = 3.0) -> Quantiles:
    return Quantiles(count, p50, p50, p99, p999, p999, p50)


def counts(latency: Quantiles, *, busy: float = 0.5, first: Quantiles | None = None) -> Counts:
    return Counts(
        seconds=2.0,
        per_second=1000.0,
        events_per_second=53000.0,
        cpu_seconds=2.0 * busy,
        load_cpu_seconds=0.4,
        counted=2000,
        ok=2000,
        unfinished=0,
        opened=1,
        reconnected=0,
        waited=0,
        unsent=0,
        failed={},
        tally={},
        samples=[],
        latency_us=latency,
        first_event_us=first or latency,
        refused_us=quantiles(0),
    )


def rows(page: str, name: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith(f"| {name}")]


def test_a_ratio_is_of_the_same_round() -> None:
    assert ratio([120.0, 121.0], [100.0, 110.0]) == Spread(pytest.approx(1.15), 1.1, 1.2)
    assert ratio([1.0], []) is None
    assert ratio([1.0], [0.0]) is None


def test_every_system_has_a_record_in_every_scenario_of_its_own() -> None:
    found = results()
    assert [each.system for each in found.records] == ["direct", "envoy", "litellm", "signalbox"]
    ours = found.of("signalbox", FULL)
    assert ours and ours.value == Spread(120.5, 120.0, 121.0)
    assert ours.details["cpu_us_per_request"] == Spread(9.25, 9.0, 9.5)
    missing = found.of("litellm", FULL)
    assert missing and missing.value is None and missing.ratio_to_envoy is None and missing.reason == WHY


def test_who_is_missing_is_a_row_of_every_table() -> None:
    page = tables.markdown(results(), "latest.svg")
    summary, who, scenario = rows(page, "litellm")
    assert summary[0] == f"litellm: not measured, {WHY}"
    assert who[2] == WHY
    assert scenario[1] == f"not measured: {WHY}"
    assert "(1.15)" in rows(page, "signalbox")[0][1]


def test_every_row_is_as_wide_as_its_head() -> None:
    page = tables.markdown(results(), "latest.svg", [Table("Decision", ("rules", "p50 µs"), [("8", 12.0)])])
    width = 0
    for line in page.splitlines():
        if not line.startswith("|"):
            width = 0
            continue
        width = width or line.count("|")
        assert line.count("|") == width, line
    assert "| 8 | 12 |" in page


def test_the_picture_has_a_bar_for_a_value_and_the_reason_for_none() -> None:
    root = ElementTree.fromstring(picture.draw(results()))
    svg = "{http://www.w3.org/2000/svg}"
    bars = [float(bar.attrib["width"]) for bar in root.iter(f"{svg}rect") if bar.get("class") == "bar"]
    assert len(bars) == 3
    assert bars[0] > bars[2] > bars[1]  # direct, envoy, signalbox
    texts = [text.text or "" for text in root.iter(f"{svg}text")]
    assert any(text.startswith("litellm[proxy]==1 cannot") for text in texts)
    assert "121  ×1.15" in texts or "120  ×1.15" in texts
    assert max(bars) <= picture.PANEL - picture.LEFT - picture.VALUE


def test_bars_of_ten_times_are_equally_longer() -> None:
    short, middle, long = (picture.width(value, [1.0, 10.0, 100.0]) for value in (1.0, 10.0, 100.0))
    assert long - middle == pytest.approx(middle - short)
    assert picture.width(-3.0, [1.0]) == 1.0


def test_three_files_are_written(tmp_path: Path) -> None:
    alone = Report("decision", "in-process", [Table("By rules", ("rules", "p50 µs"), [("8", 12.0)])])
    page = command.write(results(), alone, tmp_path / "results")
    written = tmp_path / "results"
    assert (written / "latest.md").read_text() == page
    assert "latest.svg" in page
    ElementTree.parse(written / "latest.svg")
    data = json.loads((written / "latest.json").read_text())
    assert [each["system"] for each in data["records"]] == ["direct", "envoy", "litellm", "signalbox"]
    assert data["records"][3]["ratio_to_envoy"]["median"] == pytest.approx(1.15)
    assert data["machine"]["facts"]["cpu"] == "two <cores> & more"
    assert data["decision"]["tables"][0]["title"] == "By rules"


def test_goals_are_judged_by_the_median_or_not_at_all() -> None:
    found = {each.promise: each for each in goals.promises(results())}
    unary = next(each for name, each in found.items() if name.startswith("unary"))
    assert unary.met is True
    assert {each.met for name, each in found.items() if not name.startswith("unary")} == {None}
    slower = results({"envoy": Taken(values=[100.0]), "signalbox": Taken(values=[50.0])})
    assert next(goals.promises(slower)).met is False


def test_latency_is_what_is_added_and_rare_quantiles_need_requests() -> None:
    base, through = counts(quantiles(2000, 100, 200, 300)), counts(quantiles(2000, 150, 400, 900))
    found = measuring._added([(base, through)], 500.0, stream=False)
    assert found.values == [200]
    assert found.details["added_p50_us"] == [50]
    assert found.details["added_p999_us"] == [None]  # two requests lie beyond it
    few = counts(quantiles(100, 150, 400, 900))
    found = measuring._added([(base, few)], 20.0, stream=False)
    assert not found.values and found.reason == "too few requests for a p99 at 20/s"


def test_latency_of_a_stream_is_until_its_first_content() -> None:
    base = counts(quantiles(2000, 9, 9), first=quantiles(2000, 10, 20))
    through = counts(quantiles(2000, 9, 9), first=quantiles(2000, 40, 80))
    assert measuring._added([(base, through)], 500.0, stream=True).values == [60]


def test_what_fits_on_a_core() -> None:
    some = counts(quantiles(10), busy=0.5)
    assert measuring._capacity("envoy", [some], stream=False) == 1000.0
    assert measuring._capacity("envoy", [some], stream=True) == pytest.approx(2000.0)
    # The direct connection has no proxy: its bound is the core of generator and upstream.
    bound = 1000.0 * measuring.GENERATOR_SHARE * 2.0 / (1.0 + 0.4)
    assert measuring._capacity("direct", [some], stream=True) == pytest.approx(bound)


def test_rates_are_of_the_own_load_or_that_of_signalbox(tmp_path: Path) -> None:
    run = measuring.Run(
        measuring.Cores(frozenset([1]), frozenset([0])), tmp_path, measuring.Plan.of(quick=True), print, SYSTEMS
    )
    run.capacity = {
        ("direct", "unary", "1KB"): 1000.0,
        ("envoy", "unary", "1KB"): 90.0,
        ("signalbox", "unary", "1KB"): 100.0,
    }
    own = scenarios.Part("unary", "1KB", 80)
    assert measuring._rates(run, own) == {"envoy": 72.0, "signalbox": 80.0}
    shared = scenarios.Part("unary", "1KB", 80, of_signalbox=True)
    assert measuring._rates(run, shared) == {"envoy": 80.0, "signalbox": 80.0}
    run.capacity["envoy", "unary", "1KB"] = 82.0
    assert measuring._rates(run, shared) == {"signalbox": 80.0}
    assert "more than what it can serve" in measuring._unrated(run, shared, "envoy")
    run.capacity["direct", "unary", "1KB"] = 50.0
    assert not measuring._rates(run, own)


def test_all_scenarios_have_names_of_their_own() -> None:
    names = [each.name for each in (*scenarios.FULL, *scenarios.PART)]
    assert len(set(names)) == len(names) == 28
    shown = {scenario for _, scenario, _ in tables.COLUMNS} | {panel.scenario for panel in picture.PANELS}
    assert shown <= {*names, scenarios.START_UP, scenarios.MEMORY}
    assert {goals.UNARY, goals.STREAMS, *goals.HALF_LOAD} <= set(names)


@pytest.mark.parametrize("mode", scenarios.MODES)
@pytest.mark.parametrize("prompt", scenarios.PROMPTS)
def test_bodies_have_their_size(mode: scenarios.Mode, prompt: str) -> None:
    for body in scenarios.bodies(mode, prompt):
        assert scenarios.PROMPTS[prompt] <= len(body) <= scenarios.PROMPTS[prompt] + 100
        assert json.loads(body)["stream"] is (mode == "sse")


def test_who_cannot_be_installed_stays_on_the_roster(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object) -> Path:
        raise BenchError("nothing\n  to be had")

    monkeypatch.setattr(environments, "installed", absent)
    monkeypatch.setattr(peers, "envoy_program", absent)
    monkeypatch.setattr(peers, "nginx_program", absent)
    found = {each.name: each.reason for each in field.roster(field.SYSTEMS, print)}
    assert found == dict.fromkeys(("envoy", "nginx", "litellm", "vllm-router"), "nothing to be had") | {
        "direct": None,
        "signalbox": None,
    }


def test_what_pip_says_becomes_a_reason() -> None:
    printed = "Collecting a\nERROR: Could not find a version\nERROR: No matching distribution found for a==1\n"
    assert environments.reason(printed) == "No matching distribution found for a==1"
    assert environments.reason("  \n") == "pip said nothing"


def test_pins_name_versions_and_no_place() -> None:
    for package in (environments.LITELLM, environments.VLLM_ROUTER):
        lines = (environments.HERE / package.constraints).read_text().splitlines()
        name = package.requirement.partition("==")[0].partition("[")[0]
        assert f"{name}=={package.version}" in lines
        assert all("==" in line and "/" not in line and "@" not in line for line in lines)


def test_a_record_says_whether_the_hot_path_was_compiled(tmp_path: Path) -> None:
    run = measuring.Run(
        measuring.Cores(frozenset([1]), frozenset([0])), tmp_path, measuring.Plan.of(quick=True), print, SYSTEMS
    )
    run.add("memory", "idle", "MB", {"signalbox": Taken(values=[40.0])}, higher=False, without="direct")
    by_name = {each.system: each for each in run.found}
    assert by_name["signalbox"].compiled is field.compiled()
    assert by_name["envoy"].compiled is None
    assert by_name["litellm"].reason == WHY
    assert msgspec.json.decode(msgspec.json.encode(run.found[0]), type=Record) == run.found[0]
