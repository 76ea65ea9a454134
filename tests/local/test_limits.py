"""Limits of local mode, where one router has them all."""

from signalbox.control.messages import Lease, Leases
from signalbox.local.limits import whole
from signalbox.routing.config import FORMAT_VERSION, Backend, Limits, RouterConfig, encode


def test_the_router_has_the_whole_and_tiny_limits_stay_as_they_are() -> None:
    limits = {
        "none": Limits(),
        "odd": Limits(requests_per_minute=5, tokens_per_minute=1000),
        "tiny": Limits(max_in_flight=2, requests_per_minute=3),
    }
    backends = tuple(Backend(name=name, model="m", authority="", limits=each) for name, each in limits.items())
    config = encode(RouterConfig(format_version=FORMAT_VERSION, name="r", policies=(), backends=backends))
    assert whole(config, 3) == Leases(
        backends={
            "odd": Lease(requests_per_minute=5, tokens_per_minute=1000),
            "tiny": Lease(requests_per_minute=3),
        }
    )
