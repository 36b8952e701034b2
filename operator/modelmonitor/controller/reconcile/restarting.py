"""Recreating pods once, where `spec.collection.restart` asks for it.

First the self-test: a pod as the workload would make it, created in a dry run, comes back with a
collector only if an injector answers, the namespace enables it, and nothing refuses such a pod.
Then the status says `Requested`, then one annotation is applied. Whatever dies in between, the next
pass finds the status or the annotation and comes to the same restart.
"""

import logging
import re
from typing import Final

from modelmonitor.api.v1alpha1.collection import Restart
from modelmonitor.api.v1alpha1.conditions import ReadyReason
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.spec import Mode
from modelmonitor.api.v1alpha1.status import RestartPhase, RestartStatus
from modelmonitor.controller.gateways.api_server import PODS
from modelmonitor.controller.gateways.errors import (
    AccessDeniedError,
    ConflictError,
    PermanentError,
    TemporaryError,
)
from modelmonitor.controller.reconcile.objects import RESOURCES, Key, Target
from modelmonitor.controller.reconcile.plan import Plan
from modelmonitor.controller.reconcile.seeing import Injection
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.state import MonitorState, SelfTest
from modelmonitor.core.injection.capture import has_collector
from modelmonitor.core.injection.coverage import restart_command
from modelmonitor.core.injection.restart import (
    RESTART_MANAGER,
    RESTARTED_ANNOTATION,
    RestartDecision,
    RestartView,
    decide_restart,
    held,
    requested,
    template_patch,
    trial_pod,
    without_target,
)
from modelmonitor.core.times import parse_time

logger = logging.getLogger(__name__)

_LACKS_A_RIGHT: Final = re.compile(r'User "[^"]*" cannot \w+ resource ')
"""What the API server says where nothing grants a right."""
OTHERS_FIRST: Final = "another workload is being restarted, and this one follows"
TEST_EVERY: Final = 15.0
"""Seconds between two self-tests of one monitor."""


async def decide(
    services: Services,
    key: Key,
    monitor: ModelMonitor,
    state: MonitorState,
    plan: Plan,
    injection: Injection,
) -> RestartDecision:
    """Return the next step of a monitor's restart.

    Raises
    ------
    TemporaryError
        If the API server does not answer.
    """
    target = plan.target
    now = services.clock.now()
    if target is None:
        return without_target(monitor.status.restart, gone=_is_gone(plan), now=now)
    view = _view(services, key, monitor, plan, target, injection)
    decision = decide_restart(view)
    if not decision.test:
        return decision
    if services.turns.is_taken(key, now):
        return held(OTHERS_FIRST)
    problem = await _tested(services, key, monitor, state, target)
    if problem:
        return held(f"{problem}; {view.command}")
    # Another one may have been faster meanwhile.
    return requested(view) if services.turns.take(key, now) else held(OTHERS_FIRST)


def _is_gone(plan: Plan) -> bool:
    problem = plan.target_problem
    return problem is not None and problem.reason is ReadyReason.TARGET_NOT_FOUND


def _view(
    services: Services,
    key: Key,
    monitor: ModelMonitor,
    plan: Plan,
    target: Target,
    injection: Injection,
) -> RestartView:
    uid = monitor.metadata.uid
    annotations = target.template_metadata.get("annotations") or {}
    return RestartView(
        uid=uid,
        created=parse_time(monitor.metadata.creation_timestamp),
        wanted=monitor.spec.collection.restart is Restart.ONCE,
        hindrance=_hindrance(monitor, plan),
        previous=monitor.status.restart,
        injection=injection.breaker.status,
        missed=injection.missed,
        rollout=target.rollout,
        annotated=annotations.get(RESTARTED_ANNOTATION) == uid,
        useless=bool(injection.foreseen),
        command=restart_command(target.workload, key.namespace),
        now=services.clock.now(),
    )


def _hindrance(monitor: ModelMonitor, plan: Plan) -> str:
    if monitor.spec.suspend:
        return "the monitor is suspended"
    if monitor.spec.mode is Mode.OBSERVE:
        return "spec.mode is Observe, in which no action is taken"
    if plan.problem is not None:
        return "the monitor is not ready"
    return ""


async def _tested(
    services: Services, key: Key, monitor: ModelMonitor, state: MonitorState, target: Target
) -> str:
    now, last = services.clock.now(), state.self_test
    if last is None or now - last.at >= TEST_EVERY:
        problem = await _test(services, key, monitor, target)
        last = state.self_test = SelfTest(now, problem)
    return last.problem


async def _test(services: Services, key: Key, monitor: ModelMonitor, target: Target) -> str:
    """Return what would keep a recreated pod from a collector; empty if nothing would."""
    workload = target.workload
    pod = trial_pod(workload, target.uid, target.template_metadata, target.template_spec)
    patch = template_patch(workload, target.uid, monitor.metadata.uid)
    try:
        made = await services.api.try_create(PODS, key.namespace, pod)
        await services.api.try_apply(
            RESOURCES[workload.kind], key.namespace, patch, RESTART_MANAGER
        )
    except AccessDeniedError as error:
        # Admission answers with the same code, in other words.
        if not _LACKS_A_RIGHT.search(str(error)):
            return f"a dry run was refused: {error}"
        return (
            "the operator may not restart workloads: set restart.enabled to true in the values of "
            "its chart"
        )
    except (ConflictError, PermanentError) as error:
        return f"a dry run was refused: {error}"
    except TemporaryError as error:
        # Also a full quota. The pass goes on: nothing else depends on this.
        return f"a dry run failed: {error}"
    if not has_collector(made.get("spec") or {}):
        return "a pod made in a dry run came back without a collector: look at the injector's log"
    return ""


async def carry_out(services: Services, key: Key, plan: Plan, restart: RestartStatus) -> None:
    """Apply the annotation of a restart; the status says `Requested` already.

    Raises
    ------
    NotLeadingError
        If another controller may be at work.
    TemporaryError
        If the API server does not answer; the next pass applies it again, which changes nothing.
    """
    target = plan.target
    if target is None or restart.phase is not RestartPhase.REQUESTED:
        return
    services.check_fence()
    patch = template_patch(target.workload, target.uid, restart.uid)
    resource = RESOURCES[target.workload.kind]
    try:
        await services.api.apply(resource, key.namespace, patch, RESTART_MANAGER)
    except (ConflictError, PermanentError) as error:
        # The dry run had passed a moment ago; the next pass tries again or calls it off.
        logger.warning("%s of %s was not restarted: %s", target.workload, key, error)
        return
    services.metrics.restarts.inc()
    logger.info("restarted", extra={"monitor": str(key), "workload": str(target.workload)})
