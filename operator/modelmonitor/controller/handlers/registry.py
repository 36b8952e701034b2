"""The Kopf handlers: each reduces an event to a key and hands it over; nothing else happens here.

Events are never retried by Kopf and may be missed in a gap of the watch, so that nothing depends on
one: the queue retries, the schedule looks again, the sweep finds what is gone.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import kopf

from modelmonitor.api.v1alpha1.monitor import GROUP, MONITOR_LABEL, PLURAL, VERSION
from modelmonitor.core.acting.retraining_job import RETRAINS_LABEL


class Wakeups(Protocol):
    """Who is told what has changed; called from Kopf's thread."""

    def monitor(self, namespace: str, name: str, fingerprint: tuple[str, ...]) -> None:
        """Tell that a monitor changed; equal fingerprints are echoes of our own writes."""
        ...

    def pod(self, namespace: str, monitor: str) -> None:
        """Tell that a pod with this monitor's collector changed."""
        ...

    def job(self, namespace: str, monitor: str) -> None:
        """Tell that a retraining Job of this monitor changed."""
        ...

    def workload(self, namespace: str, kind: str, name: str) -> None:
        """Tell that a Deployment or StatefulSet changed."""
        ...


def build_registry(wakeups: Wakeups) -> kopf.OperatorRegistry:
    """Return the handlers, as a registry of their own."""
    registry = kopf.OperatorRegistry()

    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    async def monitor(body: Mapping[str, Any], type: str | None, **_: Any) -> None:
        metadata = body["metadata"]
        wakeups.monitor(metadata["namespace"], metadata["name"], _fingerprint(metadata, type))

    async def pod(body: Mapping[str, Any], **_: Any) -> None:
        metadata = body["metadata"]
        wakeups.pod(metadata["namespace"], metadata.get("labels", {}).get(MONITOR_LABEL, ""))

    async def job(body: Mapping[str, Any], **_: Any) -> None:
        metadata = body["metadata"]
        wakeups.job(metadata["namespace"], metadata.get("labels", {}).get(RETRAINS_LABEL, ""))

    async def deployment(body: Mapping[str, Any], **_: Any) -> None:
        metadata = body["metadata"]
        wakeups.workload(metadata["namespace"], "Deployment", metadata["name"])

    async def stateful_set(body: Mapping[str, Any], **_: Any) -> None:
        metadata = body["metadata"]
        wakeups.workload(metadata["namespace"], "StatefulSet", metadata["name"])

    kopf.on.login(registry=registry)(login)
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(monitor)
    kopf.on.event("v1", "pods", registry=registry)(pod)
    kopf.on.event("batch", "v1", "jobs", registry=registry)(job)
    kopf.on.event("apps", "v1", "deployments", registry=registry)(deployment)
    kopf.on.event("apps", "v1", "statefulsets", registry=registry)(stateful_set)
    return registry


def _fingerprint(metadata: Mapping[str, Any], event: str | None) -> tuple[str, ...]:
    """Return what of a monitor people change; its status is not part of it."""
    annotations = metadata.get("annotations") or {}
    return (
        str(metadata.get("uid", "")),
        str(metadata.get("generation", "")),
        str(metadata.get("deletionTimestamp", "")),
        "deleted" if event == "DELETED" else "",
        *(f"{key}={annotations[key]}" for key in sorted(annotations)),
    )
