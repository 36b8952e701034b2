"""CA and certificate of the webhook: what they are, and the next step of their renewal.

A renewal must never leave an API server with a certificate that it does not trust. So a new CA is
published beside the old one before anything is signed with it:

    new CA made, trust = new + old  →  `caBundle` written  →  certificate signed by the new CA

All replicas decide the same from the same Secret; whoever writes first wins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_CERTIFICATES: Final = "ca.crt"
"""Newest first, PEM."""
CA_KEY: Final = "ca.key"
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"

CA_LIFE: Final = timedelta(days=5 * 365)
CERTIFICATE_LIFE: Final = timedelta(days=90)
RENEWED_AT: Final = 2 / 3
"""Share of its life after which something is renewed."""
CLOCK_SKEW: Final = timedelta(minutes=5)
"""Certificates are valid from a little before they were made, for clocks that are behind."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that the Secret holds."""

    authorities: tuple[x509.Certificate, ...]
    """Trusted CAs, newest first; the newest signs."""
    authority_key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def trust(self) -> bytes:
        """The value of `caBundle`: PEM, newest first."""
        return _pem(self.authorities)

    @property
    def signed_by_newest(self) -> bool:
        """Whether the certificate was signed by the CA that signs now."""
        return _issued_by(self.certificate, self.authorities[0])


def dns_names(service: str, namespace: str) -> tuple[str, ...]:
    """Return the names under which API servers call a Service."""
    return (f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def next_bundle(
    bundle: Bundle | None, names: Sequence[str], now: datetime, *, published: bool
) -> Bundle | None:
    """Return the bundle to write next, None if nothing is due.

    Parameters
    ----------
    bundle
        What the Secret holds; None if it holds nothing usable.
    names
        DNS names that the certificate must carry.
    now
        The time, with a zone.
    published
        Whether the webhook configuration trusts exactly `bundle.trust`.
    """
    if bundle is None or bundle.authorities[0].not_valid_after_utc <= now:
        authority, authority_key = _new_authority(now)
        certificate, key = _new_certificate(authority, authority_key, names, now)
        return Bundle((authority,), authority_key, certificate, key)
    if _is_old(bundle.authorities[0], now):
        authority, authority_key = _new_authority(now)
        return replace(
            bundle, authorities=(authority, *bundle.authorities), authority_key=authority_key
        )
    if not bundle.signed_by_newest and published:
        return _renewed(bundle, names, now)
    if _is_old(bundle.certificate, now) or _names_of(bundle.certificate) != set(names):
        # With an unpublished CA on top there is nothing to sign with that everybody trusts yet.
        return _renewed(bundle, names, now) if bundle.signed_by_newest or published else None
    return _without_expired(bundle, now)


def encode_bundle(bundle: Bundle) -> dict[str, bytes]:
    """Return the data of the Secret."""
    return {
        CA_CERTIFICATES: bundle.trust,
        CA_KEY: _key_pem(bundle.authority_key),
        CERTIFICATE: _pem([bundle.certificate]),
        KEY: _key_pem(bundle.key),
    }


def decode_bundle(data: Mapping[str, bytes]) -> Bundle:
    """Return the bundle that the data of a Secret holds.

    Raises
    ------
    ValueError
        If something is missing, cannot be read, or does not belong together.
    """
    missing = [key for key in (CA_CERTIFICATES, CA_KEY, CERTIFICATE, KEY) if not data.get(key)]
    if missing:
        raise ValueError(f"the Secret has no {', '.join(missing)}")
    bundle = Bundle(
        authorities=tuple(x509.load_pem_x509_certificates(data[CA_CERTIFICATES])),
        authority_key=_load_key(data[CA_KEY]),
        certificate=x509.load_pem_x509_certificate(data[CERTIFICATE]),
        key=_load_key(data[KEY]),
    )
    if bundle.authorities[0].public_key() != bundle.authority_key.public_key():
        raise ValueError(f"{CA_KEY} is not the key of the first certificate in {CA_CERTIFICATES}")
    if bundle.certificate.public_key() != bundle.key.public_key():
        raise ValueError(f"{KEY} is not the key of {CERTIFICATE}")
    if not any(_issued_by(bundle.certificate, authority) for authority in bundle.authorities):
        raise ValueError(f"{CERTIFICATE} was signed by nobody in {CA_CERTIFICATES}")
    return bundle


def _renewed(bundle: Bundle, names: Sequence[str], now: datetime) -> Bundle:
    certificate, key = _new_certificate(bundle.authorities[0], bundle.authority_key, names, now)
    return replace(bundle, certificate=certificate, key=key)


def _without_expired(bundle: Bundle, now: datetime) -> Bundle | None:
    """Drop CAs that have expired, or that nothing in use was signed by for a certificate's life."""
    newest, *older = bundle.authorities
    kept = [
        authority
        for authority in older
        if authority.not_valid_after_utc > now
        and not (
            bundle.signed_by_newest
            and bundle.certificate.not_valid_before_utc + CERTIFICATE_LIFE / 3 < now
        )
    ]
    if len(kept) == len(older):
        return None
    return replace(bundle, authorities=(newest, *kept))


def _new_authority(now: datetime) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # API servers look issuers up by name, so that two CAs of one name would be confused.
    name = _name(f"modelmonitor webhook CA {serial:x}"[:64])
    authority = (
        _builder(name, name, key.public_key(), now, CA_LIFE, serial)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return authority, key


def _new_certificate(
    authority: x509.Certificate,
    authority_key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    now: datetime,
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    certificate = (
        _builder(
            _name("modelmonitor webhook"),
            authority.subject,
            key.public_key(),
            now,
            CERTIFICATE_LIFE,
            x509.random_serial_number(),
        )
        .add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return certificate, key


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta,
    serial: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(serial)
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + life)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _is_old(certificate: x509.Certificate, now: datetime) -> bool:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return now >= begin + (end - begin) * RENEWED_AT


def _names_of(certificate: x509.Certificate) -> set[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return set(extension.value.get_values_for_type(x509.DNSName))


def _issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(f"a private key cannot be read: {error}") from error
    match key:
        case ec.EllipticCurvePrivateKey():
            return key
        case _:
            raise ValueError("a private key is not of an elliptic curve")


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
