"""How fresh what we know is, by a clock of the test's own."""

from signalbox.controller.watching.listings import Listings
from signalbox.kube.errors import ApiError
from signalbox.kube.resources import LEASES, MUTATING_WEBHOOKS, POLICIES, SECRETS, SERVICES


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_nothing_is_known_before_the_first_list() -> None:
    clock = Clock()
    listings = Listings(clock)
    secrets = listings.expect(SECRETS, None, 600)
    services = listings.expect(SERVICES, "team", 600)
    assert listings.missing() == ["secrets not listed yet", "services in namespace team not listed yet"]
    services.listed()
    assert listings.missing() == ["secrets not listed yet"]
    assert listings.ages() == {SERVICES: 0.0}
    secrets.listed()
    clock.now += 5
    services.listed()
    assert listings.missing() == []
    assert listings.ages() == {SECRETS: 5.0, SERVICES: 0.0}


def test_missing_rights_and_kinds_are_said_with_the_remedy() -> None:
    listings = Listings(Clock())
    secrets, policies = listings.expect(SECRETS, "team", 600), listings.expect(POLICIES, None, 60)
    secrets.refused(ApiError(403, "Forbidden", "no way"))
    policies.refused(ApiError(404, "NotFound", "unknown path"))
    assert listings.missing() == [
        "cannot list secrets in namespace team: no way; "
        'grant list and watch on secrets (apiGroup "") to the operator by a Role in namespace team',
        "cannot list routingpolicies: unknown path; install the CustomResourceDefinition routingpolicies.signalbox.dev",
    ]
    secrets.listed()
    policies.listed()
    assert listings.missing() == []
    secrets.refused(ApiError(403, "Forbidden", "taken away"))
    assert len(listings.missing()) == 1


def test_a_server_in_trouble_counts_only_when_it_lasts() -> None:
    clock = Clock()
    listings = Listings(clock)
    secrets = listings.expect(SECRETS, None, 600)
    secrets.listed()
    secrets.refused(ApiError(500, "InternalError", "etcd"))
    assert listings.missing() == []
    clock.now += 1201
    assert listings.missing() == ["cannot list secrets: not for 1201 s: etcd"]


def test_a_reader_that_does_not_even_try_hangs() -> None:
    clock = Clock()
    listings = Listings(clock)
    secrets = listings.expect(SECRETS, None, 600)
    clock.now += 1200
    assert listings.stuck() == []
    clock.now += 1
    assert listings.stuck() == ["secrets"]
    secrets.refused(ApiError(0, "Unreachable", "down"))  # an outage of the server is no reason to start again
    assert listings.stuck() == []
    clock.now += 1201
    secrets.heard()
    assert listings.stuck() == []


def test_what_is_the_operators_own_counts_for_itself() -> None:
    listings = Listings(Clock())
    secret = listings.expect(SECRETS, "own", 600, "tls")
    webhook = listings.expect(MUTATING_WEBHOOKS, None, 600, "hook")
    lease = listings.expect(LEASES, "own", 30, "leader", ("get", "create", "update"))
    assert listings.expect(SECRETS, "own", 600, "tls") is secret  # who follows it begins again after a defect
    forbidden = ApiError(403, "Forbidden", "no way")
    for each in (secret, webhook, lease):
        each.refused(forbidden)
    assert listings.missing(own=False) == []
    assert listings.missing() == [
        "cannot list secrets/tls in namespace own: no way; "
        'grant list and watch on secrets (apiGroup "") to the operator by a Role in namespace own',
        "cannot list mutatingwebhookconfigurations/hook: no way; grant list and watch on mutatingwebhookconfigurations "
        '(apiGroup "admissionregistration.k8s.io") to the operator by a ClusterRole',
        "cannot get leases/leader in namespace own: no way; "
        'grant get, create and update on leases (apiGroup "coordination.k8s.io") to the operator by a Role in '
        "namespace own",
    ]
    assert listings.unknown() == {SECRETS: 1, MUTATING_WEBHOOKS: 1, LEASES: 1}
    lease.refused(ApiError(403, "Forbidden", 'services "leader" is forbidden: cannot get'))
    assert listings.missing()[-1] == (
        'cannot get leases/leader in namespace own: services "leader" is forbidden: cannot get'
    )
    lease.listed()
    assert listings.unknown()[LEASES] == 0
