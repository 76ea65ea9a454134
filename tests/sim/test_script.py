"""Scripts as text: what their rules mean, and what is said about wrong ones."""

import math
from typing import Any

import pytest

from signalbox.sim.prompts import asked
from signalbox.sim.script import encode, parse
from signalbox.sim.scripted import Script
from signalbox.sim.text import Answer


def ask(text: str = "hi", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]} | fields


def said(script: Script, body: dict[str, Any], engine: str = "a", most: int = 100) -> Answer | None:
    turn = script.pick(asked("chat", body, "sim"), engine)
    return turn.answer(most, True) if turn is not None else None


def text(script: Script, body: dict[str, Any], engine: str = "a") -> str | None:
    answer = said(script, body, engine)
    return None if answer is None else answer.text


@pytest.mark.parametrize(
    ("when", "fits", "does_not"),
    [
        ("{contains: best candidate}", ask("which is the best candidate?"), ask("which?")),
        ("{contains: [A, B]}", ask("A or B"), ask("A")),
        ("{matches: '^\\d+$'}", ask("42"), ask("42 trains")),
        ("{model: large}", ask(model="large"), ask()),
        ("{stream: true}", ask(stream=True), ask()),
        (
            "{system: judge}",
            {"messages": [{"role": "system", "content": "You are a judge."}, {"role": "user", "content": "hi"}]},
            ask("You are a judge."),
        ),
        (
            "{user: hello}",
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]},
            {"messages": [{"role": "user", "content": "hello"}, {"role": "user", "content": "bye"}]},
        ),
    ],
)
def test_all_conditions_of_a_rule_must_hold(when: str, fits: dict[str, Any], does_not: dict[str, Any]) -> None:
    script = Script(parse(f"[{{when: {when}, answer: this}}, {{answer: that}}]"))
    assert text(script, fits) == "this"
    assert text(script, does_not) == "that"


def test_one_script_serves_several_engines() -> None:
    script = Script(parse("[{when: {engine: a}, answer: of a}, {when: {engine: b}, answer: of b}]"))
    assert [text(script, ask(), engine) for engine in ("b", "a", "c")] == ["of b", "of a", None]


def test_answers_come_in_turn_and_names_in_braces_are_replaced() -> None:
    script = Script(parse("[{answers: ['{query}? No.', '{model} says {\"a\": 1} in call {call}']}]"))
    assert [text(script, ask("Why")) for _ in range(3)] == [
        "Why? No.",
        'sim says {"a": 1} in call 2',
        "Why? No.",
    ]


def test_groups_of_the_expression_are_replaced_so_that_a_judge_finds_its_candidate() -> None:
    script = Script(
        parse(r"""[{when: {matches: 'Candidate (\d+): (?P<best>Paris)'}, answer: '{"best": {1}, "{best}"}'}]""")
    )
    assert text(script, ask("Candidate 1: Rome\nCandidate 2: Paris")) == '{"best": 2, "Paris"}'


def test_a_rule_may_answer_a_number_of_times_only() -> None:
    script = Script(parse("[{times: 2, answer: first}, {answer: then}]"))
    assert [text(script, ask()) for _ in range(3)] == ["first", "first", "then"]


def test_confidence_is_the_probability_of_each_token() -> None:
    script = Script(parse("[{answer: A long answer., confidence: 0.9, alternatives: {Bye: 0.05}}]"))
    answer = said(script, ask())
    assert answer is not None
    values = [answer.logprob(position) for position in range(answer.length)]
    assert math.exp(sum(values) / len(values)) == pytest.approx(0.9)
    assert [(token, round(math.exp(value), 3)) for token, value in answer.top(0, 2)] == [("A lo", 0.9), ("Bye", 0.05)]
    assert len(answer.top(0, 5)) == len({token for token, _ in answer.top(0, 5)}) == 5


def test_log_probabilities_token_by_token() -> None:
    answer = said(Script(parse("[{answer: twelve chars, logprob: [-0.5, -1]}]")), ask())
    assert answer is not None
    assert [answer.logprob(position) for position in range(3)] == [-0.5, -1, -1]


@pytest.mark.parametrize(
    ("rule", "visible", "hidden"),
    [
        ("{answer: twelve chars}", 3, 0),
        ("{answer: twelve chars, outputTokens: 10}", 3, 7),
        ("{answer: twelve chars, outputTokens: 2}", 2, 0),
        ("{answer: ''}", 1, 0),
        ("{outputTokens: 7}", 7, 0),
        ("{toolCalls: [{name: f, arguments: {a: 1}}], outputTokens: 5}", 2, 3),
    ],
)
def test_output_tokens_are_what_is_billed(rule: str, visible: int, hidden: int) -> None:
    answer = said(Script(parse(f"[{rule}]")), ask())
    assert answer is not None
    assert (len(answer.tokens), answer.hidden, answer.length) == (visible, hidden, visible + hidden)


def test_an_answer_longer_than_it_may_be_is_cut_and_says_so() -> None:
    script = Script(parse("[{answer: twelve chars, toolCalls: [{name: f}], outputTokens: 6, finishReason: stop}]"))
    for most, hidden, words in ((1, 1, ""), (4, 2, "twelve c"), (5, 2, "twelve chars")):
        answer = said(script, ask(), most=most)
        assert answer is not None
        assert (answer.hidden, answer.text, answer.finish, answer.length) == (hidden, words, "length", most)


def test_a_rule_with_faults_only_leaves_the_answer_to_the_engine() -> None:
    script = Script(parse("[{delay: 1}]"))
    assert said(script, ask()) is None


def test_json_and_arguments_are_written_as_json() -> None:
    script = Script(parse("[{json: {label: code, parts: [1]}, toolCalls: [{name: f, arguments: '{'}]}]"))
    answer = said(script, ask())
    assert answer is not None
    assert answer.text == '{"label":"code","parts":[1]}'
    assert [(part.tool, part.text) for part in answer.parts if part.tool] == [("f", "{")]
    assert answer.finish == "tool_calls"


def test_what_is_shown_can_be_read_again() -> None:
    rules = parse("[{when: {contains: a}, logprob: [-1], toolCalls: [{name: f}]}, {answers: [b, c], delay: 0.5}]")
    assert parse(encode(rules)) == rules


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("x: 1", "a script is a list of rules: write - {when"),
        ("- [", "the script is not YAML"),
        ("- {anwser: x}", "rule 1 of the script: .*`anwser`; the fields are name, when, .*answer"),
        ("- {}\n- {answer: 2}", "rule 2 of the script: .*answer`; put the text in quotes"),
        ("- {name: judge, when: {contians: a}}", r"rule 1 \(judge\) .*the fields are contains, system, user"),
        ("- {when: {matches: '('}}", "matches is no regular expression"),
        ("- {answer: a, answers: [b]}", "exclude each other: keep one"),
        ("- {logprob: 0.5}", "write 0 or less, or use confidence"),
        ("- {logprob: -1, confidence: 1}", "keep one"),
        ("- {confidence: 90}", "write a number above 0, at most 1"),
        ("- {alternatives: {a: 2}}", "write {TEXT: 0.2}"),
        ("- {toolCalls: [{nme: a}]}", "the fields are name, arguments"),
        ("- {delay: -1}", "write 0 or more"),
        ("- {status: 200}", "status is an error: write 400 to 599"),
        ("- {errorEvent: 99}", "errorEvent is an error: write 400 to 599"),
    ],
)
def test_errors_name_the_rule_and_the_fix(script: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(script)
