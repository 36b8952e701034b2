"""Retraining episodes: when a Job is started, and why it is started only once.

An episode is opened in the status before anything else happens, names its Job by its number, and is
closed when its cause has gone. `decide` is a pure function of the status, the alerts and the Job
that is seen; calling it again after a crash at any point leads to the same Job.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.conditions import EpisodeCause, RetrainingReason
from modelmonitor.api.v1alpha1.spec import Match, Mode, ModelMonitorSpec, Retraining, Severity
from modelmonitor.api.v1alpha1.status import (
    ConditionStatus,
    Episode,
    EpisodePhase,
    RetrainingRun,
    RetrainingStatus,
)
from modelmonitor.core.acting.alert import ALERTING, AlertRecord
from modelmonitor.core.times import format_time, parse_time

HISTORY_LIMIT: Final = 10
"""Finished runs that the status keeps."""

LIVE: Final = frozenset({EpisodePhase.OPENED, EpisodePhase.RUNNING})
"""Phases in which a Job is due or runs."""


class JobPhase(StrEnum):
    """How far a Job has come."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class JobView:
    """The Job of an episode as it is seen in the cluster."""

    name: str
    owned: bool
    """Its controller is this monitor, by UID."""
    phase: JobPhase
    created_at: float
    """Seconds since the epoch."""
    finished_at: float | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision is made from."""

    name: str
    """Name of the monitor."""
    uid: str
    spec: ModelMonitorSpec
    previous: RetrainingStatus | None
    records: Mapping[str, AlertRecord]
    """Metric name → alert record."""
    revision: str
    """Revision of the target that is judged; empty before one is known."""
    baseline_digest: str
    covered: bool
    """Enough of the traffic was observed to act on it."""
    job: JobView | None
    """The Job with the name of the present episode, whoever owns it."""
    now: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write, and what to do after it has been written."""

    status: RetrainingStatus | None
    create: Episode | None
    """The episode whose Job is to be created now; only after `status` has been stored."""
    active: ConditionStatus
    reason: RetrainingReason
    message: str


def job_name(monitor: str, uid: str, number: int) -> str:
    """Return the name of an episode's Job: equal input, equal name, on every controller."""
    suffix = hashlib.sha256(f"{uid}/{number}".encode()).hexdigest()[:6]
    return f"{monitor}-rt-{number}-{suffix}"


def triggers(retraining: Retraining, records: Mapping[str, AlertRecord]) -> tuple[str, ...]:
    """Return the metrics that call for retraining; empty when the trigger is not met."""
    when = retraining.when
    firing = tuple(
        name
        for name in when.metrics
        if (record := records.get(name)) is not None
        and record.state in ALERTING
        and not record.no_data
        and (when.severity is Severity.WARNING or record.severity is Severity.CRITICAL)
    )
    met = len(firing) == len(when.metrics) if when.match is Match.ALL else bool(firing)
    return firing if met else ()


def decide(facts: Facts) -> Decision:
    """Return the next retraining status and the Job to create, if any.

    The caller stores `status` with compare-and-swap first; on a conflict it reads again and decides
    again. Then it creates the Job of `create` and decides once more with the Job that it sees.
    """
    followed = _follow(facts)
    retraining = facts.spec.retraining
    if retraining is None:
        return _idle(followed, RetrainingReason.NOT_CONFIGURED, "spec.retraining is not set")
    firing = triggers(retraining, facts.records)
    episode = followed.episode
    if episode is not None and episode.phase in LIVE:
        return _live(facts, followed, episode, firing)
    if episode is not None and episode.phase is not EpisodePhase.CLOSED:
        closed = _close_if_over(facts, episode, firing)
        followed = followed.model_copy(update={"episode": closed})
        episode = closed
    if not firing:
        return _idle(followed, *_last_run(followed))
    if episode is not None and episode.phase is EpisodePhase.SUCCEEDED:
        return _idle(
            followed,
            RetrainingReason.JOB_SUCCEEDED,
            f"Job {episode.job_name} succeeded and {', '.join(firing)} still fires; "
            "no further Job starts for this episode",
        )
    held = _held(facts, retraining, followed)
    if held is not None:
        return _idle(followed, *held)
    opened = _open(facts, followed, firing)
    return Decision(
        followed.model_copy(update={"episode": opened}),
        opened,
        ConditionStatus.TRUE,
        RetrainingReason.JOB_PENDING,
        f"{', '.join(firing)} fired; Job {opened.job_name} is being created",
    )


def _follow(facts: Facts) -> RetrainingStatus:
    """Return the status after what is seen of the present episode's Job."""
    status = facts.previous or RetrainingStatus()
    episode, job = status.episode, facts.job
    if episode is None or episode.phase not in LIVE or job is None or not job.owned:
        return status
    update: dict[str, object] = {"last_started_at": format_time(job.created_at)}
    if job.phase is JobPhase.RUNNING:
        update["episode"] = episode.model_copy(update={"phase": EpisodePhase.RUNNING})
        return status.model_copy(update=update)
    finished = facts.now if job.finished_at is None else job.finished_at
    run = RetrainingRun(
        number=episode.number,
        job_name=job.name,
        started_at=format_time(job.created_at),
        finished_at=format_time(finished),
        outcome=job.phase.value,
        message=job.message[:1024],
    )
    update["episode"] = episode.model_copy(update={"phase": EpisodePhase(job.phase.value)})
    update["history"] = [run, *status.history][:HISTORY_LIMIT]
    if job.phase is JobPhase.SUCCEEDED:
        update["last_succeeded_at"] = format_time(finished)
    return status.model_copy(update=update)


def _live(
    facts: Facts, status: RetrainingStatus, episode: Episode, firing: Sequence[str]
) -> Decision:
    joined = [*episode.metrics, *(name for name in firing if name not in episode.metrics)]
    episode = episode.model_copy(update={"metrics": joined[:32]})
    if facts.job is not None and not facts.job.owned:
        lost = _closed(facts, episode, EpisodeCause.JOB_NAME_TAKEN)
        return _idle(
            status.model_copy(update={"episode": lost}),
            RetrainingReason.JOB_NAME_TAKEN,
            f"a Job named {episode.job_name} exists and is not this monitor's; delete it",
        )
    if episode.phase is EpisodePhase.RUNNING:
        return _running(facts, status, episode)
    if facts.spec.suspend or facts.spec.mode is Mode.OBSERVE:
        closed = _closed(facts, episode, EpisodeCause.SUSPENDED)
        return _idle(
            status.model_copy(update={"episode": closed}),
            RetrainingReason.NOT_TRIGGERED,
            "the monitor was suspended before the Job was created",
        )
    return Decision(
        status.model_copy(update={"episode": episode}),
        episode,
        ConditionStatus.TRUE,
        RetrainingReason.JOB_PENDING,
        f"{', '.join(episode.metrics)} fired; Job {episode.job_name} is being created",
    )


def _running(facts: Facts, status: RetrainingStatus, episode: Episode) -> Decision:
    if facts.job is None:
        lost = _closed(facts, episode, EpisodeCause.JOB_LOST)
        return _idle(
            status.model_copy(update={"episode": lost}),
            RetrainingReason.JOB_LOST,
            f"Job {episode.job_name} was deleted before it finished",
        )
    return Decision(
        status.model_copy(update={"episode": episode}),
        None,
        ConditionStatus.TRUE,
        RetrainingReason.JOB_RUNNING,
        f"Job {episode.job_name} runs because {', '.join(episode.metrics)} fired",
    )


def _close_if_over(facts: Facts, episode: Episode, firing: Sequence[str]) -> Episode:
    if facts.baseline_digest and facts.baseline_digest != episode.baseline_digest:
        return _closed(facts, episode, EpisodeCause.NEW_BASELINE)
    still = any(
        (record := facts.records.get(name)) is not None and record.state in ALERTING
        for name in episode.metrics
    )
    if not firing and not still:
        return _closed(facts, episode, EpisodeCause.RECOVERED)
    return episode


def _closed(facts: Facts, episode: Episode, cause: EpisodeCause) -> Episode:
    return episode.model_copy(
        update={
            "phase": EpisodePhase.CLOSED,
            "closed_at": format_time(facts.now),
            "cause": cause.value,
        }
    )


def _held(
    facts: Facts, retraining: Retraining, status: RetrainingStatus
) -> tuple[RetrainingReason, str] | None:
    """Return why no Job may start now although the trigger is met, or None."""
    if facts.spec.suspend:
        return RetrainingReason.SUSPENDED, "spec.suspend is true"
    if facts.spec.mode is Mode.OBSERVE:
        return RetrainingReason.OBSERVE_MODE, "spec.mode is Observe: a Job would have been started"
    if not facts.covered:
        return RetrainingReason.HELD, "too little of the traffic is observed to act on it"
    if status.last_started_at is None:
        return None
    ready_at = parse_time(status.last_started_at) + parse_duration(retraining.cooldown)
    if facts.now >= ready_at:
        return None
    return (
        RetrainingReason.COOLING_DOWN,
        (
            f"the last run started {status.last_started_at}; the next may start "
            f"{format_time(ready_at)}"
        ),
    )


def _open(facts: Facts, status: RetrainingStatus, firing: Sequence[str]) -> Episode:
    last = status.episode.number if status.episode is not None else 0
    number = max([last, *(run.number for run in status.history)]) + 1
    return Episode(
        number=number,
        opened_at=format_time(facts.now),
        revision=facts.revision,
        baseline_digest=facts.baseline_digest,
        phase=EpisodePhase.OPENED,
        metrics=list(firing),
        job_name=job_name(facts.name, facts.uid, number),
    )


def _last_run(status: RetrainingStatus) -> tuple[RetrainingReason, str]:
    if not status.history:
        return (
            RetrainingReason.NOT_TRIGGERED,
            "the trigger is not met; there was no run yet",
        )
    run = status.history[0]
    succeeded = run.outcome == JobPhase.SUCCEEDED.value
    return (
        RetrainingReason.JOB_SUCCEEDED if succeeded else RetrainingReason.JOB_FAILED,
        (
            f"the trigger is not met; the last run, Job {run.job_name}, "
            f"{'succeeded' if succeeded else 'failed'} at {run.finished_at}"
        ),
    )


def _idle(status: RetrainingStatus, reason: RetrainingReason, message: str) -> Decision:
    stored = None if status == RetrainingStatus() else status
    return Decision(stored, None, ConditionStatus.FALSE, reason, message)
