"""When the operator's authority and certificate are renewed, by a fake clock."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from signalbox.controller.own.certificates import (
    AUTHORITY_LIFE,
    BUNDLE,
    CERTIFICATE_LIFE,
    OVERLAP,
    Held,
    read,
    renewed,
    written,
)

NAMES = ("signalbox-leader.signalbox.svc", "localhost")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def trusts(bundle: tuple[x509.Certificate, ...], held: Held) -> bool:
    """Whether who has this bundle accepts the certificate in use."""
    for authority in bundle:
        try:
            held.certificate.verify_directly_issued_by(authority)
        except (ValueError, InvalidSignature):  # another one may have signed it
            continue
        return True
    return False


def test_nothing_is_due_when_all_is_new() -> None:
    held = renewed(None, NAMES, NOW)
    assert renewed(held, NAMES, NOW + HOUR) is held
    assert len(held.authorities) == 1
    assert trusts(held.authorities, held)


def test_it_survives_being_stored() -> None:
    held = renewed(None, NAMES, NOW)
    again = read(written(held))
    assert again is not None
    assert written(again) == written(held)
    assert renewed(again, NAMES, NOW + HOUR) is again


@pytest.mark.parametrize("key", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
@pytest.mark.parametrize("value", [None, b"", b"nonsense", "another"])
def test_what_cannot_be_used_counts_as_absent(key: str, value: bytes | str | None) -> None:
    data = written(renewed(None, NAMES, NOW))
    if value is None:
        del data[key]
    else:
        data[key] = written(renewed(None, NAMES, NOW))[key] if isinstance(value, str) else value
    assert read(data) is None


def test_another_name_needs_another_certificate_at_once() -> None:
    held = renewed(None, NAMES, NOW)
    after = renewed(held, ("other", *NAMES), NOW + HOUR)
    assert after.authorities == held.authorities
    assert after.certificate != held.certificate


def test_a_certificate_is_renewed_long_before_it_ends() -> None:
    held = renewed(None, NAMES, NOW)
    late = NOW + CERTIFICATE_LIFE * 2 / 3 + HOUR
    after = renewed(held, NAMES, late)
    assert after.authorities == held.authorities
    assert after.certificate.not_valid_after_utc == late + CERTIFICATE_LIFE


def test_an_authority_that_has_ended_is_replaced_by_another() -> None:
    held = renewed(None, NAMES, NOW)
    after = renewed(held, NAMES, NOW + AUTHORITY_LIFE)
    assert not set(after.authorities) & set(held.authorities)
    assert trusts(after.authorities, after)


def test_over_years_whoever_is_a_day_late_is_never_shut_out() -> None:
    """Every certificate in use is accepted with the bundle of any time in the last day, and of the next."""
    held, now = renewed(None, NAMES, NOW), NOW
    bundles: list[tuple[x509.Certificate, ...]] = []
    authorities, certificates, longest = set(held.authorities), {held.certificate}, 0
    step = 12 * HOUR
    for _ in range(round(3 * AUTHORITY_LIFE / step)):
        now += step
        held = renewed(held, NAMES, now)
        bundles = [*bundles, held.authorities][-round(OVERLAP / step) :]
        for bundle in bundles:
            assert trusts(bundle, held)
        assert held.certificate.not_valid_after_utc > now + CERTIFICATE_LIFE / 4
        assert held.certificate.not_valid_after_utc <= held.authorities[-1].not_valid_after_utc
        authorities |= set(held.authorities)
        certificates.add(held.certificate)
        longest = max(longest, len(held.authorities))
    assert longest == 2
    assert 4 <= len(authorities) <= 6
    assert 15 <= len(certificates) <= 30
    assert len(x509.load_pem_x509_certificates(written(held)[BUNDLE])) == len(held.authorities)
