"""Replicas agree on one certificate, publish it, and follow its renewal."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from prometheus_client import CollectorRegistry

from modelmonitor.core.settings import CertificatesMode, Settings
from modelmonitor.injector.admission import Admission
from modelmonitor.injector.api_server import ConflictError, SecretData, TrustEntry
from modelmonitor.injector.certificates import (
    CA_LIFE,
    CERTIFICATE_LIFE,
    dns_names,
    encode_bundle,
    next_bundle,
)
from modelmonitor.injector.keeper import CertificateKeeper, RootKeyKeeper
from modelmonitor.injector.metrics import InjectorMetrics
from modelmonitor.injector.plan import PlanBook
from modelmonitor.injector.tls import HotCertificate
from tests.injector.memory import ROOT_KEY, MemoryApiServer

SECRET = "modelmonitor-injector-tls"
WEBHOOK = "modelmonitor"


def settings(mode: CertificatesMode = CertificatesMode.SELF) -> Settings:
    return Settings(namespace="system", pod_name="i", collector_image="c:1", certificates_mode=mode)


class Replica:
    """One injector's keeper."""

    def __init__(
        self, api: MemoryApiServer, mode: CertificatesMode = CertificatesMode.SELF
    ) -> None:
        self.now = datetime(2026, 1, 31, tzinfo=UTC)
        self.registry = CollectorRegistry()
        self.certificate = HotCertificate()
        self.keeper = CertificateKeeper(
            api, settings(mode), self.certificate, InjectorMetrics(self.registry), lambda: self.now
        )

    def expiry(self) -> float | None:
        return self.registry.get_sample_value(
            "modelmonitor_injector_certificate_expiry_timestamp_seconds"
        )


@pytest.fixture
def api() -> MemoryApiServer:
    api = MemoryApiServer()
    api.trust[WEBHOOK] = [TrustEntry("pods.modelmonitor.dev", b"")]
    return api


async def settle(replica: Replica) -> int:
    passes = 1
    while not await replica.keeper.keep():
        passes += 1
        assert passes < 10, "the keeper never settles"
    return passes


async def test_the_first_replica_makes_and_publishes_and_the_second_takes_over(
    api: MemoryApiServer,
) -> None:
    one, two = Replica(api), Replica(api)
    assert await settle(one) == 2
    made = api.secrets[SECRET]
    assert await settle(two) == 1
    assert api.secrets[SECRET] == made
    assert one.certificate.loaded
    assert two.certificate.loaded
    assert api.trust[WEBHOOK][0].ca_bundle == made.data["ca.crt"]
    expected = (one.now + CERTIFICATE_LIFE).timestamp()
    assert (one.expiry(), two.expiry()) == (expected, expected)


async def test_of_two_replicas_at_once_one_wins_and_the_other_follows(
    api: MemoryApiServer,
) -> None:
    slow, fast = Replica(api), Replica(api)
    original = api.get_trust

    async def overtaken(configuration: str) -> object:
        api.get_trust = original  # type: ignore[method-assign]
        await settle(fast)
        return await original(configuration)

    api.get_trust = overtaken  # type: ignore[method-assign,assignment]
    with pytest.raises(ConflictError):
        await slow.keeper.keep()
    assert not slow.certificate.loaded
    await settle(slow)
    assert slow.expiry() == fast.expiry()


async def test_a_renewed_certificate_is_taken_by_all(api: MemoryApiServer) -> None:
    one, two = Replica(api), Replica(api)
    await settle(one)
    await settle(two)
    for replica in (one, two):
        replica.now += CERTIFICATE_LIFE * 0.7
    await settle(one)
    await settle(two)
    assert one.expiry() == two.expiry() == (one.now + CERTIFICATE_LIFE).timestamp()


async def test_through_a_change_of_ca_the_served_certificate_is_always_trusted(
    api: MemoryApiServer,
) -> None:
    replica = Replica(api)
    await settle(replica)
    replica.now += CA_LIFE * 0.7
    seen = set()
    for _ in range(6):
        await replica.keeper.keep()
        secret, trust = api.secrets[SECRET].data, api.trust[WEBHOOK][0].ca_bundle
        seen.add(trust.count(b"BEGIN"))
        signer = secret["tls.crt"]
        assert _verifies(signer, trust)
    assert seen == {2}
    replica.now += CERTIFICATE_LIFE / 2
    await settle(replica)
    assert api.trust[WEBHOOK][0].ca_bundle.count(b"BEGIN") == 1


def _verifies(certificate: bytes, trust: bytes) -> bool:
    leaf = x509.load_pem_x509_certificate(certificate)
    for authority in x509.load_pem_x509_certificates(trust):
        if leaf.issuer == authority.subject:
            leaf.verify_directly_issued_by(authority)
            return True
    return False


async def test_a_spoilt_secret_is_made_anew(api: MemoryApiServer) -> None:
    api.secrets[SECRET] = SecretData({"tls.crt": b"x", "tls.key": b"y"}, "5")
    replica = Replica(api)
    await settle(replica)
    assert replica.certificate.loaded


async def test_a_ca_bundle_that_somebody_removed_is_written_again(api: MemoryApiServer) -> None:
    replica = Replica(api)
    await settle(replica)
    api.trust[WEBHOOK] = [TrustEntry("pods.modelmonitor.dev", b"")]
    assert not await replica.keeper.keep()
    assert api.trust[WEBHOOK][0].ca_bundle == api.secrets[SECRET].data["ca.crt"]


async def test_without_a_webhook_configuration_there_is_still_a_certificate() -> None:
    api = MemoryApiServer()
    replica = Replica(api)
    assert not await replica.keeper.keep()
    assert not await replica.keeper.keep()
    assert replica.certificate.loaded


async def test_with_cert_manager_nothing_is_written(api: MemoryApiServer) -> None:
    replica = Replica(api, CertificatesMode.CERT_MANAGER)
    assert not await replica.keeper.keep()
    bundle = next_bundle(None, dns_names("i", "s"), replica.now, published=False)
    assert bundle is not None
    given = SecretData(encode_bundle(bundle), "3")
    api.secrets[SECRET] = given
    before = list(api.trust[WEBHOOK])
    assert await replica.keeper.keep()
    assert replica.certificate.loaded
    replica.now += timedelta(days=80)
    assert await replica.keeper.keep()
    assert api.secrets[SECRET] == given
    assert list(api.trust[WEBHOOK]) == before


async def test_keys_of_the_controller_reach_the_admission(api: MemoryApiServer) -> None:
    admission = Admission(settings(), PlanBook(), lambda: 0.0, "0.1.0")
    keeper = RootKeyKeeper(api, settings(), admission)
    assert not await keeper.keep()
    both = f"{ROOT_KEY},{ROOT_KEY}"
    api.config_maps["modelmonitor-public-keys"] = {"root-public-keys": f"{both}\n"}
    assert await keeper.keep()
    assert admission.root_keys == both
    api.config_maps["modelmonitor-public-keys"] = {"root-public-keys": "no key"}
    assert not await keeper.keep()
    assert admission.root_keys == both
    api.config_maps.clear()
    assert not await keeper.keep()
    assert admission.root_keys == both
