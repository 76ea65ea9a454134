"""A script while it is played: which rule answers, and what it says this time."""

import math
import re
from collections import Counter
from collections.abc import Sequence

from signalbox.sim.faults import Faults
from signalbox.sim.prompts import Asked
from signalbox.sim.script import Rule
from signalbox.sim.text import Answer, Part, pieces, prose

_NAME = re.compile(r"\{(\w+)\}")


class Script:
    """Rules, and how often each of them was used and said something."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self.models = frozenset(rule.when.model for rule in self.rules if rule.when.model)
        self._used: Counter[int] = Counter()
        self._said: Counter[int] = Counter()

    def pick(self, asked: Asked, engine: str) -> "Turn | None":
        """The first rule that fits and is not used up; it is used once more by this."""
        for number, rule in enumerate(self.rules):
            if (rule.times is None or self._used[number] < rule.times) and rule.when.fits(asked, engine):
                self._used[number] += 1
                return Turn(self, number, asked, engine)
        return None

    def say(self, number: int) -> int:
        """How many answers the rule gave before this one."""
        self._said[number] += 1
        return self._said[number] - 1


class Turn:
    """A rule that answers one request."""

    def __init__(self, script: Script, number: int, asked: Asked, engine: str) -> None:
        self.rule = script.rules[number]
        self._script, self._number, self._asked, self._engine = script, number, asked, engine

    @property
    def faults(self) -> Faults:
        """The faults of the rule."""
        rule = self.rule
        return Faults(
            status=rule.status,
            code=rule.code,
            retry_after=rule.retry_after,
            error_event=rule.error_event,
            cut_after=rule.cut_after,
            stalled=rule.stalled,
        )

    def answer(self, most: int, tools: bool) -> Answer | None:
        """The next answer, of at most so many tokens, and with calls of tools only where the operation knows them.

        None: the rule has none.
        """
        rule, said = self.rule, self._script.say(self._number)
        calls = tuple(Part(pieces(call.text), call.name) for call in rule.tool_calls) if tools else ()
        spoken: tuple[Part, ...] = ()
        if rule.texts:
            text = self._filled(rule.texts[said % len(rule.texts)], said)
            room = None if rule.output_tokens is None else rule.output_tokens - sum(len(c.tokens) for c in calls)
            spoken = (Part(pieces(text, None if room is None else max(1, room))),)
        elif not calls and rule.output_tokens is not None:
            spoken = (Part(prose(rule.output_tokens, said)),)
        if not spoken and not calls:
            return None
        made = Answer(
            parts=(*spoken, *calls),
            finish=rule.finish_reason or ("tool_calls" if calls else "stop"),
            logprobs=rule.logprobs,
            alternatives=tuple((pieces(text)[0], math.log(share)) for text, share in rule.alternatives.items()),
        )
        hidden = max(0, (rule.output_tokens or 0) - made.length)
        return Answer(made.parts, made.finish, hidden, made.logprobs, made.alternatives).cut(most)

    def _filled(self, text: str, said: int) -> str:
        """Replace the names in braces, and the groups of ``matches``; other braces stay, as those of JSON."""
        found = re.search(self.rule.when.matches, self._asked.text)
        values: dict[str, str] = {} if found is None else found.groupdict("")
        values |= {} if found is None else {str(at): group for at, group in enumerate(found.groups(""), 1)}
        values |= {
            "query": self._asked.user,
            "system": self._asked.system,
            "model": self._asked.model,
            "engine": self._engine,
            "call": str(said + 1),
        }
        return _NAME.sub(lambda name: values.get(name[1], name[0]), text)
