"""Looking at the pods of a target: who is covered, whether injection must stop, whom to evict."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from modelmonitor.api.v1alpha1.conditions import CollectorsReason, ConditionType
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import CollectorCounts, ConditionStatus
from modelmonitor.controller.gateways.api_server import EVENTS, PODS, REPLICA_SETS, Body
from modelmonitor.controller.gateways.errors import AccessDeniedError, GatewayError
from modelmonitor.controller.reconcile.announce import EventReason
from modelmonitor.controller.reconcile.objects import Key, Target
from modelmonitor.controller.reconcile.plan import Plan
from modelmonitor.controller.reconcile.pods import target_pods
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.state import MonitorState
from modelmonitor.controller.reconcile.surroundings import foreseen
from modelmonitor.controller.reconcile.ticking import Seen
from modelmonitor.core.acting.status import ConditionDraft
from modelmonitor.core.injection.breaker import (
    BreakerDecision,
    InjectionView,
    decide_injection,
    injecting_since,
    trial_is_due,
)
from modelmonitor.core.injection.capture import capture_obstacle, capture_of
from modelmonitor.core.injection.collection import recognised_ports
from modelmonitor.core.injection.coverage import Coverage, CoverageView, MissedPod, judge_coverage
from modelmonitor.core.injection.pods import PodView, is_ready
from modelmonitor.core.injection.refusals import (
    FAILED_CREATE,
    CreateFailure,
    create_failures,
    failing_replica_sets,
)
from modelmonitor.core.injection.workloads import DEPLOYMENT, REPLICA_SET
from modelmonitor.core.times import parse_time

logger = logging.getLogger(__name__)

REFUSED_LATELY: Final = 300.0
"""Seconds for which an event tells of a refusal that lasts. A StatefulSet pauses ever longer, up to
17 minutes, between its tries, but the breaker need see only one of the first."""

INJECTOR_LABELS: Final = "app.kubernetes.io/component=injector,app.kubernetes.io/name=modelmonitor"
"""Labels that the chart puts on pods of the injector."""

UNRESOLVED = ConditionDraft(
    ConditionType.COLLECTORS_READY,
    ConditionStatus.UNKNOWN,
    CollectorsReason.TARGET_NOT_RESOLVED,
    CollectorsReason.TARGET_NOT_RESOLVED.sentence,
)
"""CollectorsReady of a monitor that has no target."""


@dataclass(frozen=True, slots=True)
class Injection:
    """What became of injection for one monitor."""

    breaker: BreakerDecision
    coverage: Coverage | None
    """None where the target is not resolved."""
    condition: ConditionDraft
    """CollectorsReady."""
    view: CoverageView | None = None
    """What `coverage` was judged from."""
    foreseen: str = ""
    """What keeps collectors from seeing the traffic although pods are injected, with the fix."""

    @property
    def counts(self) -> CollectorCounts | None:
        """How many pods are covered."""
        return None if self.coverage is None else self.coverage.counts

    @property
    def missed(self) -> Sequence[MissedPod]:
        """The pods that carry no collector of the monitor."""
        return () if self.coverage is None else self.coverage.missed

    def with_restart(self, words: str) -> "Injection":
        """Return the same, its condition telling what the operator does about missed pods."""
        if not words or self.view is None:
            return self
        condition = judge_coverage(replace(self.view, restart=words)).condition
        return replace(self, condition=_told(condition, self.foreseen))


async def see_pods(services: Services, key: Key, monitor: ModelMonitor, plan: Plan) -> Seen:
    """Return the target's pods as they are now.

    Raises
    ------
    TemporaryError
        If the API server does not answer.
    """
    target = plan.target
    if target is None:
        return Seen(key.name, monitor.metadata.uid, None)
    bodies = await services.api.list(PODS, key.namespace, target.selector)
    pods = target_pods(bodies, target, capture_of(monitor.spec.collection))
    failures = await _failures(services, key, monitor, target, pods)
    trial = trial_is_due(monitor.status.injection, services.clock.now())
    injectors = await _injectors(services) if trial else ()
    return Seen(key.name, monitor.metadata.uid, target, pods, failures, injectors)


async def _injectors(services: Services) -> Sequence[str]:
    """Return the pods of the injector that are ready; none where they may not be looked at."""
    try:
        bodies = await services.api.list(PODS, services.settings.namespace, INJECTOR_LABELS)
    except AccessDeniedError as error:
        logger.warning("the injector's pods cannot be looked at: %s; update the role", error)
        return ()
    return [
        str(body["metadata"]["name"])
        for body in bodies
        if not body["metadata"].get("deletionTimestamp") and is_ready(body)
    ]


async def _failures(
    services: Services, key: Key, monitor: ModelMonitor, target: Target, pods: Sequence[PodView]
) -> Sequence[CreateFailure]:
    """Return why pods of the target cannot be created.

    Only a Deployment's ReplicaSets keep that as a state, in the words of the first refusal. Events
    tell the rest: all of it of a StatefulSet, and of a ReplicaSet that was refused before pods were
    injected what refuses them now. They mean something while a pod is missing.
    """
    workload, injection = target.workload, monitor.status.injection
    begun = injecting_since(parse_time(monitor.metadata.creation_timestamp), injection)
    since = max(begun, services.clock.now() - REFUSED_LATELY)
    if workload.kind == DEPLOYMENT:
        owned = await services.api.list(REPLICA_SETS, key.namespace, target.selector)
        failing = failing_replica_sets(workload, owned)
        older = [name for name, failure in failing if failure.since < begun]
        anew = [
            event for name in older for event in await _refusals(services, key, REPLICA_SET, name)
        ]
        return create_failures(workload, owned, anew, since)
    if sum(pod.counts for pod in pods) >= target.replicas:
        return ()
    events = await _refusals(services, key, workload.kind, workload.name)
    return create_failures(workload, events=events, since=since)


async def _refusals(services: Services, key: Key, kind: str, name: str) -> Sequence[Body]:
    """Return the events that say that an owner's pods were refused."""
    fields = {
        "involvedObject.kind": kind,
        "involvedObject.name": name,
        "reason": FAILED_CREATE,
    }
    selector = ",".join(f"{path}={value}" for path, value in fields.items())
    return await services.api.list(EVENTS, key.namespace, fields=selector)


def judge_injection(
    services: Services,
    key: Key,
    monitor: ModelMonitor,
    state: MonitorState,
    plan: Plan,
    seen: Seen,
    reachable: int,
) -> Injection:
    """Return the breaker's decision, the counts and the condition CollectorsReady."""
    previous = monitor.status.injection
    if seen.target is None:
        return Injection(BreakerDecision(previous), None, UNRESOLVED)
    now, image = services.clock.now(), services.settings.collector_image
    state.restarts = state.restarts.observe(seen.pods, now)
    breaker = decide_injection(
        InjectionView(
            pods=seen.pods,
            failures=seen.failures,
            restarts=state.restarts,
            previous=previous,
            monitor=key.name,
            created=parse_time(monitor.metadata.creation_timestamp),
            image=image,
            generation=monitor.metadata.generation,
            now=now,
            injectors=seen.injectors,
        )
    )
    target, capture = seen.target, capture_of(monitor.spec.collection)
    ports = [port.name for port in monitor.spec.collection.ports]
    recognised = state.collection.inbox.totals.recognised
    view = CoverageView(
        namespace=key.namespace,
        monitor=key.name,
        uid=monitor.metadata.uid,
        created=parse_time(monitor.metadata.creation_timestamp),
        workload=target.workload,
        pods=seen.pods,
        template_obstacle=capture_obstacle(target.template_metadata, target.template_spec, capture),
        network_obstacle=plan.network_obstacle,
        namespace_enabled=plan.namespace_problem is None,
        suspended=monitor.spec.suspend,
        injection=breaker.status,
        image=image,
        reachable=reachable,
        protocols=recognised_ports(recognised, ports, monitor.status.collection),
    )
    coverage = judge_coverage(view)
    without = max(target.replicas - coverage.counts.injected, 0)
    around = plan.surroundings
    words = "" if around is None else foreseen(monitor, target, without, around)
    return Injection(breaker, coverage, _told(coverage.condition, words), view, words)


def _told(condition: ConditionDraft, words: str) -> ConditionDraft:
    if not words:
        return condition
    return replace(condition, message=f"{condition.message}; {words}")


async def evict_pods(services: Services, monitor: ModelMonitor, pods: Sequence[PodView]) -> None:
    """Evict pods that their collector keeps from starting; the status says Open already.

    Raises
    ------
    NotLeadingError
        If another controller may be at work.
    """
    for pod in pods:
        services.check_fence()
        try:
            await services.api.evict(monitor.metadata.namespace, pod.name, pod.uid)
        except GatewayError as error:
            logger.warning("pod %s was not evicted: %s", pod.name, error)
            continue
        services.metrics.pods_evicted.inc()
        await services.announcer.event(
            monitor.metadata,
            EventReason.POD_EVICTED,
            f"pod {pod.name} was evicted because its collector kept it from serving; its "
            "replacement starts without one",
        )
