"""What is found about one workload: its preflight, its monitor's status and its pods."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.collection import CollectorResources
from modelmonitor.api.v1alpha1.conditions import CollectorsReason, ConditionType, ReadyReason
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, parse_monitor
from modelmonitor.api.v1alpha1.status import BreakerState, ConditionStatus
from modelmonitor.cli import cluster as kinds
from modelmonitor.cli.cluster import AccessDeniedError, Body, ObjectKind, Objects
from modelmonitor.cli.errors import CommandError
from modelmonitor.core.injection.capture import Capture, WantedPort, capture_of
from modelmonitor.core.injection.network_policies import NetworkPolicy, parse_network_policy
from modelmonitor.core.injection.pods import PodView, pod_view
from modelmonitor.core.injection.preflight import Candidate, Finding, Level, Surroundings, preflight
from modelmonitor.core.injection.workloads import (
    DEPLOYMENT,
    STATEFUL_SET,
    Workload,
    precedence,
    target_workload,
)

DEFAULT_PORT: Final = "http"
"""Looked at where no monitor says which ports are captured, and a container has it."""
_KINDS: Final = {DEPLOYMENT: kinds.DEPLOYMENTS, STATEFUL_SET: kinds.STATEFUL_SETS}
_FOUND_BY_PREFLIGHT: Final = {
    ReadyReason.CAPTURE_IMPOSSIBLE.value,
    ReadyReason.PORT_NOT_FOUND.value,
    ReadyReason.NAMESPACE_NOT_ENABLED.value,
    CollectorsReason.CAPTURE_IMPOSSIBLE.value,
    CollectorsReason.NAMESPACE_NOT_ENABLED.value,
    CollectorsReason.INJECTION_PAUSED.value,  # told by the breaker
}
_EXPECTED: Final = {
    CollectorsReason.AWAITING_RECREATION.value,
    CollectorsReason.COLLECTORS_STARTING.value,
    CollectorsReason.SUSPENDED.value,
    CollectorsReason.NO_PODS.value,
}
"""Reasons of CollectorsReady that a person meets on the way, and not because anything is wrong."""


@dataclass(frozen=True)
class Examination:
    """What was found about one workload."""

    workload: Workload
    namespace: str
    monitor: ModelMonitor | None
    findings: Sequence[Finding]
    pods: Sequence[PodView] = ()

    @property
    def image(self) -> str:
        """The collector image in use, as the monitor's status knows it; empty if it does not."""
        injection = None if self.monitor is None else self.monitor.status.injection
        return "" if injection is None else injection.image


def examine(
    source: Objects, workload: Workload, namespace: str, monitor_name: str | None
) -> Examination:
    """Return what is found about a workload.

    Raises
    ------
    CommandError
        If there is no such workload or monitor, or the source does not answer.
    """
    body = source.find(_KINDS[workload.kind], namespace, workload.name)
    if body is None:
        raise CommandError(
            f"there is no {workload.kind} {workload.name} in namespace {namespace}: see "
            f"`kubectl get {_KINDS[workload.kind].plural} -n {namespace}`"
        )
    monitor = _monitor(source, workload, namespace, monitor_name)
    spec: Mapping[str, Any] = body.get("spec") or {}
    template = spec.get("template") or {}
    capture = (
        _default_capture(template.get("spec") or {})
        if monitor is None
        else capture_of(monitor.spec.collection)
    )
    unread: list[Finding] = []
    around = _Around(source, namespace, unread)
    pods = _pods(around, workload, spec, capture)
    injected = sum(pod.collector is not None for pod in pods)
    resources = CollectorResources() if monitor is None else monitor.spec.collection.resources
    candidate = Candidate(
        namespace=namespace,
        metadata=template.get("metadata") or {},
        spec=template.get("spec") or {},
        pods=max(int(spec.get("replicas", 1)) - injected, 0),
        capture=capture,
        requests=resources.requests,
        limits=resources.limits,
        monitor="" if monitor is None else monitor.metadata.name,
    )
    findings = (
        *_of_monitor(monitor, capture),
        *preflight(candidate, around.surroundings()),
        *unread,
    )
    return Examination(workload, namespace, monitor, findings, pods)


@dataclass(frozen=True)
class _Around:
    """Reads what stands around a workload; what may not be read is a note."""

    source: Objects
    namespace: str
    unread: list[Finding]

    def surroundings(self) -> Surroundings:
        return Surroundings(
            namespace=self._metadata(),
            services=self.list(kinds.SERVICES),
            policies=list(_parsed(self.list(kinds.NETWORK_POLICIES))),
            limit_ranges=self.list(kinds.LIMIT_RANGES),
            quotas=self.list(kinds.QUOTAS),
        )

    def list(self, kind: ObjectKind, labels: Mapping[str, str] | None = None) -> list[Body]:
        try:
            return self.source.objects(kind, self.namespace, labels)
        except AccessDeniedError as error:
            self._note(kind, error)
            return []

    def _metadata(self) -> Body | None:
        try:
            body = self.source.find(kinds.NAMESPACES, self.namespace, self.namespace)
        except AccessDeniedError as error:
            self._note(kinds.NAMESPACES, error)
            return None
        return None if body is None else body["metadata"]

    def _note(self, kind: ObjectKind, error: AccessDeniedError) -> None:
        self.unread.append(Finding(Level.NOTE, kind.name, f"not looked at: {error}"))


def _parsed(bodies: Sequence[Body]) -> Iterator[NetworkPolicy]:
    for body in bodies:
        policy = parse_network_policy(body)
        if policy is not None:
            yield policy


def _pods(
    around: _Around, workload: Workload, spec: Mapping[str, Any], capture: Capture
) -> list[PodView]:
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    views = (pod_view(body, capture) for body in around.list(kinds.PODS, labels))
    return sorted(
        (view for view in views if view.workload == workload and view.counts),
        key=lambda view: view.name,
    )


def _monitor(
    source: Objects, workload: Workload, namespace: str, name: str | None
) -> ModelMonitor | None:
    monitors = [_read(body) for body in source.monitors(namespace)]
    if name is not None:
        found = next((one for one in monitors if one.metadata.name == name), None)
        if found is None:
            raise CommandError(f"there is no ModelMonitor {name} in namespace {namespace}")
        return found
    claims = [one for one in monitors if target_workload(one.spec.target_ref) == workload]
    return min(
        claims,
        key=lambda one: precedence(one.metadata.creation_timestamp, one.metadata.name),
        default=None,
    )


def _read(body: Body) -> ModelMonitor:
    try:
        return parse_monitor(body)
    except InvalidMonitorError as error:
        name = body["metadata"].get("name")
        raise CommandError(f"ModelMonitor {name} is invalid: {error}") from error


def _default_capture(spec: Mapping[str, Any]) -> Capture:
    """Return the port that a monitor would most likely name."""
    names = [
        port["name"]
        for container in spec.get("containers") or []
        for port in container.get("ports") or []
        if port.get("name") and port.get("protocol", "TCP") == "TCP"
    ]
    likely = DEFAULT_PORT if DEFAULT_PORT in names or not names else names[0]
    return Capture((WantedPort(likely),))


def _of_monitor(monitor: ModelMonitor | None, capture: Capture) -> Iterator[Finding]:
    if monitor is None:
        yield Finding(
            Level.NOTE,
            "ModelMonitor",
            f"none names this workload; looked at as if one captured port {capture.names[0]}",
        )
        return
    subject = f"ModelMonitor {monitor.metadata.name}"
    for condition in monitor.status.conditions:
        tells = condition.type in {ConditionType.READY, ConditionType.COLLECTORS_READY}
        good = condition.status is not ConditionStatus.FALSE
        if not tells or good or condition.reason in _FOUND_BY_PREFLIGHT:
            continue
        level = Level.NOTE if condition.reason in _EXPECTED else Level.PROBLEM
        yield Finding(level, subject, f"{condition.type} is False: {condition.message}")
    injection = monitor.status.injection
    if injection is not None and injection.breaker is not BreakerState.CLOSED:
        yield Finding(
            Level.PROBLEM, "circuit breaker", f"{injection.breaker.value}: {injection.message}"
        )
    collection = monitor.status.collection
    for words in [] if collection is None else collection.protocols:
        yield Finding(Level.OK, "protocol", f"recognised on {words}")
