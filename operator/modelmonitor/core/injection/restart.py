"""The one restart that `spec.collection.restart: Once` allows: recreated pods get a collector.

    (nothing) ──all holds, self-test passed──▶ Requested ──annotation is there──▶ Restarting
                                                   │                               │     │
                                                   └────────▶ Failed ◀─────────────┘     ▼
                                                                                      Finished

Everything is decided from the status written before and from the workload as it is. `Requested` is
written before the effect, which is one annotation with a constant value: applied twice, it changes
nothing the second time. After Finished or Failed a monitor never restarts anything again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.conditions import CollectorsReason
from modelmonitor.api.v1alpha1.monitor import GROUP
from modelmonitor.api.v1alpha1.status import (
    BreakerState,
    InjectionStatus,
    RestartPhase,
    RestartStatus,
)
from modelmonitor.core.injection.coverage import SETTLING, MissedPod
from modelmonitor.core.injection.workloads import (
    DEPLOYMENT,
    REPLICA_SET,
    TEMPLATE_HASH_LABEL,
    Workload,
)
from modelmonitor.core.times import format_time, parse_time

RESTARTED_ANNOTATION: Final = f"{GROUP}/restarted"
"""Pod template annotation: UID of the monitor for which the pods were recreated."""
RESTART_MANAGER: Final = "modelmonitor-restart"
"""Field manager that owns this annotation and nothing else."""
LONGEST_RESTART: Final = 3600.0
"""Seconds after which a restart is no longer waited for."""
LONGEST_REQUEST: Final = 600.0
"""Seconds after which an annotation that does not stick is given up."""
UNDER_WAY: Final = frozenset({RestartPhase.REQUESTED, RestartPhase.RESTARTING})
_REPAIRED: Final = frozenset({CollectorsReason.AWAITING_RECREATION, CollectorsReason.NOT_INJECTED})
"""What recreation repairs."""
_TRIAL_HASH: Final = "selftest"


@dataclass(frozen=True, slots=True)
class Rollout:
    """How a workload brings a changed pod template to its pods, and how far it has come."""

    paused: bool = False
    manual: bool = False
    """Pods are replaced only as somebody deletes them."""
    settled: bool = True
    """Every pod is of the present template and ready."""
    owner: str = ""
    """What made the workload and would take an annotation back, such as `InferenceService web`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartView:
    """What the restart is decided from."""

    uid: str
    """Of the monitor."""
    created: float
    """When the monitor was created, seconds since the epoch."""
    wanted: bool
    """`spec.collection.restart` is Once."""
    hindrance: str
    """Why the monitor may not act at all: suspended, mode Observe, not Ready; empty: it may."""
    previous: RestartStatus | None
    """`status.restart` as it was written."""
    injection: InjectionStatus | None
    """The breaker, after this pass."""
    missed: Sequence[MissedPod]
    rollout: Rollout
    annotated: bool
    """The pod template carries this monitor's annotation."""
    useless: bool
    """Something keeps collectors from the traffic, or pods with one from being created; the
    condition tells what."""
    command: str
    """How a person restarts the workload."""
    now: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class RestartDecision:
    """What is to be written, said and done."""

    status: RestartStatus | None
    words: str = ""
    """What is being done about pods without a collector; empty: nothing, the usual advice holds."""
    test: bool = False
    """All that can be seen speaks for a restart: try, ask for the turn, then write `requested`."""
    apply: bool = False
    """The annotation is to be applied, once `status` is written."""


def decide_restart(view: RestartView) -> RestartDecision:
    """Return the next step of a monitor's restart."""
    previous = view.previous
    if previous is None or previous.uid != view.uid:
        return _begin(view)
    if previous.phase is RestartPhase.REQUESTED and not view.annotated:
        return _requested(view, previous)
    if previous.phase in UNDER_WAY:
        return _follow(view, previous)
    if not _repairable(view):
        return RestartDecision(previous)
    outcome = f": {previous.message}" if previous.message else ""
    return RestartDecision(
        previous,
        f"the one restart of spec.collection.restart was made at {previous.requested_at}{outcome}; "
        f"{view.command}",
    )


def requested(view: RestartView) -> RestartDecision:
    """Return the decision that follows a self-test that passed."""
    status = RestartStatus(
        phase=RestartPhase.REQUESTED, uid=view.uid, requested_at=format_time(view.now)
    )
    return RestartDecision(status, _words(status), apply=True)


def without_target(previous: RestartStatus | None, *, gone: bool, now: float) -> RestartDecision:
    """Return the decision while the target cannot be looked at; one that is `gone` ends it."""
    if previous is None or not gone or previous.phase not in UNDER_WAY:
        return RestartDecision(previous)
    return RestartDecision(_ended(previous, RestartPhase.FAILED, "the target was deleted", now))


def held(why: str) -> RestartDecision:
    """Return the decision to wait although a restart is wanted; `why` goes on with what to do."""
    return RestartDecision(None, f"its restart is held: {why}")


def is_under_way(status: RestartStatus | None, uid: str) -> bool:
    """Return whether a monitor's restart has begun and not ended."""
    return status is not None and status.uid == uid and status.phase in UNDER_WAY


def _begin(view: RestartView) -> RestartDecision:
    if not view.wanted or not _repairable(view):
        return RestartDecision(None)
    if view.annotated:  # the status was lost since
        return RestartDecision(None, f"its pods were recreated once already; {view.command}")
    against = _against(view)
    return held(against) if against else RestartDecision(None, test=True)


def _against(view: RestartView) -> str:
    """Return the first of what speaks against a restart; empty if nothing does."""
    rollout = view.rollout
    reasons = {
        f"{view.hindrance}; {view.command}": bool(view.hindrance),
        _breaker_trouble(view): bool(_breaker_trouble(view)),
        "what follows has to be mended first": view.useless,
        f"it belongs to {rollout.owner}; {view.command}": bool(rollout.owner),
        "its update strategy is OnDelete: delete the pods one by one": rollout.manual,
        "its rollout is paused, so that nothing would happen: resume it": rollout.paused,
        "a rollout is under way, whose end is awaited": not rollout.settled,
        "the monitor is a few seconds old": view.now < view.created + SETTLING,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _requested(view: RestartView, previous: RestartStatus) -> RestartDecision:
    if not view.wanted:
        return _end(view, previous, RestartPhase.FAILED, "it was called off before it was made")
    trouble = view.hindrance or _breaker_trouble(view)
    if trouble:
        return _end(view, previous, RestartPhase.FAILED, f"it was called off: {trouble}")
    if view.now - parse_time(previous.requested_at) > LONGEST_REQUEST:
        message = "the annotation was refused, or somebody takes it away at once"
        return _end(view, previous, RestartPhase.FAILED, message)
    return RestartDecision(previous, _words(previous), apply=True)


def _follow(view: RestartView, previous: RestartStatus) -> RestartDecision:
    trouble = _breaker_trouble(view)
    if trouble:
        return _end(view, previous, RestartPhase.FAILED, trouble)
    if view.rollout.settled:
        if _repairable(view):
            message = f"the pods were recreated, and {view.missed[0].name} carries no collector"
            return _end(view, previous, RestartPhase.FAILED, message)
        return _end(view, previous, RestartPhase.FINISHED, "")
    if view.now - parse_time(previous.requested_at) > LONGEST_RESTART:
        hours = f"{LONGEST_RESTART / 3600:.0f} h"
        return _end(view, previous, RestartPhase.FAILED, f"the rollout had not ended after {hours}")
    status = previous.model_copy(update={"phase": RestartPhase.RESTARTING})
    return RestartDecision(status, _words(status))


def _end(
    view: RestartView, previous: RestartStatus, phase: RestartPhase, message: str
) -> RestartDecision:
    status = _ended(previous, phase, message, view.now)
    words = f"its restart has failed: {message}; {view.command}" if message else ""
    return RestartDecision(status, words)


def _ended(previous: RestartStatus, phase: RestartPhase, message: str, now: float) -> RestartStatus:
    return previous.model_copy(
        update={"phase": phase, "message": message, "finished_at": format_time(now)}
    )


def _repairable(view: RestartView) -> bool:
    return any(pod.reason in _REPAIRED for pod in view.missed)


def _breaker_trouble(view: RestartView) -> str:
    if view.injection is None or view.injection.breaker is BreakerState.CLOSED:
        return ""
    return f"injection was paused ({view.injection.reason})"


def _words(status: RestartStatus) -> str:
    return f"the operator restarts it, as spec.collection.restart says, since {status.requested_at}"


def template_patch(workload: Workload, uid: str, monitor_uid: str) -> dict[str, Any]:
    """Return what is applied to a workload to have its pods recreated: one annotation.

    Parameters
    ----------
    workload
        The target.
    uid
        Its UID: another workload of that name is left alone.
    monitor_uid
        UID of the monitor, the annotation's constant value.
    """
    annotations = {RESTARTED_ANNOTATION: monitor_uid}
    return {
        "apiVersion": "apps/v1",
        "kind": workload.kind,
        "metadata": {"name": workload.name, "uid": uid},
        "spec": {"template": {"metadata": {"annotations": annotations}}},
    }


def trial_pod(
    workload: Workload, uid: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a pod as the workload would make it, for a dry run that shows what injection does.

    Parameters
    ----------
    workload, uid
        The target.
    metadata, spec
        Of its pod template.
    """
    labels = dict(metadata.get("labels") or {})
    owner = {"apiVersion": "apps/v1", "kind": workload.kind, "name": workload.name, "uid": uid}
    if workload.kind == DEPLOYMENT:
        labels[TEMPLATE_HASH_LABEL] = _TRIAL_HASH
        owner |= {"kind": REPLICA_SET, "name": f"{workload.name}-{_TRIAL_HASH}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{workload.name}-{_TRIAL_HASH}-",
            "labels": labels,
            "annotations": dict(metadata.get("annotations") or {}),
            "ownerReferences": [{**owner, "controller": True}],
        },
        "spec": dict(spec),
    }
