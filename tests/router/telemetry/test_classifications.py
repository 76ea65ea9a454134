"""What classifiers said, over workers: no counter goes back."""

from prometheus_client import generate_latest

from signalbox.router.telemetry.metrics import Families
from signalbox.router.telemetry.process import Process
from signalbox.router.telemetry.statistics import Statistics
from signalbox.router.telemetry.totals import Totals


def test_workers_are_summed_and_one_that_ended_still_counts() -> None:
    totals, workers = Totals(), (Statistics(), Statistics())
    for worker in workers:
        worker.classified("p", "kind", "code", "answered", 0.00004)
        worker.classified("p", "kind", "chat", "timeout", 2.0)
    totals.update(1, workers[0].snapshot())
    totals.update(1, workers[0].snapshot())  # absolute values: told twice, counted once
    totals.update(2, workers[1].snapshot())
    totals.retire(1)
    workers[1].classified("p", "kind", "code", "cached", 0.0)
    totals.update(2, workers[1].snapshot(changed_only=True))
    [found] = totals.snapshot().classifiers
    assert [(each.label, each.outcome, each.value) for each in found.said] == [
        ("chat", "timeout", 2),
        ("code", "answered", 2),
        ("code", "cached", 1),
    ]
    assert (sum(found.buckets), round(found.sum, 5)) == (5, 4.00008)
    text = generate_latest(Families(totals.snapshot(), Process())).decode()  # type: ignore[arg-type]
    way = 'classifier="kind",label="code",outcome="answered",policy="p"'
    assert f"signalbox_router_classifications_total{{{way}}} 2.0" in text
    assert 'signalbox_router_classification_duration_seconds_count{classifier="kind",policy="p"} 5.0' in text
