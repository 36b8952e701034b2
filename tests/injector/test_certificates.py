"""Certificates are renewed so that no API server ever meets one that it does not trust."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from modelmonitor.injector.certificates import (
    CA_LIFE,
    CERTIFICATE_LIFE,
    Bundle,
    decode_bundle,
    dns_names,
    encode_bundle,
    next_bundle,
)

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
NAMES = dns_names("injector", "system")


def first(now: datetime = NOW) -> Bundle:
    bundle = next_bundle(None, NAMES, now, published=False)
    assert bundle is not None
    return bundle


def test_the_first_certificate_carries_the_names_of_the_service() -> None:
    bundle = first()
    extension = bundle.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert extension.value.get_values_for_type(x509.DNSName) == [
        "injector.system.svc",
        "injector.system.svc.cluster.local",
    ]
    assert bundle.signed_by_newest


@pytest.mark.parametrize("published", [False, True])
def test_nothing_is_done_while_nothing_is_due(published: bool) -> None:
    assert next_bundle(first(), NAMES, NOW + CERTIFICATE_LIFE / 2, published=published) is None


def test_a_certificate_is_renewed_well_before_it_expires() -> None:
    bundle = first()
    later = NOW + CERTIFICATE_LIFE * 0.7
    renewed = next_bundle(bundle, NAMES, later, published=True)
    assert renewed is not None
    assert renewed.authorities == bundle.authorities
    assert renewed.certificate.not_valid_after_utc == later + CERTIFICATE_LIFE
    assert renewed.key != bundle.key


def test_a_certificate_for_other_names_is_renewed_at_once() -> None:
    renewed = next_bundle(first(), ("other.system.svc",), NOW, published=True)
    assert renewed is not None
    assert next_bundle(renewed, ("other.system.svc",), NOW, published=True) is None


def test_a_new_ca_signs_nothing_before_it_is_published() -> None:
    old = first()
    later = NOW + CA_LIFE * 0.7
    overlapping = next_bundle(old, NAMES, later, published=True)
    assert overlapping is not None
    assert overlapping.certificate == old.certificate
    assert overlapping.authorities[1:] == old.authorities
    assert overlapping.trust.endswith(old.trust)
    assert next_bundle(overlapping, NAMES, later, published=False) is None
    switched = next_bundle(overlapping, NAMES, later, published=True)
    assert switched is not None
    assert switched.signed_by_newest
    assert switched.authorities == overlapping.authorities


def test_the_old_ca_leaves_the_trust_when_nothing_uses_it_any_more() -> None:
    old = first()
    later = NOW + CA_LIFE * 0.7
    overlapping = next_bundle(old, NAMES, later, published=True)
    assert overlapping is not None
    switched = next_bundle(overlapping, NAMES, later, published=True)
    assert switched is not None
    assert next_bundle(switched, NAMES, later + timedelta(days=1), published=True) is None
    alone = next_bundle(switched, NAMES, later + CERTIFICATE_LIFE / 2, published=True)
    assert alone is not None
    assert alone.authorities == switched.authorities[:1]
    assert alone.certificate == switched.certificate


def test_an_expired_ca_is_replaced_altogether() -> None:
    old = first()
    new = next_bundle(old, NAMES, NOW + CA_LIFE + timedelta(days=1), published=True)
    assert new is not None
    assert len(new.authorities) == 1
    assert new.authorities != old.authorities


def test_a_bundle_survives_the_secret() -> None:
    bundle = first()
    copy = decode_bundle(encode_bundle(bundle))
    assert encode_bundle(copy) == encode_bundle(bundle)


def test_a_secret_that_does_not_fit_together_is_refused() -> None:
    bundle, other = first(), first()
    whole = encode_bundle(bundle)
    cases = {
        "has no ca.key": whole | {"ca.key": b""},
        "tls.key is not the key of tls.crt": whole | {"tls.key": encode_bundle(other)["tls.key"]},
        "ca.key is not the key": whole | {"ca.key": encode_bundle(other)["ca.key"]},
        "was signed by nobody": encode_bundle(
            replace(bundle, authorities=other.authorities, authority_key=other.authority_key)
        ),
        "PEM": whole | {"tls.crt": b"nonsense"},
    }
    for message, data in cases.items():
        with pytest.raises(ValueError, match=message):
            decode_bundle(data)
