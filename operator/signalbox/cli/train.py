"""``signalbox train``: learn from examples which label a query gets."""

import time
from pathlib import Path

import click
import msgspec

from signalbox.cli.options import output_option
from signalbox.learning.crossfit import Progress
from signalbox.learning.examples import Example, ExamplesError, read
from signalbox.learning.fitting import train as learn
from signalbox.learning.picture import picture
from signalbox.learning.report import Estimate, Report
from signalbox.learning.settings import Settings, StrongShare, Threshold
from signalbox.routing.classifiers.artefact import MAX_LABELS

QUIET_SECONDS = 2.0

EPILOG = """\b
Examples (one JSON object a line), with labels or with scores of past answers:
  {"prompt": "Fix this: def f(x) return x", "label": "code"}
  {"prompt": "What is 17 * 23?", "scores": {"small": 0, "strong": 1}}
  Optional: "group": lines of one kind, such as a subject or a customer. Lines with a prompt alone tell how long
  queries are. At most 100,000 lines.

\b
  signalbox train --data past.jsonl --out difficulty.model
  signalbox train --data past.jsonl --out difficulty.model --labels small,strong --strong-share 30
  signalbox train --data past.jsonl --out difficulty.model --report difficulty.svg
  signalbox train --data labelled.jsonl --out kind.model --labels chat,code,maths -o json | jq .accuracy

\b
Then, in a policy (a ConfigMap's binaryData holds the file):
  classifiers:
  - name: difficulty
    labels: [small, strong]
    default: strong
    trained: {modelFrom: {configMapKeyRef: {name: models, key: difficulty.model}}}

\b
Exit codes:
  0  trained
  1  the examples are not usable; every error has its line and the fix
  2  wrong usage, or something cannot be read or written

APGR: of the gap between the first label's target and the last's, the part recovered, averaged over all shares of
queries that leave the first label. 0.5 is what drawing lots gives. CPT50: percent of queries that must leave to recover
half of the gap. Both are cross-validated: said of examples that the model had not seen.
"""


@click.command(epilog=EPILOG)
@click.option("--data", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Examples, JSON lines.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Where the model goes.")
@click.option(
    "--labels",
    metavar="A,B",
    help="From the cheapest to the strongest; NAME=TARGET where scores have another name. Default: the names in the "
    "scores, from the lowest mean to the highest.",
)
@click.option(
    "--strong-share",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="So many percent of the queries leave the first label.",
)
@click.option(
    "--threshold",
    type=click.FloatRange(-100, 100),
    metavar="POINTS",
    help="A query leaves the first label if it gains more than so many points. Default: 0.",
)
@click.option("--report", "drawn", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw cost over quality.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same model.")
@output_option
def train(
    data: Path,
    out: Path,
    labels: str | None,
    strong_share: float | None,
    threshold: float | None,
    drawn: Path | None,
    seed: int,
    output: str,
) -> None:
    """Learn which label a query gets: from queries with labels, or with scores of how well targets answered them.

    The model is a small file of numbers (at most 256 KiB) that a router asks in some fifty microseconds a query.
    """
    if strong_share is not None and threshold is not None:
        raise click.UsageError("--strong-share and --threshold are both a cut: give one of them")
    for option, path in (("--out", out), ("--report", drawn)):
        if path is not None and path.exists() and data.exists() and path.samefile(data):
            raise click.UsageError(f"{option} {path}: is the file of the examples; name another one")
    cut = StrongShare(strong_share) if strong_share is not None else None
    try:
        examples = read(_bytes(data), str(data))
        named = _named(labels) if labels else _found(examples)
        settings = Settings(tuple(named), named, Threshold(threshold) if threshold is not None else cut, seed)
        artefact, report = learn(examples, settings, _progress())
    except ValueError as error:  # ExamplesError among them
        for line in str(error).splitlines():
            click.echo(line, err=True)
        raise SystemExit(1) from None
    _write(out, artefact, "--out")
    if drawn is not None:
        _write(drawn, picture(report).encode(), "--report")
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        click.echo(text(report, out))


def text(report: Report, out: Path) -> str:
    """For people."""
    lines = [
        f"{out}: {report.bytes:,} bytes, learned from {report.examples:,} examples; labels {', '.join(report.labels)}"
    ]
    if report.apgr and report.length_only and report.over_length_only:
        over = report.over_length_only
        lines.append(f"APGR {_estimate(report.apgr)}; by length alone {report.length_only.value:.3f}, random 0.500")
        lines.append(f"  over length alone {over.value:+.3f} ({over.low:+.3f} to {over.high:+.3f})")
    if report.kinds:
        kinds = "groups" if report.kinds.named else "kinds of query, found by their words,"
        lines.append(
            f"  whole {kinds} left out: {report.kinds.apgr:.3f}; by length alone {report.kinds.length_only:.3f}"
        )
    if report.accuracy:
        lines.append(f"accuracy {_estimate(report.accuracy)}")
    if report.cpt50 is not None:
        lines.append(f"CPT50 {report.cpt50:.0f} %: half of the gap with so many percent of the queries")
    if report.ece is not None:
        lines.append(f"calibration: expected values are {100 * report.ece:.1f} points off on average")
    if report.thresholds:
        lines.append("")
        lines.append("leave the first label   from a gain of   mean score   of the gap")
        for each in report.thresholds:
            gap = "–" if each.recovered_percent is None else f"{each.recovered_percent:.0f} %"
            lines.append(
                f"{each.strong_share_percent:>18} % {each.threshold_percent:>14.1f}   {each.quality_percent:>10.1f}"
                f" {gap:>12}"
            )
    lines += [f"warning: {each}" for each in report.warnings]
    return "\n".join(lines)


def _estimate(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def _named(labels: str) -> dict[str, str]:
    """Label to target, from A,B=TARGET."""
    named: dict[str, str] = {}
    label_of: dict[str, str] = {}
    for part in labels.split(","):
        label, _, target = part.strip().partition("=")
        if not label or label in named:
            raise click.UsageError(f"--labels {labels}: write different names with commas between them")
        named[label] = target or label
        if (other := label_of.setdefault(named[label], label)) != label:
            raise click.UsageError(
                f"--labels {labels}: {other} and {label} have the same target {named[label]}: give each label its own"
            )
    if len(named) < 2:
        raise click.UsageError(f"--labels {labels}: a classifier has at least two labels")
    if len(named) > MAX_LABELS:
        raise click.UsageError(f"--labels {labels}: a classifier has at most {MAX_LABELS} labels, not {len(named)}")
    return named


def _found(examples: list[Example]) -> dict[str, str]:
    """The names in the scores, from the lowest mean to the highest."""
    sums: dict[str, float] = {}
    for example in examples:
        if example.label is not None:
            raise ExamplesError(["--labels is missing: say in which order the labels are, from the cheapest on"])
        for target, score in (example.scores or {}).items():
            sums[target] = sums.get(target, 0.0) + score
    if len(sums) < 2:
        raise ExamplesError(["--labels is missing: no example has scores of two targets to take them from"])
    if len(sums) > MAX_LABELS:
        error = (
            f"examples have scores of {len(sums)} targets, and a classifier has at most {MAX_LABELS} labels: name those"
        )
        raise ExamplesError([f"--labels is missing: {error}"])
    return {target: target for target in sorted(sums, key=lambda name: (sums[name], name))}


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"--data {path}: {error.strerror}") from None


def _write(path: Path, data: bytes, option: str) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise click.UsageError(f"{option} {path}: {error.strerror}") from None


def _progress() -> Progress:
    """Says what is going on, to whoever waits for more than a moment."""
    began = time.monotonic()

    def tell(what: str) -> None:
        if time.monotonic() - began >= QUIET_SECONDS:
            click.echo(what, err=True)

    return tell
