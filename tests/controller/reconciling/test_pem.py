"""Certificates and keys that cannot serve are found out, and what is said never quotes them."""

import pytest
import trustme

from signalbox.controller.reconciling.pem import authorities_fault, faults, pair_fault
from signalbox.kube.resources import CONFIG_MAPS, SECRETS

AUTHORITY = trustme.CA(key_type=trustme.KeyType.ECDSA)
CA = AUTHORITY.cert_pem.bytes()
LEAF = AUTHORITY.issue_cert("a.example", key_type=trustme.KeyType.ECDSA)
OTHER = AUTHORITY.issue_cert("b.example", key_type=trustme.KeyType.ECDSA)
CHAIN = b"".join(pem.bytes() for pem in LEAF.cert_chain_pems)
KEY = LEAF.private_key_pem.bytes()


def test_good_ones() -> None:
    assert pair_fault(CHAIN, KEY) == ""
    assert authorities_fault(CA + CHAIN) == ""
    assert faults(SECRETS, {"tls.crt": CHAIN, "tls.key": KEY}) == {}
    assert faults(SECRETS, {"token": b"nonsense"}) == {}
    assert faults(CONFIG_MAPS, {"ca.crt": CA}) == {}


@pytest.mark.parametrize(
    ("certificate", "key", "words"),
    [
        (CHAIN, OTHER.private_key_pem.bytes(), "tls.key is not the usable PEM key of tls.crt (KEY_VALUES_MISMATCH)"),
        (CHAIN, b"nonsense", "tls.key is not the usable PEM key"),
        (CHAIN, b"", "tls.key is not the usable PEM key"),
        (b"nonsense", KEY, "tls.crt holds no PEM certificates"),
        (b"", KEY, "tls.crt holds no PEM certificates"),
        (b"\xff\xfe", KEY, "tls.crt holds no PEM certificates (no PEM text)"),
        (CHAIN[:200], KEY, "tls.crt holds no PEM certificates"),
    ],
)
def test_bad_pairs(certificate: bytes, key: bytes, words: str) -> None:
    found = faults(SECRETS, {"tls.crt": certificate, "tls.key": key})
    assert found.keys() == {"tls.crt", "tls.key"}
    assert found["tls.key"].startswith(words)
    assert "nonsense" not in str(found)


def test_bad_authorities() -> None:
    assert list(faults(CONFIG_MAPS, {"ca.crt": b"nonsense", "other": CA})) == ["ca.crt"]
