"""What routers said last, and what that comes to: kept by pod, judged by router."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from signalbox.control.bounds import Bucket
from signalbox.control.messages import Hello, Report
from signalbox.control.peers import Peer, Router
from signalbox.plan.status.reported import Reported

# A pod that was heard within this time lives; it may just be connecting again.
LIVE_SECONDS = 10.0
UNREACHABLE_SECONDS = 30.0
# What is told of a router may lead to a write: so many at once, and one more after every so many seconds.
NEWS_BURST = 20
NEWS_SECONDS = 10.0


@dataclass
class Pod:
    """What one pod said, when, and since when each backend has no usable endpoint there. Times in seconds."""

    name: str
    format_version: int
    heard_at: float
    report: Report = field(default_factory=Report)
    unusable_since: dict[str, float] = field(default_factory=dict)

    def take(self, report: Report, now: float) -> None:
        """Its newest report."""
        self.report, self.heard_at = report, now
        out = [name for name, traffic in report.backends.items() if not traffic.usable]
        self.unusable_since = {name: self.unusable_since.get(name, now) for name in out}


def judge(pods: Collection[Pod], config_hash: str, format_version: int, now: float) -> Reported:
    """All live pods of a router together. ``config_hash`` and ``format_version`` are of its newest configuration:
    what pods say about another one is no longer, or not yet, of interest."""
    live = [pod for pod in pods if now - pod.heard_at < LIVE_SECONDS]
    configs: dict[str, int] = {}
    waiting: set[str] = set()
    rejected: list[str] = []
    reachable: set[str] = set()
    unreachable: set[str] = set()
    unauthorized: set[str] = set()
    for pod in live:
        report = pod.report
        if report.config_hash:
            configs[report.config_hash] = configs.get(report.config_hash, 0) + 1
        if report.waits_for is not None and report.waits_for.hash == config_hash:
            waiting |= set(report.waits_for.entries)
        if report.rejected is not None and report.rejected.hash == config_hash:
            rejected.append(report.rejected.reason)
        for name, traffic in report.backends.items():
            if traffic.usable:
                reachable.add(name)
            elif now - pod.unusable_since.get(name, now) >= UNREACHABLE_SECONDS:
                unreachable.add(name)
            if "credential" in traffic.causes:
                unauthorized.add(name)
    undecided = {
        name
        for pod in live
        for name, traffic in pod.report.backends.items()
        if not traffic.usable and now - pod.unusable_since.get(name, now) < UNREACHABLE_SECONDS
    }
    return Reported(
        configs=tuple(sorted(configs.items())),
        waiting=tuple(sorted(waiting)),
        rejected=min(rejected, default=""),
        too_old=tuple(sorted(pod.name for pod in live if pod.format_version < format_version)),
        reachable=frozenset(reachable),
        unreachable=frozenset(unreachable - reachable - undecided),
        unauthorized=frozenset(unauthorized),
    )


class Reports:
    """Told by the control server. ``newest`` gives the hash of a router's newest configuration, ``changed`` is called
    with the namespace of a router about which there is something new; ``clock`` gives seconds."""

    def __init__(
        self,
        newest: Callable[[Router], str],
        format_version: int,
        changed: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._newest, self._format_version, self._changed, self._clock = newest, format_version, changed, clock
        self._pods: dict[Router, dict[str, Pod]] = {}
        self._judged: dict[Router, Reported] = {}
        self._paces: dict[Router, Bucket] = {}

    def hello(self, peer: Peer, message: Hello) -> None:
        """See ``control.server.Sink``."""
        pods = self._pods.setdefault(peer.router, {})
        known = pods.get(peer.uid)
        if known is None:
            report = Report(config_hash=message.config_hash)
            pods[peer.uid] = Pod(peer.pod, message.format_version, self._clock(), report)
        else:
            known.format_version, known.heard_at = message.format_version, self._clock()

    def report(self, peer: Peer, message: Report) -> None:
        """See ``control.server.Sink``."""
        pod = self._pods.get(peer.router, {}).get(peer.uid)
        if pod is not None:  # else it has not said hello
            pod.take(message, self._clock())

    def gone(self, peer: Peer) -> None:
        """See ``control.server.Sink``. It may come again soon: only silence counts."""

    def forget(self) -> None:
        """What was heard as the leader is of no use to the next time."""
        self._pods.clear()
        self._judged.clear()
        self._paces.clear()

    def of(self, router: Router) -> Reported:
        """What was judged last."""
        return self._judged.get(router, Reported())

    def of_namespace(self, namespace: str) -> list[Reported]:
        """Of all routers of a namespace that are heard."""
        return [reported for router, reported in self._judged.items() if router.namespace == namespace]

    def judge(self) -> None:
        """Look at all, and say what is new. To be called every second or so.

        A router of which there is something new all the time is told of less often: what comes of it is written.
        """
        now = self._clock()
        for router, pods in list(self._pods.items()):
            for uid in [uid for uid, pod in pods.items() if now - pod.heard_at >= LIVE_SECONDS]:
                del pods[uid]
            if not pods:
                del self._pods[router]
                self._paces.pop(router, None)
                if self._judged.pop(router, None) is not None:
                    self._changed(router.namespace)
                continue
            after = judge(pods.values(), self._newest(router), self._format_version, now)
            if after != self._judged.get(router) and self._pace(router).take():
                self._judged[router] = after
                self._changed(router.namespace)

    def _pace(self, router: Router) -> Bucket:
        return self._paces.setdefault(router, Bucket(1 / NEWS_SECONDS, NEWS_BURST, self._clock))
