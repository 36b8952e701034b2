"""From what a pass found to the status and the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.conditions import ConditionType, MetricsReason
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import (
    CollectionStatus,
    CollectorCounts,
    ConditionStatus,
    InjectionStatus,
    ModelMonitorStatus,
    RestartStatus,
    RetrainingStatus,
)
from modelmonitor.controller.reconcile.collection import Collection
from modelmonitor.controller.reconcile.history import Subject, baseline_draft, baseline_status
from modelmonitor.controller.reconcile.judging import Memory
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.controller.reconcile.plan import Plan, plan_drafts
from modelmonitor.controller.reconcile.ticking import Seen
from modelmonitor.controller.runtime.metrics import MetricSnapshot, MonitorSnapshot
from modelmonitor.core.acting.status import (
    ConditionDraft,
    JudgedMetric,
    Observations,
    alert_state,
    compose,
)
from modelmonitor.core.pane.totals import TrafficTotals
from modelmonitor.core.wire.configuration import PANE_PORT


@dataclass(frozen=True, slots=True)
class Found:
    """What a pass found out about one monitor, beside what was judged."""

    plan: Plan
    now: float
    collectors: CollectorCounts | None = None
    collection: CollectionStatus | None = None
    injection: InjectionStatus | None = None
    restart: RestartStatus | None = None
    retraining: RetrainingStatus | None = None
    drafts: Sequence[ConditionDraft] = ()
    """CollectorsReady, RetrainingActive, and MetricsAvailable where more than the verdicts is
    known."""


def status_of(monitor: ModelMonitor, memory: Memory | None, found: Found) -> ModelMonitorStatus:
    """Return the status of a pass.

    Parameters
    ----------
    monitor
        As it was read, with the status of the pass before.
    memory
        What was judged; None where nothing may be judged.
    found
        Everything else.
    """
    subject = Subject(monitor.metadata.uid, monitor.spec, found.plan.loaded)
    judged = memory is not None and bool(memory.ticks or memory.verdicts)
    return compose(
        monitor.status,
        Observations(
            generation=monitor.metadata.generation,
            suspended=monitor.spec.suspend,
            drafts=[*_plan_drafts(found.plan, subject, memory), *found.drafts],
            metrics=_judged_metrics(monitor, memory),
            now=found.now,
            collectors=found.collectors,
            baseline=baseline_status(subject, memory),
            revision="" if memory is None else memory.choice.judged,
            evaluated_at=memory.judged_until if memory is not None and judged else None,
            coverage=None if memory is None else memory.coverage,
            collection=found.collection,
            injection=found.injection,
            restart=found.restart,
            retraining=found.retraining,
        ),
    )


def _plan_drafts(plan: Plan, subject: Subject, memory: Memory | None) -> list[ConditionDraft]:
    """Return what the plan says; of a baseline that is made of panes, what became of them."""
    made = None if memory is None else baseline_draft(subject, memory)
    drafts = plan_drafts(plan)
    if made is None:
        return list(drafts)
    return [made if draft.type is made.type else draft for draft in drafts]


def _judged_metrics(monitor: ModelMonitor, memory: Memory | None) -> list[JudgedMetric]:
    if memory is None:
        return []
    return [
        JudgedMetric(metric, memory.verdicts.get(metric.name), memory.records.get(metric.name))
        for metric in monitor.spec.metrics
    ]


def snapshot_of(
    key: Key,
    monitor: ModelMonitor,
    memory: Memory,
    totals: TrafficTotals,
    pods: CollectorCounts | None,
) -> MonitorSnapshot:
    """Return what the metrics show of a monitor."""
    metrics = _judged_metrics(monitor, memory)
    return MonitorSnapshot(
        namespace=key.namespace,
        name=key.name,
        alert_state=alert_state(metrics, suspended=monitor.spec.suspend),
        metrics=tuple(
            MetricSnapshot(
                judged.metric.name,
                judged.state,
                None if judged.verdict is None else judged.verdict.value,
            )
            for judged in metrics
        ),
        evaluated_at=memory.judged_until if memory.verdicts else None,
        coverage=memory.coverage,
        pods=pods,
        totals=totals,
    )


def availability(
    seen: Seen, collection: Collection, reachable: int, namespace: str
) -> ConditionDraft | None:
    """Return MetricsAvailable where more is known than the verdicts say, else None.

    Parameters
    ----------
    seen
        The target and its pods.
    collection
        Their collectors.
    reachable
        Collectors that answered lately.
    namespace
        The operator's own, from which its requests come.
    """
    if seen.target is None:
        return UNRESOLVED
    if seen.pods and not seen.collected:
        return NO_COLLECTORS
    ready = [pod for pod in seen.collected if pod.ready and not pod.deleting]
    problems = collection.problems()
    if not ready or not problems or len(problems) < len(collection.sessions):
        return None
    if reachable:
        return ConditionDraft(
            ConditionType.METRICS_AVAILABLE,
            ConditionStatus.FALSE,
            MetricsReason.COLLECTOR_UNREACHABLE,
            f"{problems[0]}: recreate the pods, which may carry a deleted monitor's collector, "
            f"with `kubectl rollout restart {seen.target.workload}`",
        )
    policy = (
        "{policyTypes: [Ingress], podSelector: {}, ingress: [{from: [{namespaceSelector: "
        f"{{matchLabels: {{kubernetes.io/metadata.name: {namespace}}}}}}}], "
        f"ports: [{{port: {PANE_PORT}}}]}}]}}"
    )
    return ConditionDraft(
        ConditionType.METRICS_AVAILABLE,
        ConditionStatus.FALSE,
        MetricsReason.COLLECTOR_UNREACHABLE,
        f"none of {len(ready)} collectors answers ({problems[0]}); where a NetworkPolicy isolates "
        f"the pods, add one with the spec {policy}",
    )


UNRESOLVED: Final = ConditionDraft(
    ConditionType.METRICS_AVAILABLE,
    ConditionStatus.FALSE,
    MetricsReason.TARGET_NOT_RESOLVED,
    MetricsReason.TARGET_NOT_RESOLVED.sentence,
)
"""MetricsAvailable of a monitor that has no target."""
NO_COLLECTORS: Final = ConditionDraft(
    ConditionType.METRICS_AVAILABLE,
    ConditionStatus.FALSE,
    MetricsReason.NO_COLLECTORS,
    MetricsReason.NO_COLLECTORS.sentence,
)
"""MetricsAvailable of a monitor none of whose pods carries a collector."""
