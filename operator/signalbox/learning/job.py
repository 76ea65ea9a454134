"""A training as a message, for whoever runs it in a process of its own: a job in, a result out."""

import msgspec

from signalbox.learning.confidence import Answers, ConfidenceReport, TooFewError, fit
from signalbox.learning.crossfit import Progress
from signalbox.learning.examples import Example, ExamplesError, read
from signalbox.learning.fitting import train
from signalbox.learning.report import Report
from signalbox.learning.settings import Settings


class Source(msgspec.Struct, frozen=True):
    """JSON lines, and how errors call them: ``configmap examples, key train.jsonl``."""

    name: str
    text: str


class Job(msgspec.Struct, frozen=True):
    """What to learn from, and what: a classifier by ``settings``, or how sure answers are by ``answers``."""

    sources: tuple[Source, ...]
    settings: Settings | None = None
    answers: Answers | None = None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The artefact (base64 in JSON) and its report."""

    artefact: bytes
    report: Report | ConfidenceReport


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """What is wrong with the job, each error with its place and the fix; ``few``: only that there are too few examples
    for a confidence, which goes without."""

    errors: tuple[str, ...]
    few: bool = False


Result = Done | Refused


def run(job: Job, progress: Progress = lambda _: None) -> Result:
    """Never raises for what a user may write."""
    examples: list[Example] = []
    errors: list[str] = []
    for source in job.sources:
        try:
            examples += read(source.text.encode(), source.name)
        except ExamplesError as error:
            errors += error.errors
    if errors:
        return Refused(tuple(errors))
    try:
        if job.settings is not None:
            return Done(*train(examples, job.settings, progress))
        if job.answers is not None:
            return Done(*fit(examples, job.answers))
    except TooFewError as error:
        return Refused(error.errors, few=True)
    except ValueError as error:  # ExamplesError among them
        return Refused(tuple(str(error).splitlines()))
    return Refused(("this is no job: it has neither settings of a classifier nor answers",))
