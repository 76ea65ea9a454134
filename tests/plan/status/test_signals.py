"""Whether signals are fresh: of backends that declare some, and of policies with such targets."""

from typing import Any

from signalbox.plan.problems import Problem
from signalbox.plan.status.conditions import Finding
from signalbox.plan.status.said import BackendSaid, Said
from signalbox.plan.status.signals import of_backend, of_policy

FRESH = BackendSaid(measured=True, endpoints=10)
LOST = Problem(
    kind="ModelBackend",
    name="a",
    reason="SignalsPortNotFound",
    path="spec.signals.port",
    message="Service a has no port metrics",
    fix="add it",
    severity="warning",
)


def silent(count: int, *reasons: str) -> BackendSaid:
    return BackendSaid(measured=True, endpoints=10, silent=count, reasons=reasons)


def standing(finding: Finding) -> list[dict[str, Any]]:
    status = "True" if finding.status else "False"
    return [{"type": finding.type, "status": status, "reason": finding.reason, "message": finding.message}]


def test_only_backends_that_declare_signals_are_judged() -> None:
    assert of_backend((), FRESH, False, standing(Finding("SignalsFresh", True, "Fresh", ""))) == []
    assert of_backend((), BackendSaid(), True, ()) == []
    (found,) = of_backend((), FRESH, True, ())
    assert (found.type, found.status, found.reason) == ("SignalsFresh", True, "Fresh")


def test_the_message_counts_endpoints_and_names_the_fix() -> None:
    (found,) = of_backend((), silent(3, "Unauthorized", "Stale"), True, ())
    assert (found.status, found.reason) == (False, "Unauthorized")
    assert found.message == (
        "3 of 10 endpoints do not say what their load is (others: Stale); the metrics want credentials, and none are "
        "sent: serve them at a port without"
    )


def test_a_port_that_the_service_does_not_have_is_named() -> None:
    (found,) = of_backend([LOST], silent(10, "Stale"), True, ())
    assert (found.status, found.reason) == (False, "PortNotFound")
    assert found.message == "spec.signals.port: Service a has no port metrics; fix: add it"


def test_what_stands_stays_while_nothing_is_known() -> None:
    before = standing(Finding("SignalsFresh", False, "TooLarge", "as before"))
    assert of_backend((), None, True, before) == [Finding("SignalsFresh", False, "TooLarge", "as before")]
    assert of_policy({"small": "a"}, None, (), before) == [Finding("SignalsFresh", False, "TooLarge", "as before")]
    assert of_backend((), None, True, ()) == []


def test_what_stands_stays_while_it_is_too_early_to_tell() -> None:
    """After a change of the leader, and while pods start."""
    early = BackendSaid(measured=True, endpoints=10, new=1)
    for before in (Finding("SignalsFresh", False, "TooLarge", "as before"), Finding("SignalsFresh", True, "Fresh", "")):
        assert of_backend((), early, True, standing(before)) == [before]
        assert of_policy({"small": "a"}, Said(backends={"a": early}), (), standing(before)) == [before]
    assert of_backend((), early, True, ()) == of_policy({"small": "a"}, Said(backends={"a": early}), (), ()) == []
    (found,) = of_policy({"s": "a", "t": "b"}, Said(backends={"a": early, "b": silent(1, "Stale")}), (), ())
    assert not found.status


def test_one_endpoint_more_or_less_of_very_many_is_no_reason_to_write() -> None:
    many = BackendSaid(measured=True, endpoints=100, silent=30, reasons=("Stale",))
    (before,) = of_backend((), many, True, ())
    few_more = BackendSaid(measured=True, endpoints=101, silent=35, reasons=("Stale",))
    assert of_backend((), few_more, True, standing(before)) == [before]
    many_more = BackendSaid(measured=True, endpoints=100, silent=40, reasons=("Stale",))
    assert of_backend((), many_more, True, standing(before)) != [before]
    other = BackendSaid(measured=True, endpoints=100, silent=30, reasons=("TooLarge",))
    assert of_backend((), other, True, standing(before))[0].reason == "TooLarge"


def test_a_policy_names_the_targets_that_are_not_fresh() -> None:
    said = Said(backends={"a": silent(1, "Stale"), "b": FRESH, "saas": BackendSaid()})
    (found,) = of_policy({"small": "a", "strong": "b", "far": "saas"}, said, (), ())
    assert (found.status, found.reason) == (False, "Stale")
    assert "these targets say what their load is: small; see" in found.message
    (found,) = of_policy({"strong": "b", "far": "saas"}, said, (), ())
    assert found.status
    assert of_policy({"far": "saas"}, said, (), ()) == []
    (found,) = of_policy({"strong": "b"}, said, {"b"}, ())
    assert not found.status
