"""Small trained classifiers, written by hand: what they say follows from the length of a query."""

from math import log1p

from signalbox.routing.classifiers import artefact, features


def by_length(*labels: str, chars: int = 40, scores: bool = False) -> bytes:
    """From ``chars`` characters on a query gets the last label, below it the first; the more extreme, the surer.

    With ``scores``, labels are targets: of a long query the last is expected to be better, of a short one the first.
    """
    middle = [artefact.Output(intercept=-20.0) for _ in labels[2:]]
    first, last = artefact.Output(intercept=0.0, length=-3.0), artefact.Output(intercept=0.0, length=3.0)
    if scores:
        first, last = artefact.Output(intercept=0.5), artefact.Output(intercept=0.0, length=0.2)
        middle = [artefact.Output(intercept=-1.0) for _ in labels[2:]]
    return artefact.encode(
        artefact.Artefact(
            version=artefact.VERSION,
            learnt="Scores" if scores else "Labels",
            labels=labels,
            targets=labels,
            length=artefact.Standard(log1p(chars), 0.5),
            hand=tuple(artefact.Standard(0.0, 1.0) for _ in features.HAND),
            outputs=(first, *middle, last),
        )
    )
