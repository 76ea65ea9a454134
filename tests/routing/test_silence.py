"""Patience and silence: what counts as hung, and what is only slow."""

from health_steps import backend, eject, succeed

from signalbox.routing.ejection import Cause

# patience


def test_patience_follows_the_endpoints_own_pace() -> None:
    _, (endpoint,), _ = backend()
    assert endpoint.patience(True) == 10.0
    assert endpoint.patience(False) == 30.0
    for _ in range(100):
        endpoint.observe_ttft(2000.0)
        endpoint.observe_duration(9000.0)
    assert 20.0 <= endpoint.patience(True) <= 24.0
    assert 90.0 <= endpoint.patience(False) <= 108.0


def test_three_overdue_requests_eject_where_nothing_came() -> None:
    _, (endpoint,), changes = backend()
    for start in (0.0, 0.1, 0.2):
        endpoint.started(start)
    for start in (0.0, 0.1):
        endpoint.overdue(start, 10.1)
    assert not endpoint.ejected
    endpoint.overdue(0.2, 10.2)
    assert endpoint.ejected
    assert changes == [("0", True, Cause.SLOW)]


def test_a_long_queue_is_no_hang() -> None:
    """An engine that takes 10 requests/s and answers 7: waits grow to 20 s, but answers keep coming."""
    _, (endpoint,), _ = backend()
    answered = 0
    for tick in range(670):
        now = tick * 0.1
        endpoint.started(now)
        while answered < 0.7 * tick - 1:
            endpoint.answered(answered * 0.1, now)
            answered += 1
        if now >= 10.0:
            endpoint.overdue(now - 10.0, now)
        assert endpoint.admits(now)
        assert not endpoint.ejected
    assert 67.0 - answered * 0.1 > 19.0


def test_a_request_that_is_overdue_and_then_fails_counts_once() -> None:
    _, (endpoint,), _ = backend()
    for start in (0.0, 0.1):
        endpoint.started(start)
        endpoint.overdue(start, start + 10.0)
        endpoint.failed(start, start + 60.0, Cause.SLOW)
    assert not endpoint.ejected
    endpoint.started(61.0)
    endpoint.failed(61.0, 62.0, Cause.ERROR)
    assert endpoint.ejected


def test_an_overdue_probe_doubles() -> None:
    _, (endpoint,), _ = backend()
    eject(endpoint, 0.0)
    endpoint.started(11.0)
    endpoint.overdue(11.0, 41.0)
    assert not endpoint.admits(60.9)
    assert endpoint.admits(61.0)
    endpoint.failed(11.0, 62.0, Cause.SLOW)
    assert endpoint.admits(62.0)


# silence


def test_an_endpoint_that_swallows_requests_is_passed_over_until_it_shows_life() -> None:
    _, (endpoint,), changes = backend()
    for start in (0.0, 1.0, 2.0):
        assert endpoint.admits(start)
        endpoint.started(start)
    assert endpoint.admits(7.9)
    assert not endpoint.admits(8.0)
    assert endpoint.silent(8.0)
    assert endpoint.may_probe(8.0)
    endpoint.alive(9.0)
    assert endpoint.admits(9.0)
    assert changes == []


def test_two_long_requests_are_no_silence() -> None:
    _, (endpoint,), _ = backend()
    endpoint.started(0.0)
    endpoint.started(0.1)
    assert endpoint.admits(500.0)


def test_clients_that_left_are_no_silence() -> None:
    _, (endpoint,), _ = backend()
    for i in range(10):
        endpoint.started(i * 0.1)
    for i in range(8):
        endpoint.abandoned(i * 0.1, 5.0)
    assert endpoint.admits(60.0)


def test_an_engine_that_answers_in_rare_bursts_teaches_its_own_measure() -> None:
    _, (endpoint,), _ = backend()
    refused = []
    for burst in range(40):
        begin = burst * 7.0
        for i in range(70):
            now = begin + i * 0.1
            endpoint.started(now)
            if not endpoint.admits(now):
                refused.append(now)
        for i in range(70):
            endpoint.succeeded(begin + i * 0.1, begin + 7.0)
    assert not refused
    assert endpoint.admits(280.0 + 10.0)
    for i in range(3):
        endpoint.started(290.0 + i)
    assert endpoint.admits(290.0 + 11.9), "it is known for 7 s: 12 s or more are tolerated"


def test_what_it_learned_fades() -> None:
    _, (endpoint,), _ = backend()
    for i in range(3):
        endpoint.started(float(i))
    endpoint.succeeded(0.0, 7.0)
    for second in range(10, 400):
        succeed(endpoint, second, second + 0.1)
    for i in range(3):
        endpoint.started(400.0 + i)
    assert not endpoint.admits(408.0)
