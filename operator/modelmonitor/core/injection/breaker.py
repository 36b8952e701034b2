"""The circuit breaker of injection: an injected pod that cannot start is an outage.

    Closed ──a pod cannot start because of the collector──▶ Open ──after a delay──▶ HalfOpen
      ▲ ▲                                                     │ ▲                     │ │
      │ └──────────── spec or image changed ──────────────────┘ └─── it cannot start ─┘ │
      └─────────────────────────── the trial pod is ready ──────────────────────────────┘

Everything is decided from the status written before and from the pods as they are, so that a
controller that starts anew decides the same; only the count of recent restarts of pods older than
that count begins again. The caller does three things with a decision, in this order: write
`status`, evict `evict` (by name *and* UID, so that a new pod of the same name is not hit), and
decide again at `next_check`. While a write fails nothing may be evicted: the replacement would be
injected again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.conditions import BreakerReason
from modelmonitor.api.v1alpha1.status import BreakerState, InjectionStatus
from modelmonitor.core.injection.crashes import RESTART_WINDOW, RestartLog
from modelmonitor.core.injection.pods import PodView
from modelmonitor.core.injection.refusals import CreateFailure, blame
from modelmonitor.core.times import format_time, parse_time

MAX_WAIT: Final = 60.0
"""Seconds that a pod may wait for its collector."""
MAX_RESTARTS: Final = 3
"""Restarts of one collector within RESTART_WINDOW seconds that open the breaker."""
PROPAGATION: Final = 3.0
"""Seconds for the injectors to see an opened breaker; what is evicted earlier may come back
injected."""
MAKE_ROOM_AFTER: Final = 20.0
"""Seconds after which ready pods give back what their collectors took from a quota: by then the
ReplicaSet, whose pauses between tries double, has tried again without a collector."""
FIRST_RETRY: Final = 600.0
LONGEST_RETRY: Final = 6 * 3600.0
"""Seconds until one pod is tried again; doubles each time it fails."""
FORGET_AFTER: Final = 6 * 3600.0
"""Seconds closed after which a failure counts as the first again."""
LONGEST_TRIAL: Final = 900.0
"""Seconds from its creation in which a pod on trial must become ready: longer than most models take
to load. One that takes longer is left alone, and closes the breaker when it is ready after all."""
CLOCK_DIFFERENCE: Final = 60.0
"""Seconds by which the API server's clock may differ from ours."""
_MAX_MESSAGE: Final = 1024

_IMAGE_REASONS: Final = frozenset(
    {
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_FAILING_REASONS: Final = _IMAGE_REASONS | {
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "StartError",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionView:
    """What the breaker decides from."""

    pods: Sequence[PodView]
    """All pods of the target."""
    failures: Sequence[CreateFailure]
    """Why pods of the target cannot be created; `core.injection.refusals.create_failures`."""
    restarts: RestartLog
    """After `observe` of these pods."""
    previous: InjectionStatus | None
    """`status.injection` as it was written."""
    monitor: str
    created: float
    """When the monitor was created, seconds since the epoch; what was refused before was not
    refused because of its collector."""
    image: str
    """The image that the injector uses now."""
    generation: int
    """`metadata.generation` of the monitor."""
    now: float
    """Seconds since the epoch."""
    injectors: Sequence[str] = ()
    """Pods of the injector that are ready, where one has to be named for a trial; none: not known,
    and any of them may inject a pod."""


@dataclass(frozen=True, slots=True)
class BreakerDecision:
    """What is to be written and done; see the module for the order."""

    status: InjectionStatus | None
    """None as long as the breaker never opened."""
    evict: tuple[PodView, ...] = ()
    next_check: float | None = None
    """When to decide again even if nothing happens, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class _Trouble:
    reason: BreakerReason
    message: str
    trial_pod: str | None = None
    """The pod that may still succeed."""


def decide_injection(view: InjectionView) -> BreakerDecision:
    """Return the breaker's state after what is seen, and the pods to evict for it."""
    status = _next_status(view)
    evict = _evictions(view, status)
    return BreakerDecision(status, evict, _next_check(view, status))


def is_paused(status: InjectionStatus | None) -> bool:
    """Return whether new pods are, but for one on trial, admitted without a collector."""
    return status is not None and status.breaker is not BreakerState.CLOSED


def _next_status(view: InjectionView) -> InjectionStatus | None:
    previous = view.previous
    state = BreakerState.CLOSED if previous is None else previous.breaker
    if previous is not None and state is not BreakerState.CLOSED:
        if previous.image != view.image:
            return _closed(view, BreakerReason.IMAGE_CHANGED)
        if previous.generation != view.generation:
            return _closed(view, BreakerReason.SPEC_CHANGED)
        if state is BreakerState.OPEN:
            return _after_open(view, previous)
    trouble = _trouble(view)
    if trouble is not None:
        return _opened(view, trouble)
    if previous is not None and state is BreakerState.HALF_OPEN:
        if any(pod.ready for pod in _on_trial(view)):
            return _closed(view, BreakerReason.TRIAL_SUCCEEDED, failures=previous.failures)
        return _with_trial(view, previous)
    return previous


def trial_is_due(previous: InjectionStatus | None, now: float) -> bool:
    """Return whether a trial is under way or about to begin, so that `injectors` are asked for."""
    if previous is None or previous.breaker is BreakerState.CLOSED:
        return False
    if previous.breaker is BreakerState.HALF_OPEN:
        return True
    return previous.retry_at is not None and now >= parse_time(previous.retry_at)


def _after_open(view: InjectionView, previous: InjectionStatus) -> InjectionStatus:
    if any(pod.ready and pod.name == previous.trial_pod for pod in _injected(view)):
        return _closed(view, BreakerReason.TRIAL_SUCCEEDED, failures=previous.failures)
    if not trial_is_due(previous, view.now):
        return previous
    message = f"the next new pod is injected as a trial; before: {previous.message}"
    status = _status(
        view, BreakerState.HALF_OPEN, BreakerReason.TRIAL, message, previous.failures, None
    )
    return status.model_copy(update={"trial_injector": min(view.injectors, default=None)})


def _with_trial(view: InjectionView, previous: InjectionStatus) -> InjectionStatus:
    """Return the status with who may inject the trial pod, and which that is, as it is now."""
    on_trial = {pod.name for pod in _on_trial(view)}
    keeps = previous.trial_pod in on_trial
    pod = previous.trial_pod if keeps else min(on_trial, default=None)
    known = not view.injectors or previous.trial_injector in view.injectors
    injector = previous.trial_injector if known else min(view.injectors)
    return previous.model_copy(update={"trial_pod": pod, "trial_injector": injector})


def _on_trial(view: InjectionView) -> list[PodView]:
    """Return the pods that were injected since the breaker was half open."""
    begun = _since(view) - CLOCK_DIFFERENCE
    return [pod for pod in _injected(view) if pod.created >= begun]


def _opened(view: InjectionView, trouble: _Trouble) -> InjectionStatus:
    failures = _failures_before(view) + 1
    delay = min(LONGEST_RETRY, FIRST_RETRY * 2.0 ** min(failures - 1, 16))
    message = f"{trouble.message}; new pods start without a collector"
    status = _status(view, BreakerState.OPEN, trouble.reason, message, failures, view.now + delay)
    return status.model_copy(update={"trial_pod": trouble.trial_pod})


def _failures_before(view: InjectionView) -> int:
    previous = view.previous
    if previous is None:
        return 0
    closed_for = view.now - parse_time(previous.since)
    if previous.breaker is BreakerState.CLOSED and closed_for > FORGET_AFTER:
        return 0
    return previous.failures


def _closed(view: InjectionView, reason: BreakerReason, failures: int = 0) -> InjectionStatus:
    return _status(view, BreakerState.CLOSED, reason, reason.sentence, failures, None)


def _status(
    view: InjectionView,
    state: BreakerState,
    reason: BreakerReason,
    message: str,
    failures: int,
    retry_at: float | None,
) -> InjectionStatus:
    return InjectionStatus(
        breaker=state,
        reason=reason.value,
        message=message if len(message) <= _MAX_MESSAGE else f"{message[: _MAX_MESSAGE - 1]}…",
        since=format_time(view.now),
        image=view.image,
        generation=view.generation,
        failures=failures,
        retry_at=None if retry_at is None else format_time(retry_at),
    )


def _injected(view: InjectionView) -> list[PodView]:
    return [
        pod
        for pod in view.pods
        if pod.counts and pod.collector is not None and pod.monitor == view.monitor
    ]


def _trouble(view: InjectionView) -> _Trouble | None:
    """Return why injection must stop: the first of waiting, restarting and refused pods."""
    injected = _injected(view)
    for pod in injected:
        waited = _waited(pod, view.now)
        if waited is not None and waited > MAX_WAIT:
            return _Trouble(_reason_of_wait(pod), _describe_wait(pod, waited))
    for pod in injected:
        recent = view.restarts.recent(pod)
        if recent >= MAX_RESTARTS:
            return _Trouble(
                BreakerReason.COLLECTOR_CRASHING,
                f"the collector of pod {pod.name} restarted {recent} times within "
                f"{RESTART_WINDOW / 60:.0f} minutes{_last_words(pod)}",
            )
    begun = injecting_since(view.created, view.previous)
    for failure in view.failures:
        reason = blame(failure)
        if reason is not None and failure.since >= begun:
            return _Trouble(reason, f"pods with a collector are refused: {failure.message}")
    return _late_trial(view)


def injecting_since(created: float, previous: InjectionStatus | None) -> float:
    """Return since when pods are injected, or one is on trial, seconds since the epoch.

    What was refused before says nothing about collectors. The breaker's own time is of our clock:
    it is better to blame a collector for what began a moment before than to never notice. Only
    while it is open nobody is blamed, and what led to that must not count as what goes on.

    Parameters
    ----------
    created
        When the monitor was created, seconds since the epoch.
    previous
        The breaker as it was written.
    """
    if previous is None:
        return created
    leeway = 0.0 if previous.breaker is BreakerState.OPEN else CLOCK_DIFFERENCE
    return max(created, parse_time(previous.since) - leeway)


def _late_trial(view: InjectionView) -> _Trouble | None:
    previous = view.previous
    if previous is None or previous.breaker is not BreakerState.HALF_OPEN:
        return None
    for pod in _on_trial(view):
        if not pod.was_ready and view.now - pod.created > LONGEST_TRIAL:
            return _Trouble(
                BreakerReason.TRIAL_TIMED_OUT,
                f"pod {pod.name}, on trial with a collector, was not ready after "
                f"{LONGEST_TRIAL / 60:.0f} minutes and is left alone",
                pod.name,
            )
    return None


def _evictions(view: InjectionView, status: InjectionStatus | None) -> tuple[PodView, ...]:
    """Return the pods that are to be replaced by plain ones.

    Pods that were never ready and are held up by their collector: at once. For a full quota also
    what holds the room: pods that were never ready, then ready ones, one at a time.
    """
    if status is None or status.breaker is not BreakerState.OPEN:
        return ()
    opened_for = view.now - parse_time(status.since)
    if opened_for < PROPAGATION:
        return ()
    injected = _injected(view)
    stuck = tuple(pod for pod in injected if not pod.was_ready and _is_stuck(pod, view.now))
    if status.reason != BreakerReason.QUOTA_EXCEEDED.value or not _still_refused(view):
        return stuck
    young = tuple(pod for pod in injected if not pod.was_ready)
    if young or opened_for < MAKE_ROOM_AFTER or any(pod.deleting for pod in view.pods):
        return young
    # The youngest has served the fewest; the quota is free again only when it is gone.
    return tuple(sorted(injected, key=lambda pod: (-pod.created, pod.name))[:1])


def _still_refused(view: InjectionView) -> bool:
    return any(blame(failure) is BreakerReason.QUOTA_EXCEEDED for failure in view.failures)


def _next_check(view: InjectionView, status: InjectionStatus | None) -> float | None:
    moments = [
        pod.collector.awaited_since + MAX_WAIT + 1
        for pod in _injected(view)
        if pod.collector is not None and pod.collector.awaited_since is not None
    ]
    if status is not None and status.breaker is BreakerState.HALF_OPEN:
        moments += [pod.created + LONGEST_TRIAL + 1 for pod in _on_trial(view)]
    if status is not None and status.breaker is BreakerState.OPEN:
        since = parse_time(status.since)
        # Times in the status are rounded down to seconds.
        moments += [since + PROPAGATION + 1, since + MAKE_ROOM_AFTER + 1]
        if status.retry_at is not None:
            moments.append(parse_time(status.retry_at) + 1)
    return min((moment for moment in moments if moment > view.now), default=None)


def _since(view: InjectionView) -> float:
    return view.now if view.previous is None else parse_time(view.previous.since)


def _waited(pod: PodView, now: float) -> float | None:
    if pod.ready or pod.collector is None or pod.collector.awaited_since is None:
        return None
    return now - pod.collector.awaited_since


def _is_stuck(pod: PodView, now: float) -> bool:
    waited = _waited(pod, now)
    if waited is None or pod.collector is None:
        return False
    failing = pod.collector.reason in _FAILING_REASONS or pod.collector.restarts > 0
    return failing or waited > MAX_WAIT


def _reason_of_wait(pod: PodView) -> BreakerReason:
    if pod.collector is not None and pod.collector.reason in _IMAGE_REASONS:
        return BreakerReason.IMAGE_UNAVAILABLE
    if pod.collector is not None and pod.collector.restarts > 0:
        return BreakerReason.COLLECTOR_CRASHING
    return BreakerReason.COLLECTOR_NOT_STARTING


def _describe_wait(pod: PodView, waited: float) -> str:
    return f"pod {pod.name} waits for its collector since {waited:.0f} s{_last_words(pod)}"


def _last_words(pod: PodView) -> str:
    """Return what the kubelet says of the collector, shortened."""
    if pod.collector is None:
        return ""
    words = [word for word in (pod.collector.reason, pod.collector.message[-300:]) if word]
    return f" ({': '.join(words)})" if words else ""
