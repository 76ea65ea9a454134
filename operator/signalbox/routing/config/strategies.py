"""All strategies, and what they have in common."""

from signalbox.routing.config.chains import BestOf, ByJudge, Cascade, Consensus, Step
from signalbox.routing.config.choosing import Objective, Select
from signalbox.routing.config.weighted import Failover, Tier, Weighted

Chain = Cascade | BestOf | Consensus
Strategy = Weighted | Failover | Select | Objective | Cascade | BestOf | Consensus


def kind_of(strategy: Strategy) -> str:
    """The name of a strategy, as resources write it."""
    tag = type(strategy).__struct_config__.tag
    assert isinstance(tag, str)
    return tag


def sets_of(strategy: Strategy) -> tuple[Weighted | Tier | Step, ...]:
    """The sets of targets among which shares are drawn, in the order by which weights are counted."""
    match strategy:
        case Weighted():
            return (strategy,)
        case Failover(tiers=tiers):
            return tiers
        case Cascade(steps=steps):
            return steps
        case _:
            return ()


def targets_of(strategy: Strategy) -> tuple[str, ...]:
    """The names of all targets that a strategy may ask, each once; those of weight 0 are among them."""
    named: list[str] = [share.target for each in sets_of(strategy) for share in each.targets]
    match strategy:
        case Select(targets=labelled, otherwise=otherwise):
            named += [each.target for each in labelled]
            named += [otherwise] if otherwise else []
        case Objective(targets=targets):
            named += targets
        case Cascade(steps=steps):
            named += [step.accept.judge.target for step in steps if isinstance(step.accept, ByJudge)]
        case BestOf(targets=sampled, judge=judge):
            named += [each.target for each in sampled]
            named += [judge.target] if judge else []
        case Consensus(targets=voters, escalate_to=stronger, judge=judge):
            named += [each.target for each in voters]
            named += [stronger] + ([judge.target] if judge else [])
        case _:
            pass
    return tuple(dict.fromkeys(named))
