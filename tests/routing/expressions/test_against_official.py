"""The translation against Google's evaluator, on generated expressions and inputs; and the soundness of *unknown*."""

import itertools
from typing import Any

import msgspec
import pytest
from google.protobuf import message_factory
from hypothesis import given
from hypothesis import strategies as st

from fuzzing import fuzzed
from signalbox.plan.expressions import checked, declarations
from signalbox.plan.expressions.check import Checker
from signalbox.plan.expressions.convert import Converter
from signalbox.routing.expressions import tree, variables
from signalbox.routing.expressions.translate import translate
from signalbox.routing.expressions.values import UNKNOWN, EvaluationError
from signalbox.routing.features import Facts

CHECKER = Checker(["small", "strong"], {"kind": ["a", "b"], "mood": ["a", "b"]})
ENVIRONMENT = CHECKER.environment()


class Target:
    """What a router would have counted."""

    def __init__(
        self,
        in_flight: int,
        ttft_ms: int | None,
        error_rate: float,
        healthy: bool,
        waiting: int | None = None,
        utilization: float | None = None,
        kv_cache_usage: float | None = None,
        overloaded: bool = False,
    ) -> None:
        self.in_flight = in_flight
        self.ttft_ms = ttft_ms
        self.error_rate = error_rate
        self.healthy = healthy
        self.waiting = waiting
        self.utilization = utilization
        self.kv_cache_usage = kv_cache_usage
        self.overloaded = overloaded


def message(group: str) -> Any:
    return message_factory.GetMessageClass(CHECKER.pool.FindMessageTypeByName(declarations.message_name(group)))()


def fill(into: Any, attributes: tuple[variables.Attribute, ...], source: object, prefix: str) -> None:
    for attribute in attributes:
        value = getattr(source, prefix + variables.snake(attribute.name))
        if value is not None:
            setattr(into, attribute.name, value)


def activation(facts: Facts) -> dict[str, Any]:
    """The same facts as messages; what classifiers have not said is left out."""
    data: dict[str, Any] = {group: message(group) for group in (*variables.GROUPS, "targets")}
    for group, attributes in variables.GROUPS.items():
        fill(data[group], attributes, facts, f"{group}_")
    for name, value in facts.headers.items():
        data["request"].headers[name.decode("latin-1")] = value.decode("latin-1")
    for name, target in facts.targets.items():
        fill(getattr(data["targets"], name), variables.TARGET, target, "")
    data.update({f"label.{name}": value for name, value in facts.labels.items()})
    return data


def official(source: str, facts: Facts) -> bool | str:
    """True, false, or the message of the error."""
    try:
        value = ENVIRONMENT.compile(source).eval(data=activation(facts)).plain_value()
    except RuntimeError as error:
        return str(error)
    return value if isinstance(value, bool) else str(value)


def ours(source: str, facts: Facts) -> object:
    """True, false, ``UNKNOWN``, or the message of the error; the condition travels as a configuration would."""
    node = Converter(checked.parse(ENVIRONMENT.compile(source).serialize())).convert()
    sent = msgspec.json.encode(tree.Condition(source, node))
    try:
        return translate(msgspec.json.decode(sent, type=tree.Condition))(facts)
    except EvaluationError as error:
        return str(error)


# Expressions

INTS = ["query.chars", "query.words", "query.tokens", "request.max_tokens", "request.n", "targets.small.inFlight"]
INTS += ["targets.strong.ttftMs", "targets.small.waiting", "conversation.turns", "query.lines", "request.tools"]
DOUBLES = ["request.temperature", "targets.small.errorRate", "targets.strong.errorRate"]
DOUBLES += ["targets.small.utilization", "targets.strong.kvCacheUsage"]
STRINGS = ["query.text", "request.model", "user.tier", "user.tenant", 'request.header("x-a")', "user.id"]
LABELS = ["label.kind", "label.mood"]
BOOLS = ["request.stream", "query.hasCode", "query.hasUrl", "targets.small.healthy", "has(targets.strong.ttftMs)"]
BOOLS += ["has(request.max_tokens)", "has(request.temperature)", "targets.strong.overloaded"]
BOOLS += ["has(targets.small.utilization)", "has(targets.small.waiting)", "has(targets.strong.kvCacheUsage)"]
PATTERNS = ["a+b", "^x", "(?i)hello", "[0-9]{2}", "é|b", ".", "$", "a(b)?c"]
ALPHABET = 'abxé👍 \n\t0123.,"AB_\u00a0'

TEXT = st.text(ALPHABET, max_size=6)


def literal(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def call(form: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(*parts).map(lambda values: form.format(*values))


def expressions(labels: bool) -> st.SearchStrategy[str]:
    """Expressions of type bool. Types refer to each other, to a bounded depth."""
    small = st.integers(-3, 12).map(str)
    wild = st.sampled_from([str(2**63 - 1), str(-(2**63)), "0", "1", "-1", "4611686018427387904"])
    numbers = st.sampled_from(["0.0", "1.0", "-1.5", "0.5", "1e300", "2.0", "1e-7", "123456.75", "9.3e18"])
    ints = st.sampled_from(INTS) | small | wild
    uints = st.sampled_from(["0u", "1u", "7u", "18446744073709551615u"])
    doubles = st.sampled_from(DOUBLES) | numbers
    strings = st.sampled_from(STRINGS + (LABELS if labels else [])) | TEXT.map(literal)
    bools = st.sampled_from([*BOOLS, "true", "false"])
    lists = st.lists(strings, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]")
    for _ in range(2):
        new_ints = (
            ints
            | call("({} + {})", ints, ints)
            | call("({} - {})", ints, ints)
            | call("({} * {})", ints, ints)
            | call("({} / {})", ints, ints)
            | call("({} % {})", ints, ints)
            | call("(-({}))", ints)
            | call("int({})", doubles | strings | uints)
            | call("size({})", strings | lists)
            | call("({}).indexOf({})", strings, strings)
            | call("({}).indexOf({}, {})", strings, strings, small)
            | call("({}).lastIndexOf({})", strings, strings)
            | call("({}).lastIndexOf({}, {})", strings, strings, small)
            | call("({}).words()", strings)
            | call("[{}, {}][{}]", ints, ints, small)
            | call('{{"a": {}, {}: {}}}["a"]', ints, strings, ints)
            | call("({} ? {} : {})", bools, ints, ints)
        )
        new_uints = uints | call("({} + {})", uints, uints) | call("({} - {})", uints, uints) | call("uint({})", ints)
        new_uints |= call("({} / {})", uints, uints) | call("({} % {})", uints, uints) | call("uint({})", strings)
        new_doubles = (
            doubles
            | call("({} + {})", doubles, doubles)
            | call("({} * {})", doubles, doubles)
            | call("({} / {})", doubles, numbers)
            | call("double({})", ints | strings | uints)
        )
        new_strings = (
            strings
            | call("({} + {})", strings, strings)
            | call("({}).lowerAscii()", strings)
            | call("({}).upperAscii()", strings)
            | call("({}).trim()", strings)
            | call("({}).reverse()", strings)
            | call("({}).charAt({})", strings, ints)
            | call("({}).substring({})", strings, small)
            | call("({}).substring({}, {})", strings, small, small)
            | call("({}).replace({}, {})", strings, strings, strings)
            | call("({}).replace({}, {}, {})", strings, strings, strings, small)
            | call("string({})", ints | bools | uints | numbers)
            | call("({}).join({})", lists, strings)
            | call("{}[{}]", lists, small)
            | call("strings.quote({})", strings)
            | call("string(bytes({}))", strings)
        )
        new_lists = (
            lists
            | call("({}).split({})", strings, strings)
            | call("({}).split({}, {})", strings, strings, small)
            | call("({} + {})", lists, lists)
            | call("({}).filter(e, e.contains({}))", lists, strings)
            | call("({}).map(e, e + {})", lists, strings)
            | call("({}).map(e, e != {}, e.charAt({}))", lists, strings, small)
        )
        compare = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
        new_bools = (
            bools
            | st.one_of(call("({} {} {})", kind, compare, kind) for kind in (ints, doubles, strings, uints, bools))
            | call("({} && {})", bools, bools)
            | call("({} || {})", bools, bools)
            | call("(!{})", bools)
            | call("({} ? {} : {})", bools, bools, bools)
            | call("({}).contains({})", strings, strings)
            | call("({}).startsWith({})", strings, strings)
            | call("({}).endsWith({})", strings, strings)
            | call("({}).containsWord({})", strings, strings)
            | call("({}).matches({})", strings, st.sampled_from(PATTERNS).map(literal) | strings)
            | call("({} in {})", strings, lists)
            | call("({} in [{}, {}])", doubles, doubles, doubles)
            | call("({} == {})", lists, lists)
            | call("(({}).exists(e, e < {}))", lists, strings)
            | call("(({}).all(e, e.substring({}) != {}))", lists, small, strings)
            | call("([{}, {}].exists(e, {} / e > {}))", ints, ints, ints, small)
            | call("([{}, {}].all(e, {} % e > {}))", ints, ints, ints, small)
            | call("(({}).exists_one(e, int(e) == {}))", lists, small)
            | call("(({}).exists(e, int(e) == {}))", lists, small)
            | call("bool({})", strings)
            | call("(has({{{}: 1}}.a))", strings)
        )
        ints, doubles, strings, lists, bools, uints = (
            new_ints,
            new_doubles,
            new_strings,
            new_lists,
            new_bools,
            new_uints,
        )
    return bools


BODIES = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries({"role": st.sampled_from(["user", "system"]), "content": TEXT}), max_size=2
        )
    },
    optional={
        "model": TEXT,
        "stream": st.booleans(),
        "max_tokens": st.integers(0, 2**64),
        "temperature": st.sampled_from([0, 1, 0.5, 1.0]),
        "n": st.integers(-2, 2**64),
        "user": TEXT,
        "tools": st.lists(st.just({}), max_size=2),
    },
)
TARGETS = st.builds(
    Target,
    st.integers(0, 9),
    st.none() | st.integers(0, 9999),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.booleans(),
    st.none() | st.integers(0, 9),
    st.none() | st.sampled_from([0.0, 0.25, 1.0, 2.0]),
    st.none() | st.sampled_from([0.0, 0.25, 1.0]),
    st.booleans(),
)


@st.composite
def inputs(draw: st.DrawFn) -> Facts:
    headers = {b"x-a": draw(st.sampled_from([b"", b"1", b"ab"]))}
    targets = {"small": draw(TARGETS), "strong": draw(TARGETS)}
    return Facts("chat", draw(BODIES), headers, draw(TEXT), draw(st.sampled_from(["", "gold"])), targets)


@fuzzed(400)
@given(expressions(labels=False), inputs())
def test_translation_agrees_with_the_official_evaluator(source: str, facts: Facts) -> None:
    expected, got = official(source, facts), ours(source, facts)
    if isinstance(expected, bool):
        assert got is expected
    else:
        assert isinstance(got, str), (expected, got)


@fuzzed(400)
@given(expressions(labels=True), inputs(), st.dictionaries(st.sampled_from(["kind", "mood"]), TEXT))
def test_a_missing_label_is_unknown_exactly_where_the_official_evaluator_has_no_value(
    source: str, facts: Facts, labels: dict[str, str]
) -> None:
    facts.labels = labels
    expected, got = official(source, facts), ours(source, facts)
    if isinstance(expected, bool):
        assert got is expected
    else:
        assert not isinstance(got, bool), (expected, got)
    if got is UNKNOWN:
        assert not isinstance(expected, bool)


@fuzzed(400)
@given(expressions(labels=True), inputs(), TEXT, TEXT)
def test_resolving_unknowns_never_changes_a_decided_result(source: str, facts: Facts, one: str, other: str) -> None:
    facts.labels = {}
    decided = ours(source, facts)
    if decided is UNKNOWN:
        return
    for kind, mood in itertools.product((one, other), repeat=2):
        facts.labels = {"kind": kind, "mood": mood}
        resolved = ours(source, facts)
        assert isinstance(resolved, str) if isinstance(decided, str) else resolved is decided


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('label.kind == "a" && request.stream', False),
        ('label.kind == "a" || !request.stream', True),
        ('label.kind == "a" && 1 / 0 == 1 && false', False),
        ('label.kind == "a" && 1 / 0 == 1', UNKNOWN),
        ('label.kind == "a" ? true : true', UNKNOWN),
        ('request.stream ? label.kind == "a" : true', True),
        ('["a"].exists(x, x == label.kind)', UNKNOWN),
        ('["a", label.kind].exists(x, x == "a")', UNKNOWN),
        ('["a", "b"].all(x, x == label.kind || x == "a")', UNKNOWN),
    ],
)
def test_unknown_is_absorbed_where_the_other_side_decides(source: str, expected: object) -> None:
    facts = Facts("chat", {"stream": False}, {}, "", "", {n: Target(0, None, 0.0, True) for n in ("small", "strong")})
    assert ours(source, facts) is expected


@pytest.mark.parametrize("bounds", ["0", "4", "5", "0, 3", "0, 4", "2, 4", "4, 4", "4, 5", "3, 2"])
def test_substring_up_to_the_end_is_what_the_official_evaluator_has(bounds: str) -> None:
    facts = Facts("chat", {"messages": []}, {}, "", "gold", {})
    source = f'user.tier.substring({bounds}).contains("")'
    expected, got = official(source, facts), ours(source, facts)
    assert got is expected if isinstance(expected, bool) else isinstance(got, str)
