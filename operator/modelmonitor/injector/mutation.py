"""The mutation of a pod: a pure function from the pod's JSON to a JSON patch (RFC 6902).

The model container keeps the port's *name* and gets the collector's number under it; the model goes
on listening where it did. Services resolve names per pod, so that a half-injected workload serves
on. The pod is never written back as a whole: fields that this version does not know stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from modelmonitor.api.v1alpha1.monitor import INJECTED_ANNOTATION, MONITOR_LABEL
from modelmonitor.core.capture import (
    ISTIO_INCLUDE_PORTS,
    PortLocation,
    capture_obstacle,
    has_collector,
    locate_ports,
)
from modelmonitor.core.wire.configuration import ORIGINAL_PORT_PREFIX, PANE_PORT
from modelmonitor.injector import sidecar
from modelmonitor.injector.plan import InjectionPlan
from modelmonitor.injector.sidecar import CollectorImage

ISTIO_EXCLUDE_PORTS: Final = "traffic.sidecar.istio.io/excludeInboundPorts"
LINKERD_SKIP_PORTS: Final = "config.linkerd.io/skip-inbound-ports"
AUTOSCALER_LOCAL_VOLUMES: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
"""An emptyDir keeps the cluster autoscaler from removing a node, unless it is named here."""
_ISTIO_MARKS: Final = (
    "sidecar.istio.io/",
    "traffic.sidecar.istio.io/",
    "istio.io/rev",
    "security.istio.io/tlsMode",
)
_LINKERD_MARKS: Final = ("linkerd.io/", "config.linkerd.io/")
_MESH_OFF: Final = ("false", "disabled")
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_HOOKS: Final = ("postStart", "preStop")
_HANDLERS: Final = ("httpGet", "tcpSocket")


class Outcome(StrEnum):
    """What became of a pod."""

    INJECTED = "Injected"
    UNTOUCHED = "Untouched"


class Reason(StrEnum):
    """Why, where it is not an obstacle in the pod itself (`core.capture.Obstacle`)."""

    INJECTED = "Injected"
    ALREADY_INJECTED = "AlreadyInjected"
    INVALID_RESOURCES = "InvalidResources"
    VOLUME_CONFLICT = "VolumeConflict"


@dataclass(frozen=True, slots=True)
class PatchOperation:
    """One step of a JSON patch."""

    op: Literal["add", "replace"]
    path: str
    value: Any


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is to be done to a pod, and why."""

    outcome: Outcome
    reason: str
    message: str
    patch: tuple[PatchOperation, ...] = ()


def untouched(reason: str, message: str) -> Mutation:
    """Return the mutation that leaves the pod as it is."""
    return Mutation(Outcome.UNTOUCHED, reason, message)


def mutate(pod: Mapping[str, Any], plan: InjectionPlan, collector: CollectorImage) -> Mutation:
    """Return how a pod gets its collector; on any doubt it stays as it is.

    A pod that has a collector is left alone, so that being called twice for one pod does no harm.

    Parameters
    ----------
    pod
        The pod as the API server sent it.
    plan
        What its monitor asks for.
    collector
        What the administrator chose for all collectors.
    """
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    if has_collector(spec):
        return untouched(Reason.ALREADY_INJECTED, "the pod already carries a collector")
    obstacle = capture_obstacle(metadata, spec, plan.ports)
    if obstacle is not None:
        return untouched(obstacle.reason, obstacle.message)
    for name in sidecar.taken_volume_names(spec):
        return untouched(
            Reason.VOLUME_CONFLICT,
            f"the pod has a volume named {name}, which is the collector's: rename the volume",
        )
    ports = locate_ports(spec, plan.ports)
    try:
        container = sidecar.container(plan, collector, ports, spec)
    except ValueError as error:
        return untouched(Reason.INVALID_RESOURCES, f"spec.collection.resources: {error}")
    patch = (
        *_renumber(spec, ports),
        *_append("/spec/initContainers", spec.get("initContainers"), [container]),
        *_append("/spec/volumes", spec.get("volumes"), sidecar.volumes(spec)),
        *_merge("/metadata/labels", metadata.get("labels"), {MONITOR_LABEL: plan.monitor}),
        *_merge(
            "/metadata/annotations",
            metadata.get("annotations"),
            _annotations(metadata, spec, ports) | {INJECTED_ANNOTATION: collector.stamp},
        ),
    )
    taken = ", ".join(f"{port.name} {port.number}→{port.captured}" for port in ports)
    return Mutation(Outcome.INJECTED, Reason.INJECTED, f"captured: {taken}", patch)


def _renumber(spec: Mapping[str, Any], ports: Sequence[PortLocation]) -> Iterator[PatchOperation]:
    for position, port in enumerate(ports):
        container = spec["containers"][port.container]
        path = f"/spec/containers/{port.container}"
        yield PatchOperation("replace", f"{path}/ports/{port.port}/containerPort", port.captured)
        if not _declared_elsewhere(container, port):
            original = {
                "name": f"{ORIGINAL_PORT_PREFIX}{position}",
                "containerPort": port.number,
                "protocol": "TCP",
            }
            yield PatchOperation("add", f"{path}/ports/-", original)
        # Names in probes and hooks mean the ports of the same container.
        for handler_path, handler in _handlers(container):
            if handler.get("port") == port.name:
                yield PatchOperation("replace", f"{path}{handler_path}/port", port.number)


def _declared_elsewhere(container: Mapping[str, Any], port: PortLocation) -> bool:
    return any(
        position != port.port
        and other.get("containerPort") == port.number
        and other.get("protocol", "TCP") == "TCP"
        for position, other in enumerate(container["ports"])
    )


def _handlers(container: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    lifecycle = container.get("lifecycle") or {}
    places = [
        *((f"/{probe}", container.get(probe)) for probe in _PROBES),
        *((f"/lifecycle/{hook}", lifecycle.get(hook)) for hook in _HOOKS),
    ]
    for path, actions in places:
        for handler in _HANDLERS:
            if actions and actions.get(handler):
                yield f"{path}/{handler}", actions[handler]


def _annotations(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], ports: Sequence[PortLocation]
) -> dict[str, str]:
    present: Mapping[str, str] = metadata.get("annotations") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    ours = [volume["name"] for volume in sidecar.volumes(spec)]
    changed = {AUTOSCALER_LOCAL_VOLUMES: _listed(present.get(AUTOSCALER_LOCAL_VOLUMES), ours)}
    marks = {**labels, **present}
    if _in_mesh(marks, _ISTIO_MARKS, "sidecar.istio.io/inject"):
        changed |= _past_mesh(present, ISTIO_EXCLUDE_PORTS, ports)
        if present.get(ISTIO_INCLUDE_PORTS, "*") == "":
            del changed[ISTIO_EXCLUDE_PORTS]
    if _in_mesh(marks, _LINKERD_MARKS, "linkerd.io/inject"):
        changed |= _past_mesh(present, LINKERD_SKIP_PORTS, ports)
    return changed


def _in_mesh(marks: Mapping[str, str], prefixes: tuple[str, ...], switch: str) -> bool:
    return marks.get(switch) not in _MESH_OFF and any(key.startswith(prefixes) for key in marks)


def _past_mesh(
    present: Mapping[str, str], annotation: str, ports: Sequence[PortLocation]
) -> dict[str, str]:
    """Let the pane port pass the mesh, and a captured port whose original was let pass."""
    before = present.get(annotation)
    passed = {entry.strip() for entry in (before or "").split(",")}
    wanted = [str(port.captured) for port in ports if str(port.number) in passed]
    return {annotation: _listed(before, [*wanted, str(PANE_PORT)])}


def _listed(before: str | None, entries: Sequence[str]) -> str:
    present = [entry.strip() for entry in (before or "").split(",") if entry.strip()]
    return ",".join([*present, *(entry for entry in entries if entry not in present)])


def _append(path: str, present: Any, values: Sequence[Any]) -> Iterator[PatchOperation]:
    if not present:
        yield PatchOperation("add", path, list(values))
        return
    for value in values:
        yield PatchOperation("add", f"{path}/-", value)


def _merge(
    path: str, present: Mapping[str, str] | None, values: Mapping[str, str]
) -> Iterator[PatchOperation]:
    if not present:
        yield PatchOperation("add", path, dict(values))
        return
    for key, value in values.items():
        escaped = key.replace("~", "~0").replace("/", "~1")
        yield PatchOperation("add", f"{path}/{escaped}", value)
