"""ModelMonitors as the API server stores them."""

from typing import Any


def monitor_body(
    name: str = "flight-delay",
    *,
    namespace: str = "models",
    target: str = "flight-delay",
    kind: str = "Deployment",
    created: str = "2026-01-31T12:00:00Z",
    version: str = "7",
    spec: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a monitor of one port and one metric."""
    return {
        "apiVersion": "modelmonitor.dev/v1alpha1",
        "kind": "ModelMonitor",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-of-{name}",
            "generation": 1,
            "creationTimestamp": created,
            "resourceVersion": version,
        },
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": kind, "name": target},
            "collection": {"ports": [{"name": "http"}]},
            "metrics": [
                {
                    "name": "traffic",
                    "type": "RequestRate",
                    "threshold": {"operator": "LessThan", "critical": "1"},
                }
            ],
        }
        | (spec or {}),
        "status": status or {"observedGeneration": -1},
    }


def with_breaker(state: str, since: str = "2026-01-31T13:00:00Z", **more: str) -> dict[str, Any]:
    """Return a status whose circuit breaker is in this state."""
    return {
        "observedGeneration": 1,
        "injection": {
            "breaker": state,
            "reason": "ImageUnavailable",
            "message": "the collector's image could not be pulled",
            "since": since,
            "image": "example.org/collector:1",
            "generation": 1,
            **more,
        },
    }
