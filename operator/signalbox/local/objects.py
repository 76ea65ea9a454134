"""Resources of the API from the objects of a directory; what is not valid comes back as problems with their place."""

from collections.abc import Iterable
from typing import TypeVar

from pydantic import ValidationError

from signalbox.api import ModelBackend, RoutingPolicy
from signalbox.api.errors import field_errors
from signalbox.local.source import Located, Object, Source
from signalbox.plan.problems import Problem, path_of

Resource = TypeVar("Resource", ModelBackend, RoutingPolicy)


def parse(model: type[Resource], found: Object, namespace: str) -> tuple[Resource | None, list[Located]]:
    """The resource, or why it is none."""
    metadata = found.data["metadata"] | {"namespace": namespace}
    try:
        return model.model_validate(found.data | {"metadata": metadata}), []
    except ValidationError as error:
        return None, [
            Located(
                Problem(
                    kind=found.kind,
                    name=found.name,
                    reason="InvalidField",
                    path=path_of(one.location),
                    message=one.message,
                ),
                found.location(path_of(one.location)),
            )
            for one in field_errors(model, error)
        ]


def locate(source: Source, problems: Iterable[Problem]) -> list[Located]:
    """Problems of the plan with the file and line of the field that each is about.

    Inside a condition written as a block, it is the line of the expression's own line.
    """
    located = []
    for problem in problems:
        found = source.find(problem.kind, problem.name)
        if found is None:
            located.append(Located(problem, None))
            continue
        where, mark = found.location(problem.path), found.mark(problem.path)
        if problem.line and mark.text_line:
            where = type(where)(where.file, mark.text_line + problem.line - 1, where.column)
        located.append(Located(problem, where))
    return located
