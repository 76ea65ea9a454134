"""What somebody may have meant."""

from signalbox.plan.checking.closest import MOST, Closest


def test_what_comes_close_is_named_else_all_there_is() -> None:
    closest = Closest()
    assert closest.meant("smal", ["small", "strong"]) == 'did you mean "small"?'
    assert closest.meant("tiny", ["small", "strong"]) == "name one of: small, strong"
    assert closest.meant("tiny", ["small"], "add it") == "add it, or name one of: small"
    assert closest.meant("tiny", [], "add it") == "add it"


def test_a_policy_of_wrong_names_only_is_not_searched_for_ever() -> None:
    closest = Closest()
    fixes = [closest.meant("smal", ["small"]) for _ in range(MOST + 2)]
    assert fixes[MOST - 1] == 'did you mean "small"?'
    assert fixes[MOST] == fixes[MOST + 1] == "name one of: small"
