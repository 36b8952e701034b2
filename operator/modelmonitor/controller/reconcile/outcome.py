"""What a pass leads to: the retraining decision, the status, the events; in the order that holds.

First the status is written, then the Job is created, then the status is written again.
"""

from dataclasses import dataclass

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import ModelMonitorStatus, RestartStatus
from modelmonitor.controller.reconcile.plan import Plan
from modelmonitor.controller.reconcile.reporting import Found, status_of
from modelmonitor.controller.reconcile.retrain import Cause, Retrainer, retraining_draft
from modelmonitor.controller.reconcile.seeing import Injection
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.state import MonitorState
from modelmonitor.controller.reconcile.writing import announce, worth_writing, write_status
from modelmonitor.core.acting.retraining import Decision
from modelmonitor.core.acting.status import ConditionDraft
from modelmonitor.core.injection.collection import collection_status
from modelmonitor.core.judging.windows import COVERAGE_FLOOR


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a pass found, beside what was judged."""

    plan: Plan
    injection: Injection
    availability: ConditionDraft | None
    """MetricsAvailable where more is known than the verdicts say."""
    restart: RestartStatus | None


async def write_outcome(
    services: Services, monitor: ModelMonitor, state: MonitorState, outcome: Outcome
) -> None:
    """Write the status of a pass, create the Job that is due, and announce what changed.

    Afterwards the status says what `outcome` says, so that effects which must not come before it
    may follow.

    Raises
    ------
    ConflictError
        If the monitor was changed since it was read; nothing was done then.
    TemporaryError
        If the API server does not answer, or the lease was not renewed lately.
    """
    before = monitor.status.retraining
    retrainer = Retrainer(services, _cause(state, outcome.plan))
    decision = await retrainer.decide(monitor)
    if decision.create is not None:
        if decision.status != monitor.status.retraining:
            ahead = _status(services, monitor, state, outcome, decision)
            monitor = await _write(services, monitor, state, ahead)
        decision = await retrainer.start(monitor, decision.create)
    status = _status(services, monitor, state, outcome, decision)
    if worth_writing(monitor.status, status, state.written_at, services.clock.now()):
        monitor = await _write(services, monitor, state, status)
    await retrainer.tell_outcome(monitor, before, monitor.status.retraining)


def _cause(state: MonitorState, plan: Plan) -> Cause:
    memory = state.memory
    learning = memory.cells is not None and memory.comparator is None
    digest = "" if plan.loaded is None or learning else plan.loaded.digest
    return Cause(
        records=memory.records,
        verdicts=memory.verdicts,
        revision=memory.choice.judged,
        baseline_digest=digest,
        covered=memory.coverage is not None and memory.coverage >= COVERAGE_FLOOR,
    )


def _status(
    services: Services,
    monitor: ModelMonitor,
    state: MonitorState,
    outcome: Outcome,
    decision: Decision,
) -> ModelMonitorStatus:
    drafts = [outcome.injection.condition, retraining_draft(decision)]
    if outcome.availability is not None and not monitor.spec.suspend:
        drafts.append(outcome.availability)
    return status_of(
        monitor,
        state.memory,
        Found(
            plan=outcome.plan,
            now=services.clock.now(),
            collectors=outcome.injection.counts,
            collection=collection_status(
                state.memory.ticks[-1] if state.memory.ticks else None,
                state.collection.inbox.totals.recognised,
                [port.name for port in monitor.spec.collection.ports],
                monitor.status.collection,
            ),
            injection=outcome.injection.breaker.status,
            restart=outcome.restart,
            retraining=decision.status,
            drafts=drafts,
        ),
    )


async def _write(
    services: Services, monitor: ModelMonitor, state: MonitorState, status: ModelMonitorStatus
) -> ModelMonitor:
    metadata = await write_status(services, monitor.metadata, status)
    state.written_at = services.clock.now()
    await announce(services, metadata, monitor.status, status)
    return monitor.model_copy(update={"metadata": metadata, "status": status})
