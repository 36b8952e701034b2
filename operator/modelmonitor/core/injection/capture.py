"""Whether traffic of a pod can be captured, and if not, why, with the one-line fix.

The injector asks before it changes a pod; the controller asks the same of the pod template and of
pods without a collector, so that the monitor's status says what the injector saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import Collection, Source, TakeoverType
from modelmonitor.api.v1alpha1.conditions import Documented
from modelmonitor.core.injection.takeover import (
    KNATIVE_QUEUE_PROXY,
    Edit,
    Knob,
    TakeoverImpossibleError,
    knob_edits,
    queue_proxy_edits,
)
from modelmonitor.core.wire.configuration import (
    CAPTURED_PORT_BASE,
    CONTAINER_NAME,
    EVENTS_PORT,
    PANE_PORT,
)

PANE_PORT_NAME: Final = "mm-panes"
MOVED_PORT_BASE: Final = 24280
"""Takeover by swap: the model of captured port i is told to listen on this + i."""
LOWEST_FREE_PORT: Final = 1024
"""Below it only privileged containers may listen, unless the pod says otherwise."""
UNPRIVILEGED_PORTS: Final = "net.ipv4.ip_unprivileged_port_start"

KSERVE_AGENT: Final = "agent"
KSERVE_LABEL: Final = "serving.kserve.io/inferenceservice"
KSERVE_AGENT_ANNOTATIONS: Final = (
    "internal.serving.kserve.io/agent",
    "internal.serving.kserve.io/batcher",
    "internal.serving.kserve.io/logger",
)
"""KServe's webhook may run after ours; these announce the agent that it will add."""
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
    NO_QUEUE_PROXY = "NoQueueProxy", "The pod has no queue-proxy that could be pointed elsewhere."
    SWAP_IMPOSSIBLE = "SwapImpossible", "The model server cannot safely be told another port."
    PRIVILEGED_PORT = "PrivilegedPort", "The collector may not listen on a port this low."
    NETWORK_POLICY = "NetworkPolicy", "A NetworkPolicy allows the model's port by its number only."


@dataclass(frozen=True, slots=True)
class CaptureObstacle:
    """Why traffic cannot be captured: a word of the API and a sentence with the fix."""

    reason: Obstacle
    message: str


@dataclass(frozen=True, slots=True)
class WantedPort:
    """A port that a monitor wants observed, and how its traffic is to come to the collector."""

    name: str
    takeover: TakeoverType = TakeoverType.RENUMBER
    knob: Knob | None = None
    """How the model is told another port; takeover by swap only."""


@dataclass(frozen=True, slots=True)
class Capture:
    """What a monitor wants observed."""

    ports: tuple[WantedPort, ...]
    source: Source = Source.TRAFFIC

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the ports, in their order."""
        return tuple(port.name for port in self.ports)


def capture_of(collection: Collection) -> Capture:
    """Return what the `spec.collection` of a monitor wants observed."""
    ports = []
    for port in collection.ports:
        swap = port.takeover.swap
        knob = None if swap is None else Knob(swap.variable or "", swap.argument or "")
        ports.append(WantedPort(port.name, port.takeover.type, knob))
    return Capture(tuple(ports), collection.source)


@dataclass(frozen=True, slots=True)
class PortLocation:
    """Where a captured port stands in the pod: positions in `spec.containers` and in `ports`."""

    name: str
    container: int
    port: int
    number: int
    """Its number in the pod template."""
    captured: int
    """Where the collector will listen."""
    takeover: TakeoverType = TakeoverType.RENUMBER
    moved: int = 0
    """Where the model is told to listen instead of `number`; 0: it stays."""
    knob: Knob | None = None
    """How the model is told to listen elsewhere."""

    @property
    def model(self) -> int:
        """Where the model listens once the pod is injected."""
        return self.moved or self.number


def locate_ports(spec: Mapping[str, Any], capture: Capture) -> tuple[PortLocation, ...]:
    """Return the captured ports in the order of their names; missing ones are left out.

    The first container that has the name counts, as it does for Services. Where the collector is
    sent events, it captures none.
    """
    if capture.source is Source.CLOUD_EVENTS:
        return ()
    found = (_locate(spec, wanted, position) for position, wanted in enumerate(capture.ports))
    return tuple(location for location in found if location is not None)


def has_collector(spec: Mapping[str, Any]) -> bool:
    """Return whether the pod already carries a collector."""
    return any(one.get("name") == CONTAINER_NAME for one in spec.get("initContainers") or [])


def capture_obstacle(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], capture: Capture
) -> CaptureObstacle | None:
    """Return why what a monitor wants cannot be observed in a pod; None if it can.

    Parameters
    ----------
    metadata, spec
        Of a pod, or of a pod template, as JSON.
    capture
        What the monitor wants, `capture_of` its spec.
    """
    if has_collector(spec):
        return None
    if capture.source is Source.CLOUD_EVENTS:
        return _platform(spec) or _taken_port(spec, {PANE_PORT, EVENTS_PORT})
    found = locate_ports(spec, capture)
    return (
        _platform(spec)
        or _other_proxy(metadata, spec, capture)
        or _missing_port(spec, capture.names, found)
        or _taken_port(spec, {PANE_PORT, *_new_ports(found)})
        or _shared_number(found)
        or _takeover(spec, found)
        or _mesh(metadata, found)
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


def _other_proxy(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], capture: Capture
) -> CaptureObstacle | None:
    names = {container.get("name") for _, container in _containers(spec)}
    served_by_kserve = KSERVE_LABEL in (metadata.get("labels") or {})
    announced = set(KSERVE_AGENT_ANNOTATIONS) & set(metadata.get("annotations") or {})
    if served_by_kserve and (KSERVE_AGENT in names or announced):
        return CaptureObstacle(
            Obstacle.KSERVE_AGENT,
            "KServe's agent already stands in the path: set spec.collection.source to CloudEvents "
            f"and the InferenceService's logger.url to http://localhost:{EVENTS_PORT}, or remove "
            "logger and batcher from the InferenceService",
        )
    for wanted in capture.ports:
        by_user_port = wanted.takeover is TakeoverType.USER_PORT
        if by_user_port and KNATIVE_QUEUE_PROXY not in names:
            return CaptureObstacle(
                Obstacle.NO_QUEUE_PROXY,
                f"takeover UserPort of port {wanted.name} needs Knative's queue-proxy, and there "
                "is none: take Renumber where the Service's targetPort is the port's name, Swap "
                "where it is a number",
            )
        if KNATIVE_QUEUE_PROXY in names and not by_user_port:
            return CaptureObstacle(
                Obstacle.QUEUE_PROXY,
                "Knative's queue-proxy reaches the model past its named port: set "
                f"takeover.type of port {wanted.name} to UserPort",
            )
    return None


def _missing_port(
    spec: Mapping[str, Any], names: Sequence[str], found: Sequence[PortLocation]
) -> CaptureObstacle | None:
    present = {location.name for location in found}
    missing = next((name for name in names if name not in present), None)
    if missing is None:
        return None
    there = ", ".join(_describe(port) for port in _ports(spec.get("containers"))) or "none"
    return CaptureObstacle(
        Obstacle.PORT_NOT_FOUND,
        f"no container has a TCP port named {missing} (there are: {there}): name the serving port "
        f"{missing} in the pod template, and let the Service's targetPort be {missing}",
    )


def _new_ports(found: Sequence[PortLocation]) -> Iterator[int]:
    """Yield the numbers that nobody in the pod may use already."""
    for location in found:
        yield location.moved or location.captured


def _taken_port(spec: Mapping[str, Any], ours: set[int]) -> CaptureObstacle | None:
    for path, container in _containers(spec):
        for port in container.get("ports") or []:
            if port.get("containerPort") in ours:
                return CaptureObstacle(
                    Obstacle.PORT_CONFLICT,
                    f"{path} {container.get('name')} uses port {port['containerPort']}, which the "
                    "collector needs: let it use another one than "
                    f"{', '.join(str(number) for number in sorted(ours))}",
                )
    return None


def _shared_number(found: Sequence[PortLocation]) -> CaptureObstacle | None:
    """Refuse a swap of a number that another captured port has too: one would hide the other."""
    for location in found:
        twins = [other.name for other in found if other.number == location.number]
        if location.takeover is TakeoverType.SWAP and len(twins) > 1:
            return CaptureObstacle(
                Obstacle.SWAP_IMPOSSIBLE,
                f"the ports {' and '.join(twins)} are both {location.number}, which takeover Swap "
                "gives to the collector as a whole: let the monitor name one of them",
            )
    return None


def _takeover(spec: Mapping[str, Any], found: Sequence[PortLocation]) -> CaptureObstacle | None:
    for location in found:
        if location.takeover is TakeoverType.SWAP and location.number < _lowest_port(spec):
            return CaptureObstacle(
                Obstacle.PRIVILEGED_PORT,
                f"port {location.number} of {location.name} is too low for the collector, which "
                f"has no privileges: serve on a port from {LOWEST_FREE_PORT} on, set the sysctl "
                f"{UNPRIVILEGED_PORTS} to 0 in the pod's securityContext, or take takeover "
                "Renumber",
            )
        try:
            takeover_edits(spec, location)
        except TakeoverImpossibleError as error:
            by_swap = location.takeover is TakeoverType.SWAP
            reason = Obstacle.SWAP_IMPOSSIBLE if by_swap else Obstacle.QUEUE_PROXY
            return CaptureObstacle(reason, str(error))
    return None


def takeover_edits(spec: Mapping[str, Any], location: PortLocation) -> tuple[int, tuple[Edit, ...]]:
    """Return the container that must be told of the takeover, by position, and what it is told.

    Raises
    ------
    TakeoverImpossibleError
        If it cannot be told safely.
    """
    containers: Sequence[Mapping[str, Any]] = spec["containers"]
    match location.takeover:
        case TakeoverType.RENUMBER:
            return location.container, ()
        case TakeoverType.SWAP:
            model = containers[location.container]
            edits = knob_edits(model, location.knob, location.number, location.model)
            return location.container, edits
        case TakeoverType.USER_PORT:
            proxy = _position(containers, KNATIVE_QUEUE_PROXY)
            edits = queue_proxy_edits(containers[proxy], location.number, location.captured)
            return proxy, edits


def _position(containers: Sequence[Mapping[str, Any]], name: str) -> int:
    for position, container in enumerate(containers):
        if container.get("name") == name:
            return position
    raise TakeoverImpossibleError(
        f"{name} is no regular container of the pod: serve in KServe's Standard mode"
    )


def _lowest_port(spec: Mapping[str, Any]) -> int:
    for sysctl in (spec.get("securityContext") or {}).get("sysctls") or []:
        if sysctl.get("name") == UNPRIVILEGED_PORTS and str(sysctl.get("value")).isdecimal():
            return int(sysctl["value"])
    return LOWEST_FREE_PORT


def _mesh(metadata: Mapping[str, Any], found: Sequence[PortLocation]) -> CaptureObstacle | None:
    """Refuse where Istio would skip our port: its clients would send TLS that nobody ends."""
    listed = (metadata.get("annotations") or {}).get(ISTIO_INCLUDE_PORTS, "*")
    included = {entry.strip() for entry in listed.split(",")}
    if "*" in included or not any(included):
        return None
    # Behind queue-proxy the collector is reached on loopback, where nothing is intercepted.
    called = (one for one in found if one.takeover is not TakeoverType.USER_PORT)
    needed = [str(location.captured) for location in called]
    missing = [number for number in needed if number not in included]
    if not missing:
        return None
    return CaptureObstacle(
        Obstacle.MESH_PORTS,
        f"the annotation {ISTIO_INCLUDE_PORTS} lists the ports that Istio intercepts: add "
        f"{','.join(missing)} to it in the pod template",
    )


def _locate(spec: Mapping[str, Any], wanted: WantedPort, position: int) -> PortLocation | None:
    for at, container in enumerate(spec.get("containers") or []):
        for entry, port in enumerate(container.get("ports") or []):
            if port.get("name") == wanted.name and port.get("protocol", "TCP") == "TCP":
                number = port["containerPort"]
                swapped = wanted.takeover is TakeoverType.SWAP
                return PortLocation(
                    wanted.name,
                    at,
                    entry,
                    number,
                    captured=number if swapped else CAPTURED_PORT_BASE + position,
                    takeover=wanted.takeover,
                    moved=MOVED_PORT_BASE + position if swapped else 0,
                    knob=wanted.knob,
                )
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
