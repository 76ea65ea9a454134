"""The leader dies, or hands over: how long until the other one acts."""

import time

from benchmarks.cluster.reaction import ask
from benchmarks.cluster.stand import OPERATOR, Stand, kill, seconds_until
from benchmarks.harness.bench import Settings
from benchmarks.harness.report import Report, Spread, Table

ROUNDS = 3
FAILOVER_SECONDS, HANDOVER_SECONDS = 15.0, 2.0


def run(stand: Stand, settings: Settings) -> Report:
    """Killed by SIGKILL, and deleted with its grace; each time an edit is made at once and must come into force."""
    rounds = round(settings.choose(ROUNDS, 1))
    killed = [once(stand, settings, by_kill=True) for _ in range(rounds)]
    deleted = [once(stand, settings, by_kill=False) for _ in range(rounds)]
    report = Report("failover", f"Two operators; {rounds} rounds each; an edit made at once.")
    columns = ("", "another one leads after s", "the edit serves at the routers after s")
    rows = [
        (name, Spread.of(lead for lead, _ in found), Spread.of(edit for _, edit in found))
        for name, found in (("SIGKILL", killed), ("SIGTERM", deleted))
    ]
    report.tables.append(Table("leader gone", columns, rows))
    worst = max(lead for lead, _ in killed)
    report.expect(f"after SIGKILL another one acts within {FAILOVER_SECONDS:g} s", f"{worst:.1f} s", worst < 15)
    worst = max(lead for lead, _ in deleted)
    report.expect(f"a clean end hands over within {HANDOVER_SECONDS:g} s", f"{worst:.1f} s", worst < HANDOVER_SECONDS)
    return report


def once(stand: Stand, settings: Settings, *, by_kill: bool) -> tuple[float, float]:
    """Seconds until another one leads, and until an edit serves."""
    selector = "app.kubernetes.io/component=operator"
    seconds_until(lambda: len(stand.pods(selector, OPERATOR)) == 2)
    seconds_until(stand.leader)
    old, target = stand.leader(), other(stand)
    begin = time.monotonic()
    if by_kill:
        kill(old, "operator")
    else:
        stand.kubectl("delete", "pod", old, "--wait=false", namespace=OPERATOR)
    stand.apply(stand.policy(target))
    lead = seconds_until(lambda: stand.leader() not in {"", old}, begin)
    edit = seconds_until(lambda: ask(stand.url()).headers["x-signalbox-target"] == target, begin)
    settings.tell(f"{'killed' if by_kill else 'deleted'}: led after {lead:.1f} s, edit after {edit:.1f} s")
    return lead, edit


def other(stand: Stand) -> str:
    """The target that requests do not go to."""
    return "b" if ask(stand.url()).headers["x-signalbox-target"] == "a" else "a"
