"""What the injector keeps of each monitor, and which monitor a pod is for.

No parsed spec is kept: a plan is a few names and numbers, so that thousands of monitors cost little
and the webhook answers from memory.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from modelmonitor.api.v1alpha1.collection import Quantities
from modelmonitor.api.v1alpha1.conditions import ConditionType, ReadyReason
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import BreakerState, ConditionStatus, ModelMonitorStatus
from modelmonitor.core.injection.capture import Capture, WantedPort, capture_of
from modelmonitor.core.injection.workloads import Workload, precedence, target_workload

DEFAULT_PORT: Final = "http"
"""Captured where a pod template asks for a monitor that is not known yet."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """The circuit breaker of a monitor, as its status says."""

    state: BreakerState = BreakerState.CLOSED
    since: str = ""
    message: str = ""
    trial_injector: str = ""
    """The only replica that may inject the trial pod; empty: any."""
    trial_pod: str = ""
    """The pod on trial, once there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionPlan:
    """How pods of one monitor are injected."""

    namespace: str
    monitor: str
    monitor_uid: str = ""
    """Empty while the monitor is not known: the collector then takes the UID that the first
    accepted configuration names."""
    created: str = ""
    """The monitor's creationTimestamp."""
    workload: Workload | None = None
    capture: Capture = field(default=Capture((WantedPort(DEFAULT_PORT),)))
    requests: Quantities = field(default=Quantities(cpu="50m", memory="96Mi"))
    limits: Quantities = field(default=Quantities(memory="256Mi"))
    suspended: bool = False
    breaker: Breaker = field(default=Breaker())
    obstacle: str = ""
    """Why the controller found that pods cannot be captured, with the fix; empty: they can. It sees
    more than the pod, such as NetworkPolicies."""

    @property
    def precedence(self) -> tuple[str, str]:
        """Sort key among the monitors of one workload: the oldest comes first."""
        return precedence(self.created, self.monitor)


def plan_of(monitor: ModelMonitor) -> InjectionPlan:
    """Return what the injector keeps of a monitor."""
    injection = monitor.status.injection
    collection = monitor.spec.collection
    return InjectionPlan(
        namespace=monitor.metadata.namespace,
        monitor=monitor.metadata.name,
        monitor_uid=monitor.metadata.uid,
        created=monitor.metadata.creation_timestamp,
        workload=target_workload(monitor.spec.target_ref),
        capture=capture_of(collection),
        requests=collection.resources.requests,
        limits=collection.resources.limits,
        suspended=monitor.spec.suspend,
        breaker=Breaker()
        if injection is None
        else Breaker(
            injection.breaker,
            injection.since,
            injection.message,
            injection.trial_injector or "",
            injection.trial_pod or "",
        ),
        obstacle=_obstacle(monitor.status),
    )


def _obstacle(status: ModelMonitorStatus) -> str:
    """Return the message of Ready where it says that capture is impossible, else nothing."""
    return next(
        (
            condition.message
            for condition in status.conditions
            if condition.type == ConditionType.READY
            and condition.status is ConditionStatus.FALSE
            and condition.reason == ReadyReason.CAPTURE_IMPOSSIBLE.value
        ),
        "",
    )


class PlanBook:
    """All known monitors, by name and by the workload that they watch."""

    def __init__(self) -> None:
        self._by_name: dict[tuple[str, str], InjectionPlan] = {}
        self._by_workload: dict[tuple[str, Workload], list[InjectionPlan]] = {}

    def __len__(self) -> int:
        return len(self._by_name)

    def replace(self, namespace: str | None, plans: Iterable[InjectionPlan]) -> None:
        """Keep these plans and forget all others of the namespace; None: of all namespaces."""
        kept = list(plans)
        for plan in kept:
            self.put(plan)
        names = {(plan.namespace, plan.monitor) for plan in kept}
        for place, monitor in set(self._by_name) - names:
            if namespace is None or place == namespace:
                self.remove(place, monitor)

    def put(self, plan: InjectionPlan) -> None:
        """Keep a plan in place of the one of the same monitor."""
        self.remove(plan.namespace, plan.monitor)
        self._by_name[plan.namespace, plan.monitor] = plan
        if plan.workload is not None:
            claims = self._by_workload.setdefault((plan.namespace, plan.workload), [])
            claims.append(plan)
            claims.sort(key=lambda claim: claim.precedence)

    def remove(self, namespace: str, monitor: str) -> None:
        """Forget a monitor, if it is known."""
        plan = self._by_name.pop((namespace, monitor), None)
        if plan is None or plan.workload is None:
            return
        claims = self._by_workload[namespace, plan.workload]
        claims.remove(plan)
        if not claims:
            del self._by_workload[namespace, plan.workload]

    def by_name(self, namespace: str, monitor: str) -> InjectionPlan | None:
        """Return the plan of a monitor, None if it is not known."""
        return self._by_name.get((namespace, monitor))

    def by_workload(self, namespace: str, workload: Workload) -> InjectionPlan | None:
        """Return the plan of the oldest monitor of a workload, None if nothing watches it."""
        claims = self._by_workload.get((namespace, workload))
        return claims[0] if claims else None
