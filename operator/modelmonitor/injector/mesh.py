"""Service meshes: which ports their sidecars let pass.

A captured port is a port of the pod like any other: the mesh intercepts it, ends its TLS, and calls
the collector on loopback. Only the pane port passes by, since the controller is outside the mesh
and signs its own requests. A mesh reads the list of such ports from the pod's annotations when its
own webhook runs, or its CNI plugin. Where its init container is in the pod already, the list has
been made, and is extended in the arguments of that container.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import TakeoverType
from modelmonitor.core.injection.capture import ISTIO_INCLUDE_PORTS, PortLocation
from modelmonitor.core.wire.configuration import PANE_PORT
from modelmonitor.injector.patches import PatchOperation

ISTIO_EXCLUDE_PORTS: Final = "traffic.sidecar.istio.io/excludeInboundPorts"
LINKERD_SKIP_PORTS: Final = "config.linkerd.io/skip-inbound-ports"
_MESH_OFF: Final = ("false", "disabled")


@dataclass(frozen=True, slots=True)
class _Mesh:
    """How one mesh is recognised in a pod, and where it is told what to let pass."""

    marks: tuple[str, ...]
    """Beginnings of the labels and annotations that a pod of the mesh has."""
    switch: str
    """Label or annotation that keeps a pod out."""
    containers: tuple[str, ...]
    annotation: str
    init: str
    """Init container that sets the interception up."""
    flags: tuple[str, ...]
    """Its argument that is followed by the ports to let pass."""


_ISTIO: Final = _Mesh(
    ("sidecar.istio.io/", "traffic.sidecar.istio.io/", "istio.io/rev", "security.istio.io/tlsMode"),
    "sidecar.istio.io/inject",
    ("istio-proxy",),
    ISTIO_EXCLUDE_PORTS,
    "istio-init",
    ("-d", "--istio-local-exclude-ports"),
)
_LINKERD: Final = _Mesh(
    ("linkerd.io/", "config.linkerd.io/"),
    "linkerd.io/inject",
    ("linkerd-proxy",),
    LINKERD_SKIP_PORTS,
    "linkerd-init",
    ("--inbound-ports-to-ignore",),
)


def mesh_annotations(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], ports: Sequence[PortLocation]
) -> dict[str, str]:
    """Return the annotations that let the pane port pass the meshes that the pod is in."""
    present: Mapping[str, str] = metadata.get("annotations") or {}
    return {
        mesh.annotation: listed(present.get(mesh.annotation), _passing(present, mesh, ports))
        for mesh in _meshes(metadata, spec)
    }


def mesh_operations(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], ports: Sequence[PortLocation]
) -> Iterator[PatchOperation]:
    """Yield what lets the pane port pass a mesh whose init container has its list already."""
    present: Mapping[str, str] = metadata.get("annotations") or {}
    for mesh in _meshes(metadata, spec):
        for position, container in enumerate(spec.get("initContainers") or []):
            words: Sequence[str] = container.get("args") or []
            if container.get("name") != mesh.init:
                continue
            for at, (flag, value) in enumerate(pairwise(words), start=1):
                passing = listed(value, _passing(present, mesh, ports))
                if flag in mesh.flags and passing != value:
                    path = f"/spec/initContainers/{position}/args/{at}"
                    yield PatchOperation("replace", path, passing)


def listed(before: str | None, entries: Sequence[str]) -> str:
    """Return a list as text with entries that it did not have yet."""
    present = [entry.strip() for entry in (before or "").split(",") if entry.strip()]
    return ",".join([*present, *(entry for entry in entries if entry not in present)])


def _meshes(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[_Mesh]:
    annotations: Mapping[str, str] = metadata.get("annotations") or {}
    marks = {**(metadata.get("labels") or {}), **annotations}
    names = {
        container.get("name")
        for place in ("containers", "initContainers")
        for container in spec.get(place) or []
    }
    for mesh in (_ISTIO, _LINKERD):
        if mesh is _ISTIO and annotations.get(ISTIO_INCLUDE_PORTS, "*") == "":
            continue  # it intercepts nothing that comes in
        marked = any(key.startswith(mesh.marks) for key in marks)
        if names & set(mesh.containers) or (marked and marks.get(mesh.switch) not in _MESH_OFF):
            yield mesh


def _passing(
    annotations: Mapping[str, str], mesh: _Mesh, ports: Sequence[PortLocation]
) -> list[str]:
    """Return the pane port, after captured ports whose original was let pass."""
    passed = {entry.strip() for entry in annotations.get(mesh.annotation, "").split(",")}
    renumbered = (port for port in ports if port.takeover is TakeoverType.RENUMBER)
    wanted = [str(port.captured) for port in renumbered if str(port.number) in passed]
    return [*wanted, str(PANE_PORT)]
