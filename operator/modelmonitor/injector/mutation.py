"""The mutation of a pod: a pure function from the pod's JSON to a JSON patch (RFC 6902).

Unless its monitor asks for another takeover, the model container keeps the port's *name* and gets
the collector's number under it; the model goes on listening where it did. Services resolve names
per pod, so that a half-injected workload serves on. By swap the collector gets the number too, and
the model another one. Probes and hooks always go on asking the model itself. The pod is never
written back as a whole: fields that this version does not know stay.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import TakeoverType
from modelmonitor.api.v1alpha1.monitor import INJECTED_ANNOTATION, MONITOR_LABEL
from modelmonitor.core.injection.capture import (
    PortLocation,
    capture_obstacle,
    has_collector,
    locate_ports,
    takeover_edits,
)
from modelmonitor.core.injection.takeover import probe_edits
from modelmonitor.core.wire.configuration import EVENTS_PORT, ORIGINAL_PORT_PREFIX
from modelmonitor.injector import sidecar
from modelmonitor.injector.mesh import listed, mesh_annotations, mesh_operations
from modelmonitor.injector.patches import PatchOperation, append, merge, of_edit
from modelmonitor.injector.plan import InjectionPlan
from modelmonitor.injector.sidecar import CollectorImage

AUTOSCALER_LOCAL_VOLUMES: Final = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
"""An emptyDir keeps the cluster autoscaler from removing a node, unless it is named here."""
MOVED_PORT_PREFIX: Final = "mm-moved-"
"""Names the port to which takeover by swap has moved the model."""


class Outcome(StrEnum):
    """What became of a pod."""

    INJECTED = "Injected"
    UNTOUCHED = "Untouched"


class Reason(StrEnum):
    """Why, where it is not an obstacle in the pod itself (`core.injection.capture.Obstacle`)."""

    INJECTED = "Injected"
    ALREADY_INJECTED = "AlreadyInjected"
    MESH_FOLLOWED = "MeshFollowed"
    INVALID_RESOURCES = "InvalidResources"
    VOLUME_CONFLICT = "VolumeConflict"


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

    A pod that has a collector gets no second one, see `revisit`.

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
        return revisit(pod)
    obstacle = capture_obstacle(metadata, spec, plan.capture)
    if obstacle is not None:
        return untouched(obstacle.reason, obstacle.message)
    for name in sidecar.taken_volume_names(spec):
        return untouched(
            Reason.VOLUME_CONFLICT,
            f"the pod has a volume named {name}, which is the collector's: rename the volume",
        )
    ports = locate_ports(spec, plan.capture)
    try:
        container = sidecar.container(plan, collector, ports, spec)
    except ValueError as error:
        return untouched(Reason.INVALID_RESOURCES, f"spec.collection.resources: {error}")
    annotations = (
        _local_volumes(metadata, spec)
        | mesh_annotations(metadata, spec, ports)
        | {INJECTED_ANNOTATION: collector.stamp}
    )
    patch = (
        *_take_over(spec, ports),
        *mesh_operations(metadata, spec, ports),
        *append("/spec/initContainers", spec.get("initContainers"), [container]),
        *append("/spec/volumes", spec.get("volumes"), sidecar.volumes(spec)),
        *merge("/metadata/labels", metadata.get("labels"), {MONITOR_LABEL: plan.monitor}),
        *merge("/metadata/annotations", metadata.get("annotations"), annotations),
    )
    taken = ", ".join(_describe(port) for port in ports) or f"CloudEvents on {EVENTS_PORT}"
    return Mutation(Outcome.INJECTED, Reason.INJECTED, f"captured: {taken}", patch)


def revisit(pod: Mapping[str, Any]) -> Mutation:
    """Return what a pod that has its collector still needs after other webhooks changed it.

    A mesh that came after us has read the pod's annotations, or not: its list of ports to let pass
    is looked at again. All else stays, so that being called twice for one pod does no harm.
    """
    metadata, spec = pod.get("metadata") or {}, pod.get("spec") or {}
    patch = (
        *mesh_operations(metadata, spec, ()),
        *merge(
            "/metadata/annotations",
            metadata.get("annotations"),
            mesh_annotations(metadata, spec, ()),
        ),
    )
    if not patch:
        return untouched(Reason.ALREADY_INJECTED, "the pod already carries a collector")
    return Mutation(
        Outcome.UNTOUCHED,
        Reason.MESH_FOLLOWED,
        "the pod carries a collector already; the mesh that came after it lets its pane port pass",
        patch,
    )


def _take_over(spec: Mapping[str, Any], ports: Sequence[PortLocation]) -> Iterator[PatchOperation]:
    for position, port in enumerate(ports):
        path = f"/spec/containers/{port.container}"
        model = spec["containers"][port.container]
        told, edits = takeover_edits(spec, port)
        yield from (of_edit(f"/spec/containers/{told}", edit) for edit in edits)
        if port.takeover is TakeoverType.RENUMBER:
            number = f"{path}/ports/{port.port}/containerPort"
            yield PatchOperation("replace", number, port.captured)
            if not _declared_elsewhere(model, port):
                yield _further_port(path, f"{ORIGINAL_PORT_PREFIX}{position}", port)
            probes = probe_edits(model, port.name, port.model)
        elif port.takeover is TakeoverType.SWAP:
            yield _further_port(path, f"{MOVED_PORT_PREFIX}{position}", port)
            probes = probe_edits(model, port.name, port.model, port.number)
        else:
            continue
        yield from (of_edit(path, edit) for edit in probes)


def _further_port(container: str, name: str, port: PortLocation) -> PatchOperation:
    """Return what says where the model listens, beside the port whose clients are captured."""
    value = {"name": name, "containerPort": port.model, "protocol": "TCP"}
    return PatchOperation("add", f"{container}/ports/-", value)


def _declared_elsewhere(container: Mapping[str, Any], port: PortLocation) -> bool:
    return any(
        position != port.port
        and other.get("containerPort") == port.number
        and other.get("protocol", "TCP") == "TCP"
        for position, other in enumerate(container["ports"])
    )


def _local_volumes(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, str]:
    present: Mapping[str, str] = metadata.get("annotations") or {}
    ours = [volume["name"] for volume in sidecar.volumes(spec)]
    return {AUTOSCALER_LOCAL_VOLUMES: listed(present.get(AUTOSCALER_LOCAL_VOLUMES), ours)}


def _describe(port: PortLocation) -> str:
    if port.moved:
        return f"{port.name} {port.number}, the model moved to {port.moved}"
    return f"{port.name} {port.number}→{port.captured}"
