"""Made-up queries, of which a model can learn: some kinds are hard for the weak target."""

import json
import random

from signalbox.learning.examples import Example

KINDS = {
    "algebra": ("solve equation integral matrix prove polynomial theorem root derivative", 0.2),
    "cooking": ("boil bake onion soup butter recipe oven salt garlic", 0.9),
    "travel": ("train hotel ticket luggage airport map museum beach city", 0.8),
    "law": ("contract statute appeal liability court clause tort plaintiff ruling", 0.35),
    "chat": ("hello thanks morning weekend friend weather nice funny movie", 0.95),
}


def queries(count: int, seed: int = 1) -> list[tuple[str, str, float]]:
    """Kind, text and the weak target's chance."""
    draw = random.Random(seed)
    found = []
    for _ in range(count):
        kind = draw.choice(list(KINDS))
        words, chance = KINDS[kind]
        text = " ".join(draw.choices([*words.split(), "the", "a", "of", "is", "what"], k=draw.randint(6, 40)))
        found.append((kind, text, chance))
    return found


def scored(count: int, seed: int = 1, *, named: bool = False) -> list[Example]:
    """With scores of two targets; the strong one is right nine times in ten."""
    draw = random.Random(seed + 1)
    return [
        Example(
            text,
            scores={"weak": float(draw.random() < chance), "strong": float(draw.random() < 0.9)},
            group=kind if named else None,
        )
        for kind, text, chance in queries(count, seed)
    ]


def labelled(count: int, seed: int = 1) -> list[Example]:
    """With the kind as label; one in ten is wrong."""
    draw = random.Random(seed + 1)
    kinds = list(KINDS)
    return [
        Example(text, label=kind if draw.random() < 0.9 else draw.choice(kinds))
        for kind, text, _ in queries(count, seed)
    ]


def lines(examples: list[Example]) -> str:
    """As a file has them."""
    made = []
    for each in examples:
        fields = {"prompt": each.prompt, "label": each.label, "scores": each.scores, "group": each.group}
        made.append(json.dumps({name: value for name, value in fields.items() if value is not None}))
    return "\n".join(made) + "\n"
