"""Which variables a condition uses, and what a request's facts say of them: for explanations, not for decisions."""

from signalbox.routing.expressions import tree, variables
from signalbox.routing.expressions.cost import walk
from signalbox.routing.features import Facts

Value = bool | int | float | str

_COMPARISONS = ("less", "greater", "equals", "not_equals")


def references(node: tree.Node) -> tuple[str, ...]:
    """The dotted paths used, each once, in the order of the source; a header as ``request.header("name")``."""
    found: dict[str, None] = {}
    for part in walk(node):
        match part:
            case tree.Variable(path) | tree.Present(path):
                found[path] = None
            case tree.Header(tree.Constant(str(name))):
                found[f'request.header("{name}")'] = None
            case _:
                pass
    return tuple(found)


def compared_loads(node: tree.Node) -> tuple[str, ...]:
    """The paths of loads of targets that are compared with anything, each once."""
    found: dict[str, None] = {}
    for part in walk(node):
        if isinstance(part, tree.Call) and part.function.startswith(_COMPARISONS):
            found.update((path, None) for argument in part.arguments for path in references(argument) if _is_load(path))
    return tuple(found)


def _is_load(path: str) -> bool:
    return path.startswith("targets.") and path.rpartition(".")[2] in variables.LOAD


def read(facts: Facts, path: str) -> Value | None:
    """The value of a path that ``references`` gave; ``None`` when it is absent, or not known yet."""
    group, _, rest = path.partition(".")
    if path.startswith("request.header("):
        return facts.header(path[len('request.header("') : -len('")')])
    if group in variables.CLASSIFIER_GROUPS:
        known: Value | None = getattr(facts, group + "s").get(rest)
        return known
    value: Value | None
    if group == "targets":
        name, _, field = rest.partition(".")
        value = getattr(facts.targets[name], variables.snake(field))
    elif group in variables.BOUND:
        value = getattr(getattr(facts, group), variables.snake(rest))
    else:
        value = getattr(facts, f"{group}_{variables.snake(rest)}")
    return value
