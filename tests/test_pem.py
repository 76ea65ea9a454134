"""When a certificate ends, as cryptography says it."""

import ssl
from datetime import UTC, datetime

import pytest
import trustme
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st

from signalbox.pem import ends, server_context

AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)


def test_no_client_makes_a_handshake_begin_anew() -> None:
    context = server_context()
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("year", [2025, 2049, 2050, 2077])
@pytest.mark.parametrize("kind", list(trustme.KeyType))
def test_the_first_of_a_chain_counts(year: int, kind: trustme.KeyType) -> None:
    issued = AUTHORITY.issue_cert("a.example.com", not_after=datetime(year, 3, 4, 5, 6, 7, tzinfo=UTC), key_type=kind)
    chain = b"".join([*(pem.bytes() for pem in issued.cert_chain_pems), AUTHORITY.cert_pem.bytes()])
    expected = load_pem_x509_certificate(chain).not_valid_after_utc.timestamp()
    assert ends(chain) == ends(b"subject=a\n" + chain) == expected


def test_what_is_no_certificate_has_no_end() -> None:
    assert ends(b"") is None
    assert ends(AUTHORITY.private_key_pem.bytes()) is None


@given(st.binary(max_size=200), st.integers(0, 2000))
def test_no_bytes_do_harm(noise: bytes, at: int) -> None:
    pem = AUTHORITY.cert_pem.bytes()
    for spoilt in (noise, pem[:at], pem[:at] + noise + pem[at:]):
        found = ends(spoilt)
        assert found is None or isinstance(found, float)
