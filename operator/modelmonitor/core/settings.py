"""The settings that the chart hands to the controller and the injector, as environment variables.

They say where the process runs and what the administrator chose; what is watched, and how, is in
the monitors only. The collector has settings of its own: `core.wire.configuration`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SERVING_PORT: Final = 8443
"""The injector's webhook, TLS."""
METRICS_PORT: Final = 8080
"""/metrics, /livez and /readyz of the controller and the injector, plain HTTP."""
CONTROLLER_LEASE: Final = "modelmonitor-controller"
PRIVATE_ROOT_KEY: Final = "root-private-key"
"""Key of the Secret `Settings.keys_secret`: the Ed25519 root, PKCS#8 PEM."""
PUBLIC_ROOT_KEYS: Final = "root-public-keys"
"""Key of the ConfigMap `Settings.public_keys_config_map`: the value of `MM_ROOT_KEYS`."""

_LOG_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR")


class CertificatesMode(StrEnum):
    """Who makes the webhook's certificates."""

    SELF = "self"
    """The injector makes CA and leaf and writes the `caBundle` of its own configuration."""
    CERT_MANAGER = "certManager"
    """cert-manager fills the Secret and injects the `caBundle`."""


class InvalidSettingError(ValueError):
    """An environment variable that is missing or wrong; the message names it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where a process of the operator runs and what the administrator chose."""

    namespace: str
    """MM_NAMESPACE: the operator's own namespace; required."""
    pod_name: str
    """MM_POD_NAME: the identity in leases; required."""
    collector_image: str
    """MM_COLLECTOR_IMAGE: image that is injected, by tag or digest; required."""
    collector_pull_policy: str = "IfNotPresent"
    """MM_COLLECTOR_PULL_POLICY: imagePullPolicy of the injected container."""
    store_url: str = "file:///var/lib/modelmonitor"
    """MM_STORE_URL: where panes and checkpoints are kept."""
    namespaces: tuple[str, ...] = ()
    """MM_NAMESPACES, separated by commas: the only namespaces looked at; empty: all of them."""
    service_name: str = "modelmonitor-injector"
    """MM_SERVICE_NAME: the webhook's Service; the certificate is made for it."""
    webhook_name: str = "modelmonitor"
    """MM_WEBHOOK_NAME: the MutatingWebhookConfiguration whose `caBundle` the injector writes."""
    certificates_mode: CertificatesMode = CertificatesMode.SELF
    """MM_CERTIFICATES_MODE: self or certManager."""
    tls_secret: str = "modelmonitor-injector-tls"
    """MM_TLS_SECRET: Secret with `tls.crt`, `tls.key` and `ca.crt`, in the own namespace."""
    keys_secret: str = "modelmonitor-keys"
    """MM_KEYS_SECRET: Secret with the Ed25519 root that signs collectors' tokens."""
    public_keys_config_map: str = "modelmonitor-public-keys"
    """MM_PUBLIC_KEYS_CONFIG_MAP: ConfigMap with the public roots, for the injector."""
    log_level: str = "INFO"
    """MM_LOG_LEVEL: DEBUG, INFO, WARNING or ERROR."""

    def looks_at(self, namespace: str) -> bool:
        """Return whether monitors of this namespace are the operator's business."""
        if namespace == self.namespace:
            return False
        return not self.namespaces or namespace in self.namespaces

    @property
    def logging_level(self) -> int:
        """The level as the logging module counts."""
        return logging.getLevelNamesMapping()[self.log_level]


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Return the settings that the environment variables `MM_*` say.

    Raises
    ------
    InvalidSettingError
        If a required variable is missing or a value is not allowed.
    """
    given = {name: value.strip() for name, value in environment.items() if value.strip()}
    defaults = {
        "collector_pull_policy": "MM_COLLECTOR_PULL_POLICY",
        "store_url": "MM_STORE_URL",
        "service_name": "MM_SERVICE_NAME",
        "webhook_name": "MM_WEBHOOK_NAME",
        "tls_secret": "MM_TLS_SECRET",
        "keys_secret": "MM_KEYS_SECRET",
        "public_keys_config_map": "MM_PUBLIC_KEYS_CONFIG_MAP",
    }
    return Settings(
        namespace=_required(given, "MM_NAMESPACE"),
        pod_name=_required(given, "MM_POD_NAME"),
        collector_image=_required(given, "MM_COLLECTOR_IMAGE"),
        namespaces=_names(given.get("MM_NAMESPACES", "")),
        certificates_mode=CertificatesMode(
            _one_of(given, "MM_CERTIFICATES_MODE", tuple(CertificatesMode), "self")
        ),
        log_level=_one_of(given, "MM_LOG_LEVEL", _LOG_LEVELS, "INFO"),
        **{field: given[name] for field, name in defaults.items() if name in given},
    )


def _required(given: Mapping[str, str], name: str) -> str:
    if name not in given:
        raise InvalidSettingError(f"{name} is not set: the Helm chart sets it, see docs/install.md")
    return given[name]


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in text.split(",") if name.strip()}))


def _one_of(given: Mapping[str, str], name: str, allowed: tuple[str, ...], default: str) -> str:
    value = given.get(name, default)
    if value not in allowed:
        raise InvalidSettingError(f"{name} is {value!r}: write one of {', '.join(allowed)}")
    return value
