"""The API server as the injector uses it: monitors, one Secret, one ConfigMap, its own webhook.

`gateway` is the real implementation; the tests have one in memory.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Body = Mapping[str, Any]
"""A Kubernetes object as JSON."""


class ApiServerError(Exception):
    """A request that the API server did not fulfil; it may be tried again later."""


class ConflictError(ApiServerError):
    """Somebody else wrote first: read again, decide again."""


class ExpiredError(ApiServerError):
    """The resourceVersion is too old to watch from (410): list again."""


@dataclass(frozen=True, slots=True)
class MonitorList:
    """All monitors at one moment."""

    items: Sequence[Body]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change; of a BOOKMARK only the resourceVersion counts."""

    type: str
    object: Body


@dataclass(frozen=True, slots=True)
class SecretData:
    """The content of the Secret, with what a compare-and-swap needs."""

    data: Mapping[str, bytes]
    resource_version: str


@dataclass(frozen=True, slots=True)
class TrustEntry:
    """One webhook of a configuration and the CA certificates it trusts (PEM)."""

    name: str
    ca_bundle: bytes


class ApiServer(Protocol):
    """What the injector asks of the API server; every failure is an `ApiServerError`."""

    async def list_monitors(self, namespace: str | None) -> MonitorList:
        """Return the monitors of a namespace; None: of all."""
        ...

    def watch_monitors(
        self, namespace: str | None, resource_version: str
    ) -> AsyncIterator[WatchEvent]:
        """Yield what changes after a resourceVersion, until the API server ends the stream.

        Raises
        ------
        ExpiredError
            If the resourceVersion is too old.
        """
        ...

    async def get_secret(self, name: str) -> SecretData | None:
        """Return a Secret of the own namespace, None if there is none."""
        ...

    async def put_secret(
        self, name: str, data: Mapping[str, bytes], resource_version: str | None
    ) -> None:
        """Write a Secret of the own namespace: create it (None), or replace this version of it.

        Raises
        ------
        ConflictError
            If it exists already, or is no longer of this version.
        """
        ...

    async def get_config_map(self, name: str) -> Mapping[str, str] | None:
        """Return the data of a ConfigMap of the own namespace, None if there is none."""
        ...

    async def get_trust(self, configuration: str) -> Sequence[TrustEntry] | None:
        """Return what a MutatingWebhookConfiguration trusts, None if there is none."""
        ...

    async def put_trust(self, configuration: str, entries: Sequence[TrustEntry]) -> None:
        """Write the `caBundle` of every webhook of a MutatingWebhookConfiguration.

        Raises
        ------
        ConflictError
            If its webhooks are no longer these, in this order.
        """
        ...
