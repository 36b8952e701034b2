"""Statuses of passes that cannot go on: a spec that breaks rules, a conflict, an outage."""

from typing import Final

from pydantic import ValidationError

from modelmonitor.api.v1alpha1.conditions import (
    ConditionType,
    ReadyReason,
    ReconcilingReason,
    RetrainingReason,
)
from modelmonitor.api.v1alpha1.monitor import ModelMonitor, ObjectMeta
from modelmonitor.api.v1alpha1.parsing import InvalidMonitorError, without_nulls
from modelmonitor.api.v1alpha1.status import ConditionStatus, ModelMonitorStatus
from modelmonitor.controller.gateways.api_server import Body
from modelmonitor.controller.gateways.errors import GatewayError, TemporaryError
from modelmonitor.controller.reconcile import reporting, seeing
from modelmonitor.controller.reconcile.plan import Plan, invalid, plan_drafts
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.writing import announce, worth_writing, write_status
from modelmonitor.core.acting.status import ConditionDraft, Observations, compose

NOT_DECIDED: Final = ConditionDraft(
    ConditionType.RETRAINING_ACTIVE,
    ConditionStatus.UNKNOWN,
    RetrainingReason.NOT_TRIGGERED,
    "nothing is decided while the monitor cannot be judged",
)


async def write_invalid(services: Services, body: Body, error: InvalidMonitorError) -> None:
    """Write that the spec breaks a rule, naming the fields."""
    metadata = ObjectMeta.model_validate(without_nulls(body["metadata"]))
    try:
        previous = ModelMonitorStatus.model_validate(without_nulls(body.get("status") or {}))
    except ValidationError:
        previous = ModelMonitorStatus()
    suspended = bool((body.get("spec") or {}).get("suspend"))
    await _write(services, metadata, previous, invalid(str(error)), suspended=suspended)


async def write_blocked(services: Services, monitor: ModelMonitor, plan: Plan) -> None:
    """Write that a monitor may not be looked at any further: a conflict, a forbidden namespace."""
    await _write(services, monitor.metadata, monitor.status, plan, suspended=monitor.spec.suspend)


async def _write(
    services: Services,
    metadata: ObjectMeta,
    previous: ModelMonitorStatus,
    plan: Plan,
    *,
    suspended: bool,
) -> None:
    now = services.clock.now()
    drafts = [*plan_drafts(plan), seeing.UNRESOLVED, NOT_DECIDED]
    if not suspended:
        drafts.append(reporting.UNRESOLVED)
    status = compose(
        previous,
        Observations(
            generation=metadata.generation,
            suspended=suspended,
            drafts=drafts,
            metrics=(),
            now=now,
            injection=previous.injection,
            restart=previous.restart,
            retraining=previous.retraining,
        ),
    )
    if worth_writing(previous, status, None, now):
        await write_status(services, metadata, status)
        await announce(services, metadata, previous, status)


async def write_retrying(services: Services, monitor: ModelMonitor, error: TemporaryError) -> None:
    """Write that a new spec could not be looked at yet; an old verdict on it stays as it is."""
    metadata = monitor.metadata
    if monitor.status.observed_generation == metadata.generation:
        return
    message = f"tried again soon: {error}"
    unknown = plan_drafts(Plan(None, None, None, None, None, complete=False))
    drafts = [
        ConditionDraft(
            ConditionType.READY, ConditionStatus.UNKNOWN, ReadyReason.PROGRESSING, message
        ),
        ConditionDraft(
            ConditionType.RECONCILING,
            ConditionStatus.TRUE,
            ReconcilingReason.PROGRESSING_WITH_RETRY,
            message,
        ),
        *(draft for draft in unknown if draft.type is not ConditionType.READY),
        seeing.UNRESOLVED,
        NOT_DECIDED,
    ]
    previous = monitor.status
    status = compose(
        previous,
        Observations(
            generation=metadata.generation,
            suspended=monitor.spec.suspend,
            drafts=drafts,
            metrics=(),
            now=services.clock.now(),
            injection=previous.injection,
            restart=previous.restart,
            retraining=previous.retraining,
        ),
    )
    try:
        await write_status(services, metadata, status)
    except GatewayError:
        return  # the error that led here is the one to tell
