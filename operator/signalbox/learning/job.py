"""A training as a message, for whoever runs it in a process of its own: a job in, a result out."""

import msgspec

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
    """What to learn from and how."""

    sources: tuple[Source, ...]
    settings: Settings


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The artefact (base64 in JSON) and its report."""

    artefact: bytes
    report: Report


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """What is wrong with the job, each error with its place and the fix."""

    errors: tuple[str, ...]


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
        return Done(*train(examples, job.settings, progress))
    except ValueError as error:  # ExamplesError among them
        return Refused(tuple(str(error).splitlines()))
