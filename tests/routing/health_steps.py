"""Steps of the tests of ejection: a backend that tells its changes, and endpoints that fail and succeed."""

from signalbox.routing.ejection import BackendHealth, Cause, EndpointHealth

Change = tuple[object, bool, Cause]


def backend(endpoints: int = 1) -> tuple[BackendHealth, list[EndpointHealth], list[Change]]:
    changes: list[Change] = []
    health = BackendHealth(on_change=lambda key, ejected, cause: changes.append((key, ejected, cause)))
    return health, [health.endpoint(str(i)) for i in range(endpoints)], changes


def fail(endpoint: EndpointHealth, start: float, end: float | None = None, cause: Cause = Cause.ERROR) -> None:
    endpoint.started(start)
    endpoint.failed(start, start if end is None else end, cause)


def succeed(endpoint: EndpointHealth, start: float, end: float | None = None) -> None:
    endpoint.started(start)
    endpoint.succeeded(start, start if end is None else end)


def eject(endpoint: EndpointHealth, at: float, cause: Cause = Cause.ERROR) -> None:
    for i in range(3):
        fail(endpoint, at + i * 1e-3, at + 2e-3, cause)
