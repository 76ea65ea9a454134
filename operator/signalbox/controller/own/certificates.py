"""The operator's own authority and certificate: what is due when, and making it. Pure but for keys and serial numbers.

Routers learn of a new authority through a mounted file, so it is in their bundle for a day before anything is signed by
it, and the one before stays for a day after the last certificate that it signed was replaced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_LIFE = timedelta(days=365)
CERTIFICATE_LIFE = timedelta(days=90)
OVERLAP = timedelta(hours=24)
# Clocks of machines differ.
BACKDATED = timedelta(hours=1)

BUNDLE, AUTHORITY_KEY, CERTIFICATE, KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"


@dataclass(frozen=True)
class Held:
    """Authorities, the newest first, and the newest one's key; the certificate in use, and its key."""

    authorities: tuple[x509.Certificate, ...]
    authority_key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def renewed(held: Held | None, names: Sequence[str], now: datetime) -> Held:
    """What there should be now; the very same object where all is well."""
    if held is None or not _valid(held.authorities[0], now):
        return _first(names, now)
    newest = held.authorities[0]
    if _aging(newest, AUTHORITY_LIFE, now):
        key = _new_key()
        held = replace(held, authorities=(_authority(key, now), *held.authorities), authority_key=key)
        newest = held.authorities[0]
    unusable = not _valid(held.certificate, now) or _names(held.certificate) != set(names)
    known = len(held.authorities) == 1 or _age(newest, now) >= OVERLAP
    due = not _signed(held.certificate, newest) or _aging(held.certificate, CERTIFICATE_LIFE, now)
    if unusable or (known and due):
        key = _new_key()
        held = replace(held, certificate=_certificate(key, names, newest, held.authority_key, now), key=key)
    return _without_the_past(held, now)


def _first(names: Sequence[str], now: datetime) -> Held:
    """All anew. Nobody can have heard of this authority, so there is no point in waiting."""
    authority_key, key = _new_key(), _new_key()
    authority = _authority(authority_key, now)
    return Held((authority,), authority_key, _certificate(key, names, authority, authority_key, now), key)


def _without_the_past(held: Held, now: datetime) -> Held:
    newest, older = held.authorities[0], held.authorities[1:]
    if not older:
        return held
    if _signed(held.certificate, newest):
        replaced_long_ago = _age(held.certificate, now) >= OVERLAP
        older = () if replaced_long_ago else tuple(each for each in older if _valid(each, now))
    else:
        older = tuple(each for each in older if _signed(held.certificate, each))
    authorities = (newest, *older)
    return held if authorities == held.authorities else replace(held, authorities=authorities)


def read(data: Mapping[str, bytes]) -> Held | None:
    """From the content of a Secret; None where it cannot be used."""
    try:
        authorities = tuple(x509.load_pem_x509_certificates(data[BUNDLE]))
        certificate = x509.load_pem_x509_certificate(data[CERTIFICATE])
        authority_key, key = (load_pem_private_key(data[name], None) for name in (AUTHORITY_KEY, KEY))
    except (KeyError, ValueError, TypeError):
        return None
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey) or not isinstance(key, ec.EllipticCurvePrivateKey):
        return None
    if not (_belongs(authority_key, authorities[0]) and _belongs(key, certificate)):
        return None
    return Held(authorities, authority_key, certificate, key)


def written(held: Held) -> dict[str, bytes]:
    """As the content of a Secret."""
    return {
        BUNDLE: b"".join(each.public_bytes(Encoding.PEM) for each in held.authorities),
        AUTHORITY_KEY: _pem(held.authority_key),
        CERTIFICATE: held.certificate.public_bytes(Encoding.PEM),
        KEY: _pem(held.key),
    }


def _valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc


def _aging(certificate: x509.Certificate, life: timedelta, now: datetime) -> bool:
    """Whether two thirds of its life are over."""
    return certificate.not_valid_after_utc - now < life / 3


def _age(certificate: x509.Certificate, now: datetime) -> timedelta:
    return now - certificate.not_valid_before_utc - BACKDATED


def _names(certificate: x509.Certificate) -> set[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _belongs(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bool:
    formats = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(*formats) == certificate.public_key().public_bytes(*formats)


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _authority(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    serial = x509.random_serial_number()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"signalbox {serial:x}"[:64])])
    builder = _builder(name, name, key.public_key(), serial, now, AUTHORITY_LIFE)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def _certificate(
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signalbox-operator")])
    serial = x509.random_serial_number()
    life = min(CERTIFICATE_LIFE, authority.not_valid_after_utc - now)
    builder = _builder(subject, authority.subject, key.public_key(), serial, now, life)
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    for extension, critical in (
        (alternatives, False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (identifier, False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(authority_key, hashes.SHA256())


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    serial: int,
    now: datetime,
    life: timedelta,
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    return builder.serial_number(serial).not_valid_before(now - BACKDATED).not_valid_after(now + life)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )
