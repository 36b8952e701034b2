"""Which pods are injected: the decision for one pod, from memory, without asking the API server."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from modelmonitor.api.v1alpha1.base import NAME_PATTERN
from modelmonitor.api.v1alpha1.monitor import INJECT_ANNOTATION
from modelmonitor.api.v1alpha1.status import BreakerState
from modelmonitor.core.injection.capture import has_collector
from modelmonitor.core.injection.workloads import Workload, workload_of
from modelmonitor.core.settings import Settings
from modelmonitor.injector.mutation import Mutation, mutate, revisit, untouched
from modelmonitor.injector.plan import InjectionPlan, PlanBook
from modelmonitor.injector.sidecar import CollectorImage

MAX_MONITOR_NAME: Final = 40
TRIAL_PAUSE: Final = 600.0
"""Seconds between two trial pods while the breaker is half open: one pod, not one per second."""
UNKNOWN_PATIENCE: Final = 600.0
"""Seconds for which pods of a monitor that is not known are injected. Without a monitor nobody
watches over their start, so that the annotation bridges the order of one deployment, no more."""
MAX_UNKNOWN: Final = 4096
"""Names of unknown monitors that are remembered; the oldest is forgotten first."""


class Skipped(StrEnum):
    """Why a pod was not even considered for mutation."""

    NOT_MONITORED = "NotMonitored"
    NOT_OURS = "NotOurs"
    NO_ROOT_KEYS = "NoRootKeys"
    INVALID_ANNOTATION = "InvalidAnnotation"
    OTHER_TARGET = "OtherTarget"
    MONITOR_UNKNOWN = "MonitorUnknown"
    SUSPENDED = "Suspended"
    INJECTION_PAUSED = "InjectionPaused"
    CAPTURE_IMPOSSIBLE = "CaptureImpossible"


@dataclass(frozen=True, slots=True)
class PodRequest:
    """The part of an admission request that decides."""

    uid: str
    namespace: str
    pod: Mapping[str, Any]
    dry_run: bool = False
    creates_pod: bool = True


class Admission:
    """The decision for each pod; remembers only which trials it has given out."""

    def __init__(
        self, settings: Settings, plans: PlanBook, monotonic: Callable[[], float], version: str
    ) -> None:
        self._settings = settings
        self._plans = plans
        self._monotonic = monotonic
        self._version = version
        self._trials: dict[tuple[str, str], tuple[str, float]] = {}
        self._unknown: dict[tuple[str, str], float] = {}
        self.root_keys = ""
        """Value of `MM_ROOT_KEYS`; empty until the controller has published it."""

    def decide(self, request: PodRequest) -> Mutation:
        """Return what is to be done to the pod of this request."""
        if not request.creates_pod or not self._settings.looks_at(request.namespace):
            return untouched(Skipped.NOT_OURS, "not a pod that this injector looks at")
        metadata, spec = request.pod.get("metadata") or {}, request.pod.get("spec") or {}
        if has_collector(spec):
            return revisit(request.pod)
        workload = workload_of(metadata)
        wanted = (metadata.get("annotations") or {}).get(INJECT_ANNOTATION, "")
        plan = self._plan(request.namespace, workload, wanted)
        if isinstance(plan, Mutation):
            return plan
        if not self.root_keys:
            return untouched(
                Skipped.NO_ROOT_KEYS, "the controller has not published its public key yet"
            )
        mutation = mutate(request.pod, plan, self._collector())
        if not mutation.patch or not self._on_trial(plan):
            return mutation
        return self._trial(plan, mutation, dry_run=request.dry_run)

    def _plan(
        self, namespace: str, workload: Workload | None, wanted: str
    ) -> InjectionPlan | Mutation:
        known = self._plans.by_workload(namespace, workload) if workload is not None else None
        if known is not None:
            return _held(known) or known
        if not wanted or workload is None:
            return untouched(Skipped.NOT_MONITORED, "no monitor watches the pod's workload")
        if len(wanted) > MAX_MONITOR_NAME or not re.fullmatch(NAME_PATTERN, wanted):
            return untouched(
                Skipped.INVALID_ANNOTATION,
                f"the annotation {INJECT_ANNOTATION} holds no name of a monitor",
            )
        if self._plans.by_name(namespace, wanted) is not None:
            return untouched(
                Skipped.OTHER_TARGET, f"the monitor {wanted} does not watch {workload}"
            )
        if not self._patient_with(namespace, wanted):
            return untouched(
                Skipped.MONITOR_UNKNOWN,
                f"there is no monitor {wanted}: create it, or remove the annotation "
                f"{INJECT_ANNOTATION}",
            )
        return InjectionPlan(namespace=namespace, monitor=wanted, workload=workload)

    def _patient_with(self, namespace: str, monitor: str) -> bool:
        key, now = (namespace, monitor), self._monotonic()
        if key not in self._unknown and len(self._unknown) >= MAX_UNKNOWN:
            self._unknown.pop(next(iter(self._unknown)))
        return now - self._unknown.setdefault(key, now) < UNKNOWN_PATIENCE

    def _on_trial(self, plan: InjectionPlan) -> bool:
        return plan.breaker.state is BreakerState.HALF_OPEN

    def _trial(self, plan: InjectionPlan, mutation: Mutation, *, dry_run: bool) -> Mutation:
        key, now = (plan.namespace, plan.monitor), self._monotonic()
        since, given = self._trials.get(key, ("", now))
        given_lately = since == plan.breaker.since and now - given < TRIAL_PAUSE
        # Replicas do not know of each other: the controller says whose the trial is.
        others = plan.breaker.trial_injector not in {"", self._settings.pod_name}
        if given_lately or others or plan.breaker.trial_pod:
            return untouched(
                Skipped.INJECTION_PAUSED, f"one pod is on trial: {plan.breaker.message}"
            )
        if not dry_run:
            self._trials[key] = (plan.breaker.since, now)
        return mutation

    def _collector(self) -> CollectorImage:
        return CollectorImage(
            image=self._settings.collector_image,
            pull_policy=self._settings.collector_pull_policy,
            root_keys=self.root_keys,
            version=self._version,
        )


def _held(plan: InjectionPlan) -> Mutation | None:
    if plan.suspended:
        return untouched(Skipped.SUSPENDED, f"the monitor {plan.monitor} is suspended")
    if plan.obstacle:
        return untouched(Skipped.CAPTURE_IMPOSSIBLE, plan.obstacle)
    if plan.breaker.state is BreakerState.OPEN:
        return untouched(Skipped.INJECTION_PAUSED, plan.breaker.message)
    return None
