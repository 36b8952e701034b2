"""Telling people: Kubernetes events on transitions, and one log line per changed verdict.

Events are for `kubectl describe` and are limited per monitor; the decision log is for finding out
later why something happened, and is complete.
"""

import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.monitor import ObjectMeta
from modelmonitor.controller.gateways.api_server import EVENTS, MONITORS, ApiServer
from modelmonitor.controller.gateways.errors import GatewayError
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.controller.runtime.metrics import WorkMetrics
from modelmonitor.core.acting.alert import AlertRecord, Change
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.times import format_time

logger = logging.getLogger(__name__)
decisions = logging.getLogger("modelmonitor.decisions")

BURST: Final = 25
"""Events of one monitor within `WINDOW`; what is beyond stands in the status and the log."""
WINDOW: Final = 600.0
"""Seconds."""
MAX_MESSAGE: Final = 1024


class EventReason(StrEnum):
    """Reasons of the events that the controller posts on monitors."""

    READY = "Ready"
    STALLED = "Stalled"
    ALERT_FIRED = "AlertFired"
    ALERT_ESCALATED = "AlertEscalated"
    ALERT_EASED = "AlertEased"
    ALERT_RESOLVED = "AlertResolved"
    BASELINE_CHANGED = "BaselineChanged"
    INJECTION_PAUSED = "InjectionPaused"
    INJECTION_RESUMED = "InjectionResumed"
    POD_EVICTED = "PodEvicted"
    RESTART_STARTED = "RestartStarted"
    RESTART_FINISHED = "RestartFinished"
    RESTART_FAILED = "RestartFailed"
    RETRAINING_STARTED = "RetrainingStarted"
    RETRAINING_SUCCEEDED = "RetrainingSucceeded"
    RETRAINING_FAILED = "RetrainingFailed"
    RETRAINING_REFUSED = "RetrainingRefused"


OF_CHANGE: Final[Mapping[Change, EventReason]] = {
    Change.FIRED: EventReason.ALERT_FIRED,
    Change.ESCALATED: EventReason.ALERT_ESCALATED,
    Change.EASED: EventReason.ALERT_EASED,
    Change.RESOLVED: EventReason.ALERT_RESOLVED,
}

_NORMAL: Final = frozenset(
    {
        EventReason.READY,
        EventReason.ALERT_EASED,
        EventReason.ALERT_RESOLVED,
        EventReason.BASELINE_CHANGED,
        EventReason.INJECTION_RESUMED,
        EventReason.RESTART_STARTED,
        EventReason.RESTART_FINISHED,
        EventReason.RETRAINING_STARTED,
        EventReason.RETRAINING_SUCCEEDED,
    }
)


@dataclass
class EventBudget:
    """When the last events of one monitor were posted."""

    times: deque[float] = field(default_factory=deque)

    def spend(self, now: float) -> bool:
        """Return whether one more event may be posted, and count it."""
        while self.times and self.times[0] <= now - WINDOW:
            self.times.popleft()
        if len(self.times) >= BURST:
            return False
        self.times.append(now)
        return True


class Announcer:
    """Posts events and writes the decision log."""

    def __init__(self, api: ApiServer, clock: Clock, metrics: WorkMetrics, identity: str) -> None:
        self._api = api
        self._clock = clock
        self._metrics = metrics
        self._identity = identity
        self._count = 0
        self._budgets: dict[str, EventBudget] = {}

    def forget(self, uid: str) -> None:
        """Forget how many events a monitor had."""
        self._budgets.pop(uid, None)

    async def event(self, metadata: ObjectMeta, reason: EventReason, message: str) -> None:
        """Post an event on a monitor; one that cannot be posted is only logged."""
        now = self._clock.now()
        if not self._budgets.setdefault(metadata.uid, EventBudget()).spend(now):
            return
        self._count += 1
        text = message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
        body: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": f"{metadata.name}.{int(now * 1e6):x}.{self._count:x}",
                "namespace": metadata.namespace,
            },
            "involvedObject": {
                "apiVersion": MONITORS.api_version,
                "kind": MONITORS.kind,
                "namespace": metadata.namespace,
                "name": metadata.name,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "type": "Normal" if reason in _NORMAL else "Warning",
            "reason": reason.value,
            "message": text,
            "source": {"component": "modelmonitor-controller"},
            "reportingComponent": "modelmonitor.dev/controller",
            "reportingInstance": self._identity,
            "firstTimestamp": format_time(now),
            "lastTimestamp": format_time(now),
            "count": 1,
        }
        try:
            await self._api.create(EVENTS, metadata.namespace, body)
            self._metrics.events.labels(reason.value).inc()
        except GatewayError as error:
            logger.warning(
                "event %s on %s/%s: %s", reason, metadata.namespace, metadata.name, error
            )


def log_decision(key: Key, metric: Metric, verdict: Verdict, record: AlertRecord) -> None:
    """Write one line of the decision log."""
    decisions.info(
        "%s %s is %s: %s",
        key,
        metric.name,
        record.state.value,
        verdict.message,
        extra={
            "monitor": str(key),
            "metric": metric.name,
            "type": metric.type.value,
            "outcome": verdict.outcome.value,
            "severity": None if verdict.level is None else verdict.level.value,
            "value": verdict.value,
            "threshold": verdict.threshold,
            "samples": verdict.samples,
            "window": verdict.window,
            "reason": verdict.reason,
            "state": record.state.value,
            "since": format_time(record.since),
            "columns": [finding.column for finding in verdict.findings],
        },
    )


def decision_changed(
    before: tuple[Verdict | None, AlertRecord | None], after: tuple[Verdict, AlertRecord]
) -> bool:
    """Return whether a verdict differs from the one before in more than its numbers."""
    verdict_before, record_before = before
    verdict, record = after
    if verdict_before is None or record_before is None:
        return True
    return (
        verdict_before.outcome is not verdict.outcome
        or verdict_before.level is not verdict.level
        or verdict_before.reason != verdict.reason
        or record_before.state is not record.state
        or record_before.severity is not record.severity
    )
