"""Strategies do not ask which API the client speaks, nor which one a target."""

from typing import Any

import pytest
from stage import Claude, Stage

PICKED = """
classifiers: [{name: kind, labels: [code, prose], default: prose, llm: {target: picker}}]
routes:
- {name: code, when: label.kind == "code", weighted: {targets: [{name: coder}]}}
- {name: rest, weighted: {targets: [{name: writer}]}}
"""
ASK: Any = {"model": "auto", "max_tokens": 100, "messages": [{"role": "user", "content": "def f(): pass"}]}


async def heard(claude: Claude, stream: bool, **fields: Any) -> Any:
    if not stream:
        return await claude().messages.create(**{**ASK, **fields})
    async with claude().messages.stream(**{**ASK, **fields}) as made:
        return await made.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_behind_the_other_api_picks(stage: Stage, claude: Claude, stream: bool) -> None:
    picker = await stage.engine("picker", {"json": {"label": "code"}}, format="Anthropic")
    await stage.engine("coder", {"answer": "A program."})
    await stage.engine("writer", {"answer": "A text."}, format="Anthropic")
    await stage.open(PICKED)
    message = await heard(claude, stream)
    assert message.content[0].text == "A program."
    assert (await stage.ask("def g(): pass", stream=stream)).text == "A program."
    [first, second] = picker.calls
    assert first.operation == second.operation == "messages"
    assert first.body["output_config"]["format"]["type"] == "json_schema"
    assert "def f(): pass" in str(first.body["messages"])
