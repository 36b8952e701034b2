"""The plan of a monitor: whether all that its spec names is there, and if not, what to do about it.

Facts are gathered by `Planner`, one question to the API server after the other; what they mean is
decided here too, as the first problem in a fixed order. Ready says only this; it never depends on
pods, traffic, data or alerts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.conditions import (
    NEEDS_A_PERSON,
    BaselineReason,
    ConditionType,
    ReadyReason,
    TargetReason,
)
from modelmonitor.api.v1alpha1.monitor import INJECTION_LABEL, ModelMonitor
from modelmonitor.api.v1alpha1.spec import TargetRef
from modelmonitor.api.v1alpha1.status import ConditionStatus, Episode, EpisodePhase
from modelmonitor.controller.gateways.api_server import JOBS, NAMESPACES, ApiServer, Body
from modelmonitor.controller.gateways.errors import (
    AccessDeniedError,
    AlreadyExistsError,
    PermanentError,
)
from modelmonitor.controller.reconcile.baseline import (
    Baselines,
    Loaded,
    Missing,
)
from modelmonitor.controller.reconcile.claims import Claims
from modelmonitor.controller.reconcile.network_policies import NetworkPolicies
from modelmonitor.controller.reconcile.objects import RESOURCES, Key, Target, parse_target
from modelmonitor.controller.reconcile.surroundings import Neighbourhoods
from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.core.acting.retraining_job import Owner, job_manifest
from modelmonitor.core.acting.status import ConditionDraft
from modelmonitor.core.injection.capture import (
    CaptureObstacle,
    Obstacle,
    capture_obstacle,
    capture_of,
)
from modelmonitor.core.injection.preflight import Surroundings
from modelmonitor.core.injection.workloads import INFERENCE_SERVICE, TARGETS_TEXT, target_workload
from modelmonitor.core.settings import Settings
from modelmonitor.core.times import format_time

INJECTION_ENABLED: Final = "enabled"
JOB_CHECK_LIFE: Final = 600.0
"""Seconds for which a Job template that was accepted is not tried again; policies may change."""

_READY_REASONS: Final = {reason.value: reason for reason in ReadyReason}
_TARGET_REASONS: Final = {reason.value: reason for reason in TargetReason}


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a monitor from being Ready."""

    reason: ReadyReason
    message: str
    """What is wrong and what to do, one sentence."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What was found of all that a spec names."""

    target: Target | None
    target_problem: Problem | None
    namespace_problem: Problem | None
    baseline: Loaded | Missing | None
    """None where the spec names none."""
    job_problem: Problem | None
    complete: bool = True
    """False where the first problem kept the rest from being looked at."""
    network_obstacle: CaptureObstacle | None = None
    """The NetworkPolicy that would cut injected pods off. It comes first: the injector reads in
    Ready that it must not inject, whatever else is wrong."""
    surroundings: Surroundings | None = None
    """What stands around the target; None where pods are not injected anyway."""

    @property
    def problem(self) -> Problem | None:
        """The first problem, in the order in which a person would solve them."""
        return (
            _network_problem(self.network_obstacle)
            or self.target_problem
            or self.namespace_problem
            or _baseline_problem(self.baseline)
            or self.job_problem
        )

    @property
    def loaded(self) -> Loaded | None:
        """The baseline in force."""
        return self.baseline if isinstance(self.baseline, Loaded) else None


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A Job template that the API server accepted."""

    generation: int
    """Of the spec it stands in."""
    at: float
    """Seconds on the monotonic clock."""


class Planner:
    """Asks the API server for what specs name."""

    def __init__(
        self,
        api: ApiServer,
        baselines: Baselines,
        claims: Claims,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._api = api
        self._baselines = baselines
        self._claims = claims
        self._settings = settings
        self._clock = clock
        self._network_policies = NetworkPolicies(api)
        self._neighbourhoods = Neighbourhoods(api, clock)
        self._accepted: dict[str, _Accepted] = {}

    def forget(self, uid: str) -> None:
        """Forget what was found out about a monitor."""
        self._accepted.pop(uid, None)

    async def plan(self, key: Key, monitor: ModelMonitor) -> Plan:
        """Return the plan of a monitor.

        Raises
        ------
        TemporaryError
            If the API server does not answer.
        """
        if not self._settings.looks_at(key.namespace):
            return _only(_forbidden(key))
        winner = self._claims.winner(key)
        if winner is not None:
            return _only(_conflicted(monitor, winner))
        target, target_problem = await self._target(key, monitor)
        network_obstacle, surroundings = None, None
        if target is not None and target_problem is None:
            capture = capture_of(monitor.spec.collection)
            network_obstacle = await self._network_policies.obstacle(key, target, capture)
            surroundings = await self._neighbourhoods.of(key.namespace)
        return Plan(
            target=target,
            target_problem=target_problem,
            namespace_problem=await self._namespace(key),
            baseline=await self._baselines.of(key, monitor.spec),
            job_problem=await self._job(key, monitor),
            network_obstacle=network_obstacle,
            surroundings=surroundings,
        )

    async def _target(
        self, key: Key, monitor: ModelMonitor
    ) -> tuple[Target | None, Problem | None]:
        reference = monitor.spec.target_ref
        workload = target_workload(reference)
        if workload is None:
            return None, Problem(
                ReadyReason.TARGET_KIND_UNSUPPORTED,
                f"spec.targetRef: {reference.api_version} {reference.kind} cannot be watched: "
                f"name a {TARGETS_TEXT}",
            )
        try:
            body = await self._api.get(RESOURCES[workload.kind], key.namespace, workload.name)
        except AccessDeniedError as error:
            return None, _denied("read the target", error)
        if body is None:
            return None, Problem(
                ReadyReason.TARGET_NOT_FOUND,
                f"spec.targetRef: there is no {workload.kind} {workload.name} in namespace "
                f"{key.namespace}: {_what_to_create(reference)}",
            )
        target = parse_target(workload, body)
        capture = capture_of(monitor.spec.collection)
        obstacle = capture_obstacle(target.template_metadata, target.template_spec, capture)
        if obstacle is None:
            return target, None
        port_missing = obstacle.reason is Obstacle.PORT_NOT_FOUND
        reason = ReadyReason.PORT_NOT_FOUND if port_missing else ReadyReason.CAPTURE_IMPOSSIBLE
        return target, Problem(reason, f"{workload.kind} {workload.name}: {obstacle.message}")

    async def _namespace(self, key: Key) -> Problem | None:
        try:
            body = await self._api.get(NAMESPACES, None, key.namespace)
        except AccessDeniedError as error:
            return _denied("read namespaces", error)
        labels = {} if body is None else body["metadata"].get("labels") or {}
        if labels.get(INJECTION_LABEL) == INJECTION_ENABLED:
            return None
        return Problem(
            ReadyReason.NAMESPACE_NOT_ENABLED,
            f"pods of this namespace get no collector: run `kubectl label namespace "
            f"{key.namespace} {INJECTION_LABEL}={INJECTION_ENABLED}`",
        )

    async def _job(self, key: Key, monitor: ModelMonitor) -> Problem | None:
        retraining, metadata = monitor.spec.retraining, monitor.metadata
        if retraining is None:
            return None
        now, last = self._clock.monotonic(), self._accepted.get(metadata.uid)
        fresh = last is not None and now - last.at < JOB_CHECK_LIFE
        if fresh and last is not None and last.generation == metadata.generation:
            return None
        owner = Owner(key.name, key.namespace, metadata.uid)
        job = job_manifest(retraining.job.template, owner, _trial_episode(key.name), "{}")
        problem = await self._try(key, job)
        if problem is None:
            self._accepted[metadata.uid] = _Accepted(metadata.generation, now)
        return problem

    async def _try(self, key: Key, job: Body) -> Problem | None:
        try:
            await self._api.try_create(JOBS, key.namespace, job)
        except AlreadyExistsError:
            return None
        except AccessDeniedError as error:
            return _denied("create the retraining Job", error)
        except PermanentError as error:
            if "does not support dry run" in str(error):
                return None  # a webhook in the way; the Job itself may well be created
            return Problem(
                ReadyReason.JOB_TEMPLATE_INVALID, f"spec.retraining.job.template: {error}"
            )
        return None


def _trial_episode(monitor: str) -> Episode:
    """Return the episode of the dry run; it has no number that a real one can have."""
    return Episode(
        number=1,
        opened_at=format_time(0),
        revision="",
        baseline_digest="",
        phase=EpisodePhase.OPENED,
        metrics=[],
        job_name=f"{monitor}-rt-0-dryrun",
    )


def _only(problem: Problem) -> Plan:
    """Return the plan of a monitor that may not be looked at any further."""
    return Plan(None, problem, None, None, None, complete=False)


def _forbidden(key: Key) -> Problem:
    return Problem(
        ReadyReason.NAMESPACE_FORBIDDEN,
        f"monitors are not allowed in namespace {key.namespace}: create it beside its target, in "
        "a namespace that the operator looks at",
    )


def _conflicted(monitor: ModelMonitor, winner: str) -> Problem:
    target = monitor.spec.target_ref
    return Problem(
        ReadyReason.CONFLICTED,
        f"the older monitor {winner} watches {target.kind} {target.name} already, and one monitor "
        "per workload is supported so far: delete one of the two, or join their metrics in one",
    )


def _denied(what: str, error: AccessDeniedError) -> Problem:
    return Problem(
        ReadyReason.ACCESS_DENIED, f"the operator may not {what}: {error}; check its role"
    )


def _what_to_create(reference: TargetRef) -> str:
    if reference.kind != INFERENCE_SERVICE:
        return "create it, or name another one"
    return (
        f"create the InferenceService {reference.name} in KServe's Standard mode, or name the "
        "Deployment of a Knative revision"
    )


def _network_problem(obstacle: CaptureObstacle | None) -> Problem | None:
    if obstacle is None:
        return None
    return Problem(ReadyReason.CAPTURE_IMPOSSIBLE, obstacle.message)


def _baseline_problem(baseline: Loaded | Missing | None) -> Problem | None:
    if not isinstance(baseline, Missing):
        return None
    return Problem(_READY_REASONS[baseline.reason.value], baseline.message)


def invalid(message: str) -> Plan:
    """Return the plan of a monitor whose spec breaks a rule."""
    return _only(Problem(ReadyReason.INVALID_SPEC, message))


def plan_drafts(plan: Plan) -> Sequence[ConditionDraft]:
    """Return Ready, TargetResolved and BaselineReady, and Stalled where a person must act."""
    return [_ready(plan), _target_resolved(plan), _baseline_ready(plan), *_stalled(plan)]


def _ready(plan: Plan) -> ConditionDraft:
    problem = plan.problem
    if problem is None:
        return ConditionDraft(
            ConditionType.READY,
            ConditionStatus.TRUE,
            ReadyReason.SUCCEEDED,
            ReadyReason.SUCCEEDED.sentence,
        )
    return ConditionDraft(
        ConditionType.READY, ConditionStatus.FALSE, problem.reason, problem.message
    )


def _stalled(plan: Plan) -> list[ConditionDraft]:
    problem = plan.problem
    if problem is None or problem.reason not in NEEDS_A_PERSON:
        return []
    return [
        ConditionDraft(ConditionType.STALLED, ConditionStatus.TRUE, problem.reason, problem.message)
    ]


def _target_resolved(plan: Plan) -> ConditionDraft:
    problem, target = plan.target_problem, plan.target
    if problem is None and target is not None:
        return ConditionDraft(
            ConditionType.TARGET_RESOLVED,
            ConditionStatus.TRUE,
            TargetReason.TARGET_FOUND,
            f"{target.workload.kind} {target.workload.name} and its ports were found",
        )
    reason = None if problem is None else _TARGET_REASONS.get(problem.reason.value)
    if problem is not None and reason is not None:
        return ConditionDraft(
            ConditionType.TARGET_RESOLVED, ConditionStatus.FALSE, reason, problem.message
        )
    if target is not None:  # found, and something else is wrong with it
        return ConditionDraft(
            ConditionType.TARGET_RESOLVED,
            ConditionStatus.TRUE,
            TargetReason.TARGET_FOUND,
            f"{target.workload.kind} {target.workload.name} was found",
        )
    return ConditionDraft(
        ConditionType.TARGET_RESOLVED,
        ConditionStatus.UNKNOWN,
        TargetReason.PROGRESSING,
        TargetReason.PROGRESSING.sentence,
    )


def _baseline_ready(plan: Plan) -> ConditionDraft:
    kind = ConditionType.BASELINE_READY
    if isinstance(plan.baseline, Missing):
        return ConditionDraft(
            kind, ConditionStatus.FALSE, plan.baseline.reason, plan.baseline.message
        )
    if isinstance(plan.baseline, Loaded):
        rows = plan.baseline.profile.rows
        message = f"{plan.baseline.digest[:19]} from {rows} rows"
        return ConditionDraft(kind, ConditionStatus.TRUE, BaselineReason.LOADED, message)
    if not plan.complete:
        return ConditionDraft(
            kind,
            ConditionStatus.UNKNOWN,
            BaselineReason.PROGRESSING,
            BaselineReason.PROGRESSING.sentence,
        )
    return ConditionDraft(
        kind,
        ConditionStatus.TRUE,
        BaselineReason.NOT_REQUIRED,
        BaselineReason.NOT_REQUIRED.sentence,
    )
