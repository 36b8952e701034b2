"""What will happen to a workload's pods and their traffic, found out before anything does.

The obstacle that the injector and the controller act on, `capture.capture_obstacle`, is one of
the findings. The others say what neither of them could: which Services will reach the collector,
what a quota or a LimitRange makes of it, and who may come in.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import Quantities, Source, TakeoverType
from modelmonitor.api.v1alpha1.monitor import INJECTION_LABEL, MONITOR_LABEL
from modelmonitor.core.injection.capture import (
    PANE_PORT_NAME,
    Capture,
    PortLocation,
    capture_obstacle,
    locate_ports,
)
from modelmonitor.core.injection.network_policies import NetworkPolicy, network_obstacle
from modelmonitor.core.injection.resources import budget_problems, collector_resources
from modelmonitor.core.injection.takeover import probe_edits
from modelmonitor.core.wire.configuration import EVENTS_PORT, PANE_PORT

Json = Mapping[str, Any]

INJECTION_ENABLED: Final = "enabled"
POD_SECURITY_LABEL: Final = "pod-security.kubernetes.io/enforce"
_SCRAPED_PORT: Final = "prometheus.io/port"
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_MESH_OFF: Final = ("false", "disabled")
_MESH_SWITCHES: Final = ("sidecar.istio.io/inject", "linkerd.io/inject")
_AMBIENT: Final = "istio.io/dataplane-mode"
_MESH_MARKS: Final = ("sidecar.istio.io/", "istio.io/rev", "istio-injection", "linkerd.io/inject")


class Level(StrEnum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that will happen, or will not."""

    level: Level
    subject: str
    """What it is about: an object, a port."""
    message: str
    """One sentence; of a problem it holds the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The workload that is to be watched, and what its monitor asks for."""

    namespace: str
    metadata: Json
    """Of the pod template, as JSON."""
    spec: Json
    """Of the pod template, as JSON."""
    pods: int
    """How many pods still get a collector."""
    capture: Capture
    requests: Quantities
    limits: Quantities
    monitor: str = ""
    """Name of the monitor; empty where there is none yet."""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods, once they are injected."""
        return {**(self.metadata.get("labels") or {}), MONITOR_LABEL: self.monitor}


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What stands around the workload in its namespace."""

    namespace: Json | None = None
    """Metadata of the namespace; None where it is not known."""
    services: Sequence[Json] = ()
    policies: Sequence[NetworkPolicy] = ()
    limit_ranges: Sequence[Json] = ()
    quotas: Sequence[Json] = ()


def preflight(candidate: Candidate, around: Surroundings) -> tuple[Finding, ...]:
    """Return what will happen, in the order in which a person would look at it."""
    return (
        *_namespace(candidate.namespace, around.namespace),
        *_capture(candidate),
        *_services(candidate, around.services),
        *_probes(candidate),
        *_scrapes(candidate),
        *_policies(candidate, around.policies),
        *_budget(candidate, around),
        *_mesh(candidate, around.namespace),
    )


def _namespace(name: str, metadata: Json | None) -> Iterator[Finding]:
    subject = f"Namespace {name}"
    if metadata is None:
        yield Finding(
            Level.NOTE,
            subject,
            f"not known here: pods get collectors where it has the label {INJECTION_LABEL}="
            f"{INJECTION_ENABLED}",
        )
        return
    labels: Mapping[str, str] = metadata.get("labels") or {}
    if labels.get(INJECTION_LABEL) == INJECTION_ENABLED:
        yield Finding(Level.OK, subject, "enables injection")
    else:
        yield Finding(
            Level.PROBLEM,
            subject,
            f"pods get no collector: run `kubectl label namespace {name} "
            f"{INJECTION_LABEL}={INJECTION_ENABLED}`",
        )
    level = labels.get(POD_SECURITY_LABEL)
    if level is not None:
        yield Finding(
            Level.OK, subject, f"enforces Pod Security {level}; the collector fits restricted"
        )


def _capture(candidate: Candidate) -> Iterator[Finding]:
    obstacle = capture_obstacle(candidate.metadata, candidate.spec, candidate.capture)
    if obstacle is not None:
        yield Finding(Level.PROBLEM, f"pod template: {obstacle.reason.value}", obstacle.message)
        return
    if candidate.capture.source is Source.CLOUD_EVENTS:
        yield Finding(
            Level.OK,
            "events",
            "no port is taken over: let the server's logger send CloudEvents to "
            f"http://localhost:{EVENTS_PORT}",
        )
    for port in locate_ports(candidate.spec, candidate.capture):
        yield Finding(Level.OK, f"port {port.name}", _taken_over(port))


def _taken_over(port: PortLocation) -> str:
    if port.takeover is TakeoverType.SWAP and port.knob is not None:
        knob = port.knob.variable or port.knob.argument
        return (
            f"the collector listens on {port.number}, and {knob} tells the model to listen on "
            f"{port.model}"
        )
    if port.takeover is TakeoverType.USER_PORT:
        return (
            f"queue-proxy is pointed at the collector on {port.captured}, which forwards to the "
            f"model on {port.number}"
        )
    return (
        f"the name is given to the collector on {port.captured}, which forwards to the model on "
        f"{port.number}; the model is not changed"
    )


def _services(candidate: Candidate, services: Sequence[Json]) -> Iterator[Finding]:
    ports = _called_ports(candidate)
    if not ports:
        return
    reached = False
    for service in services:
        spec: Json = service.get("spec") or {}
        selector: Mapping[str, str] = spec.get("selector") or {}
        if selector and selector.items() <= candidate.labels.items():
            for finding in _service(service, spec, ports):
                reached = True
                yield finding
    if not reached:
        yield Finding(
            Level.NOTE,
            "Services",
            "none leads to the captured ports: whoever calls pods by address and number is seen "
            "only with takeover Swap",
        )


def _called_ports(candidate: Candidate) -> list[PortLocation]:
    """Return the captured ports that Services lead to; to queue-proxy Knative's own do."""
    located = locate_ports(candidate.spec, candidate.capture)
    return [port for port in located if port.takeover is not TakeoverType.USER_PORT]


def _service(service: Json, spec: Json, ports: Sequence[PortLocation]) -> Iterator[Finding]:
    subject = f"Service {service['metadata']['name']}"
    headless = spec.get("clusterIP") == "None"
    for entry in spec.get("ports") or []:
        target = entry.get("targetPort", entry.get("port"))
        for port in ports:
            if target == port.name:
                yield Finding(Level.OK, subject, f"reaches the collector by the name {port.name}")
            elif target == port.number and port.takeover is TakeoverType.SWAP:
                yield Finding(Level.OK, subject, f"reaches the collector by the number {target}")
            elif target == port.number and headless:
                yield Finding(
                    Level.NOTE,
                    subject,
                    f"is headless and names {target}: clients that resolve it to addresses pass "
                    "the collector by and are not seen, unless takeover is Swap",
                )
            elif target == port.number:
                yield Finding(
                    Level.PROBLEM,
                    subject,
                    f"reaches the model by the number {target}, past the collector: write "
                    f"`targetPort: {port.name}`, or set takeover.type of port {port.name} to Swap",
                )


def _probes(candidate: Candidate) -> Iterator[Finding]:
    for port in _called_ports(candidate):
        container: Json = candidate.spec["containers"][port.container]
        swapped = port.takeover is TakeoverType.SWAP
        edits = probe_edits(container, port.name, port.model, port.number if swapped else None)
        for edit in edits:
            probe = edit.path.strip("/").split("/")[-3 if "lifecycle" in edit.path else 0]
            yield Finding(
                Level.OK,
                f"container {container.get('name')}",
                f"its {probe} goes on asking the model itself, by the number {port.model}",
            )
        commands = [one for one in _PROBES if (container.get(one) or {}).get("exec")]
        if swapped and commands:
            yield Finding(
                Level.NOTE,
                f"container {container.get('name')}",
                f"its {' and '.join(commands)} run a command: if that calls port {port.number}, it "
                "passes the collector and counts as traffic",
            )


def _scrapes(candidate: Candidate) -> Iterator[Finding]:
    annotations: Mapping[str, str] = candidate.metadata.get("annotations") or {}
    scraped = annotations.get(_SCRAPED_PORT)
    for port in _called_ports(candidate):
        if port.takeover is TakeoverType.SWAP and scraped == str(port.number):
            yield Finding(
                Level.NOTE,
                f"port {port.name}",
                f"Prometheus scrapes {scraped} ({_SCRAPED_PORT}), the collector's after the swap: "
                "scrapes count as traffic, unless the server has a port of its own for them",
            )


def _policies(candidate: Candidate, policies: Sequence[NetworkPolicy]) -> Iterator[Finding]:
    selecting = [policy for policy in policies if policy.selects(candidate.labels)]
    located = locate_ports(candidate.spec, candidate.capture)
    obstacle = network_obstacle(candidate.labels, located, policies)
    if obstacle is not None:
        yield Finding(Level.PROBLEM, "NetworkPolicy", obstacle.message)
    if not selecting:
        return
    names = ", ".join(policy.name for policy in selecting)
    rules = (rule for policy in selecting for rule in policy.rules)
    if any(rule.allows(PANE_PORT_NAME, PANE_PORT) for rule in rules):
        yield Finding(Level.OK, f"NetworkPolicy {names}", f"lets somebody in on {PANE_PORT}")
    else:
        yield Finding(
            Level.PROBLEM,
            f"NetworkPolicy {names}",
            f"keeps the controller from the collectors: allow port {PANE_PORT} from the operator's "
            "namespace",
        )


def _budget(candidate: Candidate, around: Surroundings) -> Iterator[Finding]:
    try:
        resources = collector_resources(candidate.requests, candidate.limits, candidate.spec)
    except ValueError as error:
        yield Finding(Level.PROBLEM, "spec.collection.resources", str(error))
        return
    written = ", ".join(f"{kind} {amount}" for kind, amount in resources["requests"].items())
    yield Finding(Level.OK, "resources", f"each collector asks for {written or 'nothing'}")
    for problem in budget_problems(
        resources, candidate.spec, candidate.pods, around.limit_ranges, around.quotas
    ):
        level = Level.PROBLEM if problem.refuses else Level.NOTE
        yield Finding(level, problem.subject, problem.message)


def _mesh(candidate: Candidate, namespace: Json | None) -> Iterator[Finding]:
    labels = {**((namespace or {}).get("labels") or {}), **candidate.labels}
    if labels.get(_AMBIENT) == "ambient":
        yield Finding(
            Level.NOTE,
            "mesh",
            "Istio's ambient mode takes no exceptions from pods: where mTLS is strict, allow "
            f"plain text on {PANE_PORT} by portLevelMtls of a PeerAuthentication",
        )
    own, outer = _marks(candidate.metadata), _marks(namespace or {})
    if any(own.get(switch) in _MESH_OFF for switch in _MESH_SWITCHES):
        return
    if any(value not in _MESH_OFF for value in {**outer, **own}.values()):
        yield Finding(
            Level.OK,
            "mesh",
            f"captured ports stay with the mesh as they are; only {PANE_PORT}, where panes are "
            "fetched, passes it",
        )


def _marks(metadata: Json) -> dict[str, str]:
    return {
        key: value
        for kind in ("labels", "annotations")
        for key, value in (metadata.get(kind) or {}).items()
        if key.startswith(_MESH_MARKS)
    }
