"""How many pods of a target carry a collector, and what to do about the others.

The webhook fails open and in silence, so that what it did is only known by its result: wanted is
compared with real. Each pod without a collector gets its own reason; the condition names the one
that a person should act on first.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.conditions import CollectorsReason, ConditionType
from modelmonitor.api.v1alpha1.monitor import INJECTION_LABEL
from modelmonitor.api.v1alpha1.status import (
    BreakerState,
    CollectorCounts,
    ConditionStatus,
    InjectionStatus,
)
from modelmonitor.core.acting.status import ConditionDraft
from modelmonitor.core.injection.breaker import is_paused
from modelmonitor.core.injection.capture import CaptureObstacle
from modelmonitor.core.injection.pods import PodView
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.times import parse_time

SETTLING: Final = 5.0
"""Seconds after which a monitor is surely known to all injectors."""


CONSIDERABLE: Final = 20
"""Percent of a port's requests from which on the condition names their protocol."""
_PROTOCOL: Final = re.compile(r"(\w+) \((\d+)%\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageView:
    """What coverage is judged from."""

    namespace: str
    monitor: str
    uid: str
    """Of the monitor."""
    created: float
    """When the monitor was created, seconds since the epoch."""
    workload: Workload
    pods: Sequence[PodView]
    """All pods of the workload."""
    template_obstacle: CaptureObstacle | None
    """Why pods of the present template cannot be captured; `capture.capture_obstacle`."""
    network_obstacle: CaptureObstacle | None
    """The NetworkPolicy that cuts injected pods off; `network_policies.network_obstacle`."""
    namespace_enabled: bool
    """Whether the namespace has the label modelmonitor.dev/injection=enabled."""
    suspended: bool
    injection: InjectionStatus | None
    """The breaker, after this pass."""
    image: str
    """The image that the injector uses now."""
    reachable: int
    """Collectors that answered lately."""
    protocols: Sequence[str] = ()
    """What the traffic of each port was recognised as: `status.collection.protocols`."""
    restart: str = ""
    """What the operator does itself about pods that have to be recreated; empty: nothing."""


@dataclass(frozen=True, slots=True)
class MissedPod:
    """A pod without a collector of this monitor."""

    name: str
    reason: CollectorsReason
    message: str
    foreign: bool = False
    """It carries a collector that obeys another monitor."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a target is covered."""

    counts: CollectorCounts
    condition: ConditionDraft
    """CollectorsReady."""
    missed: tuple[MissedPod, ...]
    """In the order of their names."""


_BY_URGENCY: Final = (
    CollectorsReason.SUSPENDED,
    CollectorsReason.NAMESPACE_NOT_ENABLED,
    CollectorsReason.CAPTURE_IMPOSSIBLE,
    CollectorsReason.INJECTION_PAUSED,
    CollectorsReason.NOT_INJECTED,
    CollectorsReason.AWAITING_RECREATION,
)
"""What keeps even new pods from a collector comes before what recreation repairs."""


def judge_coverage(view: CoverageView) -> Coverage:
    """Return the counts, the condition CollectorsReady, and each missed pod with its reason."""
    pods = sorted((pod for pod in view.pods if pod.counts), key=lambda pod: pod.name)
    injected = [pod for pod in pods if pod.collects_for(view.monitor, view.uid)]
    missed = tuple(_miss(pod, view) for pod in pods if not pod.collects_for(view.monitor, view.uid))
    counts = CollectorCounts(
        matched=len(pods),
        injected=len(injected),
        reachable=min(view.reachable, len(injected)),
        outdated=sum(_image(pod) != view.image for pod in injected),
    )
    return Coverage(counts, _condition(view, counts, injected, missed), missed)


def _image(pod: PodView) -> str:
    return "" if pod.collector is None else pod.collector.image


def _miss(pod: PodView, view: CoverageView) -> MissedPod:
    obstacle = pod.obstacle
    if obstacle is None and pod.collector is not None:
        reason = CollectorsReason.AWAITING_RECREATION
        return MissedPod(pod.name, reason, _whose(pod, view), foreign=True)
    hindrance = _hindrance(view, obstacle)
    if hindrance is not None:
        return MissedPod(pod.name, *hindrance)
    if pod.created < _effective_since(view):
        return MissedPod(
            pod.name, CollectorsReason.AWAITING_RECREATION, "it was created before injection began"
        )
    return MissedPod(
        pod.name,
        CollectorsReason.NOT_INJECTED,
        "it was created after the monitor and still got no collector: no injector answered, or "
        "the namespace was enabled later; look at the injector's pods and log",
    )


def _whose(pod: PodView, view: CoverageView) -> str:
    if pod.monitor == view.monitor:
        return "it carries the collector of a deleted monitor of this name, which obeys no other"
    return (
        f"it carries the collector of monitor {pod.monitor}: a pod carries one, and the older of "
        "two monitors of a target gets it"
    )


def _hindrance(
    view: CoverageView, obstacle: CaptureObstacle | None
) -> tuple[CollectorsReason, str] | None:
    """Return what would keep even a new pod from a collector."""
    if view.suspended:
        return CollectorsReason.SUSPENDED, CollectorsReason.SUSPENDED.sentence
    if not view.namespace_enabled:
        command = f"kubectl label namespace {view.namespace} {INJECTION_LABEL}=enabled"
        return (
            CollectorsReason.NAMESPACE_NOT_ENABLED,
            f"the namespace does not enable injection: run `{command}`",
        )
    if obstacle is not None:
        return CollectorsReason.CAPTURE_IMPOSSIBLE, obstacle.message
    if view.network_obstacle is not None:
        return CollectorsReason.CAPTURE_IMPOSSIBLE, view.network_obstacle.message
    if view.injection is not None and is_paused(view.injection):
        return CollectorsReason.INJECTION_PAUSED, _describe_pause(view.injection)
    return None


def _describe_pause(injection: InjectionStatus) -> str:
    if injection.breaker is BreakerState.HALF_OPEN and injection.trial_pod is not None:
        return f"{injection.message}; pod {injection.trial_pod} is on trial"
    if injection.retry_at is None:
        return injection.message
    return f"{injection.message}; one pod is tried again at {injection.retry_at}"


def _effective_since(view: CoverageView) -> float:
    """Return since when new pods should have been injected."""
    begun = view.created + SETTLING
    if view.injection is not None and view.injection.breaker is BreakerState.CLOSED:
        return max(begun, parse_time(view.injection.since) + SETTLING)
    return begun


def _condition(
    view: CoverageView,
    counts: CollectorCounts,
    injected: Sequence[PodView],
    missed: Sequence[MissedPod],
) -> ConditionDraft:
    if missed:
        return _of_missed(view, counts, missed)
    if not counts.matched:
        return _without_pods(view)
    if view.network_obstacle is not None:
        message = f"{_carry(counts)}; {view.network_obstacle.message}"
        return _draft(ConditionStatus.FALSE, CollectorsReason.CAPTURE_IMPOSSIBLE, message)
    if view.injection is not None and is_paused(view.injection):
        message = f"{_carry(counts)}; {_describe_pause(view.injection)}"
        return _draft(ConditionStatus.FALSE, CollectorsReason.INJECTION_PAUSED, message)
    waiting = [pod for pod in injected if pod.collector and not pod.collector.started]
    if waiting:
        return _draft(
            ConditionStatus.FALSE,
            CollectorsReason.COLLECTORS_STARTING,
            f"{_carry(counts)}, of which {len(waiting)} have not started, for example "
            f"{waiting[0].name}",
        )
    if counts.outdated:
        return _draft(
            ConditionStatus.TRUE,
            CollectorsReason.OUTDATED,
            f"{_carry(counts)}, {counts.outdated} of them of an older image; "
            f"{restart_command(view.workload, view.namespace)} to renew them{_spoken(view)}",
        )
    return _draft(
        ConditionStatus.TRUE, CollectorsReason.ALL_INJECTED, f"{_carry(counts)}{_spoken(view)}"
    )


def _spoken(view: CoverageView) -> str:
    """Return what each port's traffic is, without the shares, which move."""
    spoken = ""
    for text in view.protocols:
        found = _PROTOCOL.findall(text)
        names = sorted(name for name, share in found if int(share) >= CONSIDERABLE)
        spoken += f"; {text.partition(':')[0]}: {', '.join(names)}"
    return spoken


def _of_missed(
    view: CoverageView, counts: CollectorCounts, missed: Sequence[MissedPod]
) -> ConditionDraft:
    first = min(missed, key=lambda pod: (_BY_URGENCY.index(pod.reason), not pod.foreign))
    if first.foreign:
        message = f"{_carry(counts)} of its own; {first.name}: {first.message}; {_restart(view)}"
    elif first.reason is CollectorsReason.AWAITING_RECREATION:
        message = f"{_carry(counts)}; {_restart(view)}"
    elif first.reason is CollectorsReason.NOT_INJECTED:
        then = view.restart or f"then {_restart(view)}"
        message = f"{_carry(counts)}; {first.name}: {first.message}; {then}"
    else:
        message = f"{_carry(counts)}; {first.message}"
    return _draft(ConditionStatus.FALSE, first.reason, message)


def _without_pods(view: CoverageView) -> ConditionDraft:
    hindrance = _hindrance(view, view.template_obstacle)
    if hindrance is not None:
        return _draft(ConditionStatus.FALSE, *hindrance)
    return _draft(ConditionStatus.UNKNOWN, CollectorsReason.NO_PODS, "the target has no pods")


def _draft(status: ConditionStatus, reason: CollectorsReason, message: str) -> ConditionDraft:
    return ConditionDraft(ConditionType.COLLECTORS_READY, status, reason, message)


def _carry(counts: CollectorCounts) -> str:
    verb = "carries" if counts.injected == 1 else "carry"
    return f"{counts.injected} of {counts.matched} pods {verb} a collector"


def _restart(view: CoverageView) -> str:
    return view.restart or restart_command(view.workload, view.namespace)


def restart_command(workload: Workload, namespace: str) -> str:
    """Return what a person runs to have the pods of a workload recreated."""
    return f"run `kubectl rollout restart {workload} -n {namespace}`"
