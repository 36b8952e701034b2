"""The container that is put into pods, and the volumes that it needs, as Kubernetes JSON.

The container must be admitted wherever the pod is: it fits the restricted Pod Security level, needs
no object of the user's namespace, and keeps the pod's quality-of-service class.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import Source
from modelmonitor.core.injection.capture import PANE_PORT_NAME, PortLocation
from modelmonitor.core.injection.resources import collector_resources
from modelmonitor.core.injection.workloads import TEMPLATE_HASH_LABEL
from modelmonitor.core.wire.configuration import (
    CONTAINER_NAME,
    ENV_EVENTS,
    ENV_MONITOR,
    ENV_MONITOR_UID,
    ENV_POD_NAME,
    ENV_POD_UID,
    ENV_PORTS,
    ENV_REVISION,
    ENV_ROOT_KEYS,
    EVENTS_PORT,
    PANE_PORT,
    STATE_DIRECTORY,
)
from modelmonitor.injector.plan import InjectionPlan

Json = dict[str, Any]

STATE_VOLUME: Final = "mm-state"
STATE_SIZE_LIMIT: Final = "128Mi"
"""A pod that passes it is evicted, so it lies far above what the collector keeps (8 MiB of panes
and its configuration)."""
NO_TOKEN_VOLUME: Final = "mm-no-token"
TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
START_ATTEMPTS: Final = 120
"""Seconds for the collector to listen; the circuit breaker acts before."""
NOBODY: Final = 65532
"""User and group where the pod itself runs as root; else the image's own user holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorImage:
    """What the administrator chose for all collectors."""

    image: str
    pull_policy: str
    root_keys: str
    """Value of `MM_ROOT_KEYS`."""
    version: str

    @property
    def stamp(self) -> str:
        """The value of the annotation `modelmonitor.dev/injected`."""
        return f"{self.version} {self.image}"


def container(
    plan: InjectionPlan,
    collector: CollectorImage,
    ports: Sequence[PortLocation],
    spec: Mapping[str, Any],
) -> Json:
    """Return the native sidecar for a pod with this spec.

    Raises
    ------
    ValueError
        If the plan's resources are not quantities.
    """
    revision = TEMPLATE_HASH_LABEL if plan.workload is None else plan.workload.revision_label
    return {
        "name": CONTAINER_NAME,
        "image": collector.image,
        "imagePullPolicy": collector.pull_policy,
        "args": ["collector"],
        "restartPolicy": "Always",
        "env": [
            {"name": ENV_MONITOR, "value": f"{plan.namespace}/{plan.monitor}"},
            {"name": ENV_MONITOR_UID, "value": plan.monitor_uid},
            *_source(plan, ports),
            {"name": ENV_ROOT_KEYS, "value": collector.root_keys},
            _from_pod(ENV_POD_NAME, "metadata.name"),
            _from_pod(ENV_POD_UID, "metadata.uid"),
            _from_pod(ENV_REVISION, f"metadata.labels['{revision}']"),
        ],
        "ports": [
            {"name": PANE_PORT_NAME, "containerPort": PANE_PORT, "protocol": "TCP"},
            # By swap the collector has the number; the name stays with the model's container,
            # since Services find names of native sidecars only from Kubernetes 1.33 on.
            *({"containerPort": one.captured, "protocol": "TCP"} for one in ports if one.moved),
        ],
        "startupProbe": {
            "tcpSocket": {"port": ports[0].captured if ports else PANE_PORT},
            "periodSeconds": 1,
            "timeoutSeconds": 1,
            "failureThreshold": START_ATTEMPTS,
        },
        "resources": collector_resources(plan.requests, plan.limits, spec),
        "securityContext": _security(spec),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": STATE_VOLUME, "mountPath": STATE_DIRECTORY},
            *(
                [{"name": NO_TOKEN_VOLUME, "mountPath": TOKEN_PATH, "readOnly": True}]
                if mounts_token(spec)
                else []
            ),
        ],
    }


def volumes(spec: Mapping[str, Any]) -> list[Json]:
    """Return the volumes of the container in a pod with this spec."""
    state = {"name": STATE_VOLUME, "emptyDir": {"sizeLimit": STATE_SIZE_LIMIT}}
    # The API server mounts the pod's token into every container that has nothing at its path.
    no_token = {"name": NO_TOKEN_VOLUME, "emptyDir": {"sizeLimit": "1Mi"}}
    return [state, no_token] if mounts_token(spec) else [state]


def mounts_token(spec: Mapping[str, Any]) -> bool:
    """Return whether the API server may mount the service account's token into the pod."""
    return spec.get("automountServiceAccountToken") is not False


def _security(spec: Mapping[str, Any]) -> Json:
    context: Json = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    pod = spec.get("securityContext") or {}
    if pod.get("runAsUser") == 0:
        context |= {"runAsUser": NOBODY, "runAsGroup": NOBODY}
    return context


def _source(plan: InjectionPlan, ports: Sequence[PortLocation]) -> list[Json]:
    if plan.capture.source is Source.CLOUD_EVENTS:
        # Nothing listens there; the names say which protocol of the configuration is meant.
        named = ",".join(f"{name}={EVENTS_PORT}:{EVENTS_PORT}" for name in plan.capture.names)
        return [{"name": ENV_PORTS, "value": named}, {"name": ENV_EVENTS, "value": "1"}]
    upstreams = ",".join(f"{port.name}={port.captured}:{port.model}" for port in ports)
    return [{"name": ENV_PORTS, "value": upstreams}]


def _from_pod(name: str, path: str) -> Json:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}


def taken_volume_names(spec: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the container's volumes that the pod uses for its own."""
    ours = {STATE_VOLUME, NO_TOKEN_VOLUME}
    yield from (one["name"] for one in spec.get("volumes") or [] if one.get("name") in ours)
