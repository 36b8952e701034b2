"""Keeps the webhook's certificate and the collectors' public keys up to date, pass by pass."""

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from modelmonitor.core.settings import PUBLIC_ROOT_KEYS, CertificatesMode, Settings
from modelmonitor.core.wire.tokens import parse_root_keys
from modelmonitor.injector.admission import Admission
from modelmonitor.injector.api_server import ApiServer, SecretData, TrustEntry
from modelmonitor.injector.certificates import (
    CERTIFICATE,
    KEY,
    Bundle,
    decode_bundle,
    dns_names,
    encode_bundle,
    next_bundle,
)
from modelmonitor.injector.metrics import InjectorMetrics
from modelmonitor.injector.tls import HotCertificate

logger = logging.getLogger(__name__)


class CertificateKeeper:
    """Loads what the Secret holds; without cert-manager also makes, renews and publishes it."""

    def __init__(
        self,
        api: ApiServer,
        settings: Settings,
        certificate: HotCertificate,
        metrics: InjectorMetrics,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._api = api
        self._settings = settings
        self._certificate = certificate
        self._metrics = metrics
        self._now = now
        self._names: Final = dns_names(settings.service_name, settings.namespace)

    async def keep(self) -> bool:
        """Do one pass; return whether all was in place already.

        Raises
        ------
        ApiServerError
            If the API server did not answer, or another replica was faster.
        """
        secret = await self._api.get_secret(self._settings.tls_secret)
        if self._settings.certificates_mode is CertificatesMode.CERT_MANAGER:
            return self._load_given(secret)
        bundle = _decode(secret)
        entries = await self._api.get_trust(self._settings.webhook_name)
        published = bundle is not None and _trusted_by(entries, bundle)
        new = next_bundle(bundle, self._names, self._now(), published=published)
        if new is not None:
            await self._write(new, secret)
        current = new or bundle
        if current is None:
            return False
        data = encode_bundle(current)
        self._load(data[CERTIFICATE], data[KEY])
        if _trusted_by(entries, current):
            return new is None
        await self._publish(entries, current)
        return False

    async def _write(self, bundle: Bundle, secret: SecretData | None) -> None:
        version = None if secret is None else secret.resource_version
        await self._api.put_secret(self._settings.tls_secret, encode_bundle(bundle), version)
        logger.info(
            "certificates were renewed",
            extra={"until": bundle.certificate.not_valid_after_utc.isoformat()},
        )

    async def _publish(self, entries: Sequence[TrustEntry] | None, bundle: Bundle) -> None:
        if entries is None:
            logger.warning(
                "there is no MutatingWebhookConfiguration %s: no pod is injected before the "
                "chart, or whatever installed this, creates it",
                self._settings.webhook_name,
            )
            return
        trust = [TrustEntry(entry.name, bundle.trust) for entry in entries]
        await self._api.put_trust(self._settings.webhook_name, trust)
        logger.info("the CA was written to the webhook configuration")

    def _load_given(self, secret: SecretData | None) -> bool:
        data = {} if secret is None else secret.data
        if CERTIFICATE not in data or KEY not in data:
            logger.warning("the Secret %s has no certificate yet", self._settings.tls_secret)
            return False
        self._load(data[CERTIFICATE], data[KEY])
        return True

    def _load(self, chain: bytes, key: bytes) -> None:
        try:
            expiry = self._certificate.load(chain, key)
        except ValueError as error:
            logger.warning("the Secret %s: %s", self._settings.tls_secret, error)
            return
        if expiry is not None:
            self._metrics.certificate_expiry.set(expiry)


class RootKeyKeeper:
    """Hands the public keys that the controller publishes to the admission."""

    def __init__(self, api: ApiServer, settings: Settings, admission: Admission) -> None:
        self._api = api
        self._settings = settings
        self._admission = admission

    async def keep(self) -> bool:
        """Do one pass; return whether there is a key.

        Raises
        ------
        ApiServerError
            If the API server did not answer.
        """
        name = self._settings.public_keys_config_map
        keys = (await self._api.get_config_map(name) or {}).get(PUBLIC_ROOT_KEYS, "").strip()
        if not keys:
            return False
        try:
            parse_root_keys(keys)
        except ValueError as error:
            # A collector that cannot read its keys does not start, and holds up its pod.
            logger.warning("the ConfigMap %s: %s", name, error)
            return False
        self._admission.root_keys = keys
        return True


def _decode(secret: SecretData | None) -> Bundle | None:
    if secret is None or not any(secret.data.values()):
        return None
    try:
        return decode_bundle(secret.data)
    except ValueError as error:
        logger.warning("certificates are made anew: %s", error)
        return None


def _trusted_by(entries: Sequence[TrustEntry] | None, bundle: Bundle) -> bool:
    return entries is not None and all(entry.ca_bundle == bundle.trust for entry in entries)
