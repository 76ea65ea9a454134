"""Which weights are in force, and for how long."""

import pytest
from configs import backend, policy
from hypothesis import given
from hypothesis import strategies as st

from signalbox.control.messages import Load, RouteWeights, SetWeights, Weights
from signalbox.router.in_force import NOTHING, fitting, in_force, stale_after
from signalbox.routing.config import Address, Backend, Feedback, Policy


class Engine:
    address = Address(host="10.0.0.1", port=80)

    def __init__(self, name: str) -> None:
        self.name = name


def steered(**feedback: object) -> tuple[Policy, Backend, Backend]:
    one, other = backend(Engine("a")), backend(Engine("b"))
    return policy(one, other, feedback=Feedback(**feedback)), one, other  # type: ignore[arg-type]


ROUTE = RouteWeights(sets=(SetWeights(effective={"a": 0.2, "b": 0.8}, base={"a": 0.5, "b": 0.5}),), spill=0.5)


def weights(ages: dict[str, int]) -> Weights:
    loads = {name: Load(age_ms=age) for name, age in ages.items()}
    return Weights(policies={"auto": {"default": ROUTE}}, loads=loads)


def test_the_newest_sample_counts_and_then_the_base_holds_without_spill() -> None:
    of, *_ = steered(stale_after_ms=15_000)
    heard = weights({"a": 2_000, "b": 9_000, "another": 0})
    force = in_force(of, heard, 13.0)
    assert force == ({"default": ROUTE}, True, 15.0)
    force = in_force(of, heard, 13.1)
    assert not force.by_load
    assert force.routes["default"].sets[0].effective == {"a": 0.5, "b": 0.5}
    assert force.routes["default"].spill == 0.0


def test_without_samples_weights_are_as_old_as_the_message() -> None:
    of, *_ = steered(stale_after_ms=15_000)
    assert in_force(of, weights({}), 14.9).by_load
    assert not in_force(of, weights({}), 15.1).by_load


@pytest.mark.parametrize("mode", ["Observe", "Disabled"])
def test_policies_that_are_not_steered_have_nothing_in_force(mode: str) -> None:
    of, *_ = steered(mode=mode)
    assert in_force(of, weights({"a": 0}), 0.0) == NOTHING
    assert in_force(steered()[0], Weights(), 0.0) == NOTHING


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([0.0, 0.1, 0.7])))
def test_at_rest_everybody_has_something(base: dict[str, float]) -> None:
    """Who had no endpoint then may have one for long, while nobody is there to say so."""
    of, *_ = steered()
    route = RouteWeights(sets=(SetWeights(effective={}, base=base),))
    found = in_force(of, Weights(policies={"auto": {"r": route}}), 1e9).routes["r"].sets[0].effective
    if any(base.values()):
        assert sum(found.values()) == pytest.approx(1.0)
        assert all(found[name] > 0.0 for name in base)
    else:
        assert found == {}


def test_a_sample_counts_as_long_as_the_most_patient_policy_says() -> None:
    patient, one, _ = steered(stale_after_ms=60_000)
    hasty = policy(one, name="hasty", feedback=Feedback(stale_after_ms=5_000))
    assert stale_after({"auto": patient, "hasty": hasty}) == {"a": 60.0, "b": 60.0}


def test_a_report_holds_as_many_policies_as_fit() -> None:
    many = {f"p{number}": {"default": ROUTE} for number in range(10)}
    some = fitting(many, 500)
    assert 0 < len(some) < 10
    assert fitting(many, 1 << 20) == many
    assert fitting(many, 0) == {}
