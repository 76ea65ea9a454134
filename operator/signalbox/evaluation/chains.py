"""Chains on recorded answers: who would have been asked, in the order of the router, and whose answer returned."""

from signalbox.evaluation.cascades import Cascades
from signalbox.evaluation.given import Table
from signalbox.evaluation.outcome import Way
from signalbox.evaluation.voting import best_of, consensus
from signalbox.routing import config
from signalbox.routing.chains.compiled import wants_several


def run(table: Table, strategy: config.Chain) -> tuple[list[Way], float]:
    """The ways, and how unsure the first answer was (0 to 1). Raises ``Lacking`` and ``Refused``."""
    if wants_several(table.line.operation, table.line.body):
        return table.direct(_direct(table, strategy)), 0.0
    match strategy:
        case config.Cascade():
            return Cascades(table, strategy).run()
        case config.BestOf():
            return best_of(table, strategy), 0.0
        case config.Consensus():
            return consensus(table, strategy)


def _direct(table: Table, strategy: config.Chain) -> str:
    """Who answers what no chain is for; of a set the first that can, where several could."""
    match strategy:
        case config.Cascade(steps=steps):
            names = [share.target for share in steps[-1].targets if share.weight]
            return next((name for name in names if name in table.eligible), names[0])
        case config.BestOf(targets=targets):
            return targets[0].target
        case config.Consensus(escalate_to=stronger):
            return stronger
