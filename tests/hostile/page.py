"""What came of the corpus, as a page of the documentation."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hostile.asking import Outcome
from hostile.corpus import Case, Family
from hostile.running import VERDICTS, verdict

PAGE = Path(__file__).parents[2] / "docs" / "hostile.md"
SIDES = {
    "requests": "Hostile requests",
    "tls": "Hostile requests at a TLS port",
    "workers": "Hostile requests to two workers",
    "engines": "Hostile engines",
    "workers_engines": "Hostile engines behind two workers",
}


@dataclass
class Played:
    """One system on one side: outcomes by family and case, and its resident memory in megabytes."""

    system: str
    side: str
    outcomes: dict[str, Mapping[str, Outcome]] = field(default_factory=dict)
    before: float = 0.0
    after: float = 0.0
    peak: float = 0.0


def row(case: Case) -> str:
    """The beginning of a case's line, which says what is right."""
    return f"| {case.name} | {' or '.join(case.right)} |"


def page(sides: Mapping[str, Sequence[Family]], played: Iterable[Played], versions: str) -> str:
    """The whole page."""
    every = list(played)
    parts = [
        (Path(__file__).parent / "introduction.md").read_text().replace("VERSIONS", versions),
        _summary(sides, every),
    ]
    for side, families in sides.items():
        here = {each.system: each for each in every if each.side == side}
        parts.append(f"## {SIDES[side]}\n")
        parts += [_table(family, here) for family in families]
    return "\n".join(parts)


def _summary(sides: Mapping[str, Sequence[Family]], played: Iterable[Played]) -> str:
    names = VERDICTS[:-4]
    heads = ("accepted wrongly", "crashes", "hangs", "garbage")
    bad = ("accepted wrongly", "crash", "hang", "garbage")
    lines = [
        f"| | | cases | {' | '.join((*names, *heads))} | MB before | after | most |",
        "|---|---|" + "---|" * (len(names) + 8),
    ]
    for each in played:
        counts: Counter[str] = Counter()
        for family in sides[each.side]:
            counts.update(verdict(case, each.outcomes[family.name][case.name]) for case in _judged(family, each))
        cells = [counts.total(), *(counts[name] for name in (*names, *bad))]
        memory = [f"{value:.0f}" for value in (each.before, each.after, each.peak)]
        lines.append(f"| {SIDES[each.side]} | {each.system} | {' | '.join(map(str, cells))} | {' | '.join(memory)} |")
    return "\n".join([*lines, ""])


def _judged(family: Family, played: Played) -> Sequence[Case]:
    return family.cases if family.name in played.outcomes else ()


def _table(family: Family, played: Mapping[str, Played]) -> str:
    systems = [name for name, each in played.items() if family.name in each.outcomes]
    alone = f" Envoy is not asked: {family.alone}." if family.alone else ""
    lines = [f"### {family.title}\n", f"{family.about}{alone}\n"]
    lines += [f"| case | right | {' | '.join(systems)} |", "|---|---|" + "---|" * len(systems)]
    for case in family.cases:
        cells = [_cell(case, played[name].outcomes[family.name][case.name]) for name in systems]
        lines.append(f"{row(case)} {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(case: Case, outcome: Outcome) -> str:
    found = verdict(case, outcome)
    if found == "right":
        return outcome.text
    if found == "allowed":
        return f"{outcome.text} ({case.allowed})"
    if found == "refused otherwise":
        return outcome.text
    return f"**{outcome.text}**"
