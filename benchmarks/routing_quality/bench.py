"""Trained classifiers beside length alone, random and the oracle, on prompts that they have not seen."""

import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Cell, Report, Spread, Table
from benchmarks.routing_quality.heldout import SETTINGS, Judged, Set, apgr, apgr_of_length, judged
from signalbox.learning import metrics
from signalbox.learning.fitting import train
from signalbox.routing.classifiers.trained import TrainedModel

SEED = 7
"""Of the folds. Constants of the learning were chosen on folds of seeds from 101."""
OTHER_SEEDS = (8, 9, 10, 11)
"""One shuffling is better or worse than another by chance; so much is said, too."""
LABELS = (100, 300, 1000, 1500, 3000)
GSM_LABELS = (100, 300)
DRAWS = {100: 5, 300: 5, 1000: 3, 1500: 3, 3000: 2}
EXAMPLES = 5000
PROMISED_US, PROMISED_SECONDS = 100.0, 30.0
BOOTSTRAP_SEED = 1


class Task(NamedTuple):
    """One cross-validation: the data, whether whole subjects are held out, labels of each fold's training, a draw."""

    name: str
    by: str
    labels: int | None = None
    draw: int = 0
    seed: int = SEED


WHOLE = (Task("mmlu", "rows"), Task("mmlu", "subjects"), Task("gsm8k", "rows"))


def run(settings: Settings) -> Report:
    """Every figure of docs/quality.md."""
    sets = {name: Set.load(name) for name in ("mmlu", "gsm8k")}
    tasks = list(WHOLE)
    if not settings.quick:
        tasks += [task._replace(seed=seed) for task in WHOLE for seed in OTHER_SEEDS]
    for labels in LABELS[:2] if settings.quick else LABELS:
        draws = 1 if settings.quick else DRAWS[labels]
        tasks += [Task("mmlu", by, labels, draw) for by in ("rows", "subjects") for draw in range(draws)]
    for labels in GSM_LABELS:
        tasks += [Task("gsm8k", "rows", labels, draw) for draw in range(1 if settings.quick else DRAWS[labels])]
    found = _all(tasks, settings)
    report = Report(
        "quality",
        "Routing between a weak and a strong model on prompts that the classifier has not seen; APGR as in RouteLLM: "
        "0 weak, 1 strong, .5 random. MMLU 4,606 prompts of 37 subjects, GSM8K 659. 5 folds over rows, or over whole "
        f"subjects, which nobody who trains knows; seed {SEED}; constants were chosen on folds of other seeds. Each "
        "fold's queries are ranked among themselves; intervals are 95 % by bootstrap over the pooled folds, paired.",
    )
    _quality(report, found)
    _shuffled(report, found)
    _labels(report, found, settings.quick)
    _prior(report, sets)
    _calibration(report, found)
    _cost(report, settings, sets)
    return report


def _all(tasks: list[Task], settings: Settings) -> dict[Task, Judged]:
    """Side by side, a process each."""
    found = {}
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = {pool.submit(_one, task): task for task in tasks}
        for number, future in enumerate(as_completed(futures), 1):
            found[futures[future]] = future.result()
            settings.tell(f"cross-validation {number} of {len(tasks)}")
    return found


def _one(task: Task) -> Judged:
    data = Set.load(task.name)
    fold = data.over_rows(task.seed) if task.by == "rows" else data.over_subjects(task.seed)
    return judged(data, fold, task.labels, task.draw)


def _quality(report: Report, found: dict[Task, Judged]) -> None:
    rows: list[tuple[Cell, ...]] = []
    for task in WHOLE:
        each = found[task]
        draws = metrics.bootstrap([each.order, each.length], [each.gain, each.gain], each.gain, BOOTSTRAP_SEED)
        value, length = apgr([each]), apgr_of_length([each])
        low, high = metrics.interval(draws[:, 0] - draws[:, 1])
        curve = metrics.curve(each.order, each.gain, each.gain)
        assert curve is not None
        rows.append(
            (
                f"{task.name}, 5 folds over {task.by}",
                _with(value, metrics.interval(draws[:, 0])),
                _with(length, metrics.interval(draws[:, 1])),
                _with(value - length, (low, high), sign="+"),
                f"{metrics.apgr(each.gain, each.gain, each.gain):.3f}",
                f"{100 * (curve.at(0.5) or 1.0):.0f} %",
            )
        )
        if task == Task("mmlu", "rows"):
            report.expect("MMLU over rows: APGR at least .62", f"{value:.3f}", value >= 0.62)
            report.expect("MMLU over rows: surely better than length alone", f"{low:+.3f} to {high:+.3f}", low > 0.0)
        elif task == Task("gsm8k", "rows"):
            report.expect("GSM8K: APGR at least .63", f"{value:.3f}", value >= 0.63)
        else:
            text = f"{value:.3f}, length {length:.3f}"
            report.expect("whole subjects held out: length alone − .01", text, value >= length - 0.01)
    columns = ("all labels", "trained", "length only", "difference", "oracle", "CPT50")
    report.tables.append(Table("APGR (random is 0.5 everywhere)", columns, rows))


def _shuffled(report: Report, found: dict[Task, Judged]) -> None:
    """The same with other folds."""
    rows: list[tuple[Cell, ...]] = []
    for task in WHOLE:
        each = [found[one] for seed in (SEED, *OTHER_SEEDS) if (one := task._replace(seed=seed)) in found]
        trained = Spread.of(apgr([one]) for one in each)
        cells = (f"{apgr(each):.3f} ({trained.low:.3f}–{trained.high:.3f})", f"{apgr_of_length(each):.3f}")
        name = f"{task.name}, 5 folds over {task.by}"
        rows.append((name, f"{len(each)}", cells[0], cells[1], f"{apgr(each) - apgr_of_length(each):+.3f}"))
    columns = ("all labels, other folds", "shufflings", "trained", "length only", "difference")
    report.tables.append(Table("APGR over several shufflings: mean (smallest–largest)", columns, rows))


def _labels(report: Report, found: dict[Task, Judged], quick: bool) -> None:
    rows: list[tuple[Cell, ...]] = []
    for name, by, counts in (("mmlu", "rows", LABELS), ("mmlu", "subjects", LABELS), ("gsm8k", "rows", GSM_LABELS)):
        for labels in counts:
            each = [one for task, one in found.items() if (*task[:3], task.seed) == (name, by, labels, SEED)]
            if not each:
                continue
            value, length = Spread.of(apgr([one]) for one in each), apgr_of_length(each)
            mean = apgr(each)
            text = f"{mean:.3f} ({value.low:.3f}–{value.high:.3f})"
            rows.append((f"{name}, folds over {by}", f"{labels}", text, f"{length:.3f}", f"{mean - length:+.3f}"))
            if by == "subjects" and labels in GSM_LABELS:
                promise = f"whole subjects held out, {labels} labels: length alone − .01"
                report.expect(promise, f"{mean:.3f}, length {length:.3f}", mean >= length - 0.01)
            if (name, by, labels) == ("mmlu", "rows", 1500):
                report.expect("MMLU with 1,500 labels: APGR at least .62", f"{mean:.3f}", mean >= 0.62)
    draws = "one draw each" if quick else f"{min(DRAWS.values())} to {max(DRAWS.values())} draws of labels per fold"
    columns = ("so many labels", "labels", "trained", "length only", "difference")
    report.tables.append(Table(f"APGR with few labels: mean (smallest–largest) over {draws}", columns, rows))


def _prior(report: Report, sets: dict[str, Set]) -> None:
    """The model that is made of no example at all."""
    model = TrainedModel.of(train([], SETTINGS)[0])
    rows: list[tuple[Cell, ...]] = []
    for name, promised in (("mmlu", 0.56), ("gsm8k", 0.59)):
        data = sets[name]
        order = np.array([model.predict(line.prompt).gain for line in data.lines])
        value = metrics.apgr(order, data.gain, data.gain)
        rows.append((name, f"{value:.3f}"))
        report.expect(f"{name} without any label: APGR at least {promised}", f"{value:.4f}", value >= promised)
    report.tables.append(Table("APGR without any label: the length prior, on all queries", ("", "prior"), rows))


def _calibration(report: Report, found: dict[Task, Judged]) -> None:
    cells: list[tuple[Cell, ...]] = []
    for task in WHOLE:
        each = found[task]
        gain, weak = metrics.reliability(each.expected, each.gain), metrics.reliability(each.weak, each.score)
        name = f"{task.name}, folds over {task.by}"
        cells.append((name, f"{gain.ece:.3f}", f"{weak.ece:.3f}"))
    columns = ("ECE, 10 bins", "expected gain", "expected score of the weak model")
    report.tables.append(Table("Calibration on queries not seen", columns, cells))
    each = found[Task("mmlu", "rows")]
    gain, weak = metrics.reliability(each.expected, each.gain), metrics.reliability(each.weak, each.score)
    bins: list[tuple[Cell, ...]] = [
        (f"{number + 1}", *(f"{value[number]:.3f}" for one in (gain, weak) for value in (one.predicted, one.observed)))
        for number in range(len(gain.counts))
    ]
    heads = ("tenth of the queries", "gain expected", "gain observed", "weak expected", "weak observed")
    report.tables.append(Table("Reliability, MMLU, folds over rows", heads, bins))


def _cost(report: Report, settings: Settings, sets: dict[str, Set]) -> None:
    lines = (sets["mmlu"].lines + sets["gsm8k"].lines)[:EXAMPLES]
    examples = [line.example for line in lines]
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(settings.cores.proxy)})
    try:
        wall, began = time.monotonic(), time.process_time()
        data, _ = train(examples, SETTINGS)
        seconds, wall = time.process_time() - began, time.monotonic() - wall
        model = TrainedModel.of(data)
        prompts = [line.prompt for line in sets["mmlu"].lines]
        times = [_time(model.predict, prompts) for _ in range(settings.rounds)]
    finally:
        os.sched_setaffinity(0, before)
    p50, p99 = (Spread.of(np.quantile(each, part) for each in times) for part in (0.5, 0.99))
    rows: list[tuple[Cell, ...]] = [
        (f"training on {len(examples):,} examples, one core: processor time, s", f"{seconds:.1f}"),
        ("the same by the clock, s", f"{wall:.1f}"),
        ("artefact, bytes", f"{len(data):,}"),
        ("a query of MMLU, p50 µs", p50),
        ("a query of MMLU, p99 µs", p99),
    ]
    report.tables.append(Table("What it costs", ("", "found"), rows))
    report.expect(f"a query takes at most {PROMISED_US:.0f} µs (p50)", f"{p50} µs", p50.median <= PROMISED_US)
    report.expect(
        f"training on 5,000 examples takes at most {PROMISED_SECONDS:.0f} s of one core",
        f"{seconds:.1f} s",
        seconds <= PROMISED_SECONDS,
    )
    report.expect("an artefact has at most 256 KiB", f"{len(data):,} bytes", len(data) <= 256 * 1024)


def _time(step: Callable[[str], object], inputs: list[str]) -> NDArray[np.float64]:
    """Microseconds of each call."""
    clock, times = time.perf_counter_ns, []
    gc.collect()
    gc.disable()
    try:
        for each in inputs:
            start = clock()
            step(each)
            times.append((clock() - start) / 1000)
    finally:
        gc.enable()
    return np.array(times)


def _with(value: float, interval: tuple[float, float], sign: str = "") -> str:
    low, high = interval
    return f"{value:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
