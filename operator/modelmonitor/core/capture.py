"""Whether traffic of a pod can be captured, and if not, why, with the one-line fix.

The injector asks before it changes a pod; the controller asks the same of the pod template and of
pods without a collector, so that the monitor's status says what the injector saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.conditions import Documented
from modelmonitor.core.wire.configuration import CAPTURED_PORT_BASE, CONTAINER_NAME, PANE_PORT

KSERVE_AGENT: Final = "agent"
KSERVE_LABEL: Final = "serving.kserve.io/inferenceservice"
KSERVE_AGENT_ANNOTATIONS: Final = (
    "internal.serving.kserve.io/agent",
    "internal.serving.kserve.io/batcher",
    "internal.serving.kserve.io/logger",
)
"""KServe's webhook may run after ours; these announce the agent that it will add."""
KNATIVE_QUEUE_PROXY: Final = "queue-proxy"
ISTIO_INCLUDE_PORTS: Final = "traffic.sidecar.istio.io/includeInboundPorts"


class Obstacle(Documented):
    """Why a pod is left as it is."""

    PORT_NOT_FOUND = "PortNotFound", "No container has a TCP port of the monitor's name."
    HOST_NETWORK = "HostNetwork", "On the host's network a port cannot be renumbered."
    KSERVE_AGENT = "KServeAgent", "KServe's agent already stands in the path of the traffic."
    QUEUE_PROXY = "QueueProxy", "Knative's queue-proxy reaches the model past its named port."
    PORT_CONFLICT = "PortConflict", "A container of the pod uses a port of the collector."
    WINDOWS = "Windows", "The collector is a Linux container."
    POD_LEVEL_RESOURCES = "PodLevelResources", "The pod's own budget may not hold the collector."
    MESH_PORTS = "MeshPorts", "The mesh intercepts listed ports only, and ours is not listed."
    NETWORK_POLICY = "NetworkPolicy", "A NetworkPolicy allows the model's port by its number only."


@dataclass(frozen=True, slots=True)
class CaptureObstacle:
    """Why traffic cannot be captured: a word of the API and a sentence with the fix."""

    reason: Obstacle
    message: str


@dataclass(frozen=True, slots=True)
class PortLocation:
    """Where a captured port stands in the pod: positions in `spec.containers` and in `ports`."""

    name: str
    container: int
    port: int
    number: int
    """Where the model listens."""
    captured: int
    """Where the collector will listen in its stead."""


def locate_ports(spec: Mapping[str, Any], names: Sequence[str]) -> tuple[PortLocation, ...]:
    """Return the ports of these names, in the order of the names; missing ones are left out.

    The first container that has the name counts, as it does for Services.
    """
    found = (
        _locate(spec, name, CAPTURED_PORT_BASE + position) for position, name in enumerate(names)
    )
    return tuple(location for location in found if location is not None)


def has_collector(spec: Mapping[str, Any]) -> bool:
    """Return whether the pod already carries a collector."""
    return any(one.get("name") == CONTAINER_NAME for one in spec.get("initContainers") or [])


def capture_obstacle(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], names: Sequence[str]
) -> CaptureObstacle | None:
    """Return why traffic on these named ports cannot be captured; None if it can.

    Parameters
    ----------
    metadata, spec
        Of a pod, or of a pod template, as JSON.
    names
        Names of the container ports, `spec.collection.ports` of the monitor.
    """
    if has_collector(spec):
        return None
    return (
        _platform(spec)
        or _other_proxy(metadata, spec)
        or _missing_port(spec, names)
        or _taken_port(spec, names)
        or _mesh(metadata, spec, names)
    )


def _platform(spec: Mapping[str, Any]) -> CaptureObstacle | None:
    system = (spec.get("os") or {}).get("name") or (spec.get("nodeSelector") or {}).get(
        "kubernetes.io/os"
    )
    if system == "windows":
        return CaptureObstacle(
            Obstacle.WINDOWS, "the pod runs on Windows: serve the model on Linux nodes"
        )
    if spec.get("hostNetwork"):
        return CaptureObstacle(
            Obstacle.HOST_NETWORK,
            "the pod uses the host's network: remove hostNetwork from the pod template",
        )
    if spec.get("resources"):
        return CaptureObstacle(
            Obstacle.POD_LEVEL_RESOURCES,
            "the pod has resources as a whole: set resources per container instead of "
            "spec.resources in the pod template",
        )
    return None


def _other_proxy(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> CaptureObstacle | None:
    names = {container.get("name") for _, container in _containers(spec)}
    served_by_kserve = KSERVE_LABEL in (metadata.get("labels") or {})
    announced = set(KSERVE_AGENT_ANNOTATIONS) & set(metadata.get("annotations") or {})
    if served_by_kserve and (KSERVE_AGENT in names or announced):
        return CaptureObstacle(
            Obstacle.KSERVE_AGENT,
            "KServe's agent already stands in the path: remove logger and batcher from the "
            "InferenceService",
        )
    if KNATIVE_QUEUE_PROXY in names:
        return CaptureObstacle(
            Obstacle.QUEUE_PROXY,
            "Knative's queue-proxy reaches the model past its named port: serve in KServe's "
            "Standard mode (RawDeployment), or as a Deployment",
        )
    return None


def _missing_port(spec: Mapping[str, Any], names: Sequence[str]) -> CaptureObstacle | None:
    found = {location.name for location in locate_ports(spec, names)}
    missing = next((name for name in names if name not in found), None)
    if missing is None:
        return None
    there = ", ".join(_describe(port) for port in _ports(spec.get("containers"))) or "none"
    return CaptureObstacle(
        Obstacle.PORT_NOT_FOUND,
        f"no container has a TCP port named {missing} (there are: {there}): name the serving port "
        f"{missing} in the pod template, and let the Service's targetPort be {missing}",
    )


def _taken_port(spec: Mapping[str, Any], names: Sequence[str]) -> CaptureObstacle | None:
    ours = {PANE_PORT, *range(CAPTURED_PORT_BASE, CAPTURED_PORT_BASE + len(names))}
    for path, container in _containers(spec):
        for port in container.get("ports") or []:
            if port.get("containerPort") in ours:
                return CaptureObstacle(
                    Obstacle.PORT_CONFLICT,
                    f"{path} {container.get('name')} uses port {port['containerPort']}, which the "
                    f"collector needs: let it use another one than {CAPTURED_PORT_BASE}-"
                    f"{CAPTURED_PORT_BASE + len(names) - 1} and {PANE_PORT}",
                )
    return None


def _mesh(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], names: Sequence[str]
) -> CaptureObstacle | None:
    """Refuse where Istio would skip our port: its clients would send TLS that nobody ends."""
    listed = (metadata.get("annotations") or {}).get(ISTIO_INCLUDE_PORTS, "*")
    included = {entry.strip() for entry in listed.split(",")}
    if "*" in included or not any(included):
        return None
    needed = [str(location.captured) for location in locate_ports(spec, names)]
    missing = [number for number in needed if number not in included]
    if not missing:
        return None
    return CaptureObstacle(
        Obstacle.MESH_PORTS,
        f"the annotation {ISTIO_INCLUDE_PORTS} lists the ports that Istio intercepts: add "
        f"{','.join(missing)} to it in the pod template",
    )


def _locate(spec: Mapping[str, Any], name: str, captured: int) -> PortLocation | None:
    for container, one in enumerate(spec.get("containers") or []):
        for position, port in enumerate(one.get("ports") or []):
            if port.get("name") == name and port.get("protocol", "TCP") == "TCP":
                return PortLocation(name, container, position, port["containerPort"], captured)
    return None


def _containers(spec: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, kind in (("containers", "container"), ("initContainers", "init container")):
        for container in spec.get(path) or []:
            yield kind, container


def _ports(containers: Sequence[Mapping[str, Any]] | None) -> Iterator[Mapping[str, Any]]:
    for container in containers or []:
        yield from container.get("ports") or []


def _describe(port: Mapping[str, Any]) -> str:
    return f"{port.get('containerPort')} {port.get('name') or 'without a name'}"
