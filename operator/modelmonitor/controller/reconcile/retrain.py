"""Carrying out retraining decisions: first the status is written, then the Job is created.

Whatever fails or dies in between, the next pass decides again from the status and the Job that it
finds, and comes to the same Job.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from modelmonitor.api.v1alpha1.conditions import ConditionType, RetrainingReason
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.status import (
    ConditionStatus,
    Episode,
    EpisodePhase,
    RetrainingStatus,
)
from modelmonitor.controller.gateways.api_server import JOBS
from modelmonitor.controller.gateways.errors import (
    AlreadyExistsError,
    PermanentError,
)
from modelmonitor.controller.reconcile.announce import EventReason
from modelmonitor.controller.reconcile.objects import parse_job
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.core.acting.alert import AlertRecord
from modelmonitor.core.acting.retraining import (
    LIVE,
    Decision,
    Facts,
    JobView,
    decide,
)
from modelmonitor.core.acting.retraining_job import Owner, evidence_document, job_manifest
from modelmonitor.core.acting.status import ConditionDraft
from modelmonitor.core.judging.verdict import Verdict

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cause:
    """What a retraining decision is made from, beside the monitor itself."""

    records: Mapping[str, AlertRecord]
    verdicts: Mapping[str, Verdict]
    revision: str
    baseline_digest: str
    covered: bool


class Retrainer:
    """Retraining of one monitor within one pass."""

    def __init__(self, services: Services, cause: Cause) -> None:
        self._services = services
        self._cause = cause

    async def decide(self, monitor: ModelMonitor) -> Decision:
        """Return the decision on what is seen now.

        Raises
        ------
        TemporaryError
            If the API server does not answer.
        """
        return self._decide(monitor, await self._job(monitor))

    async def start(self, monitor: ModelMonitor, episode: Episode) -> Decision:
        """Create the Job of an episode that has been written, and return the next decision.

        Raises
        ------
        TemporaryError
            If the API server does not answer, or the lease was not renewed lately.
        """
        metadata, retraining = monitor.metadata, monitor.spec.retraining
        if retraining is None:
            return await self.decide(monitor)
        owner = Owner(metadata.name, metadata.namespace, metadata.uid)
        evidence = evidence_document(owner, episode, list(self._cause.verdicts.values()))
        manifest = job_manifest(retraining.job.template, owner, episode, evidence)
        self._services.check_fence()
        try:
            body = await self._services.api.create(JOBS, metadata.namespace, manifest)
        except AlreadyExistsError:
            return await self.decide(monitor)  # made by a pass before this one, or not ours
        except PermanentError as error:
            return await self._refused(monitor, episode, error)
        self._services.metrics.jobs_created.inc()
        logger.info(
            "retraining started",
            extra={
                "monitor": f"{metadata.namespace}/{metadata.name}",
                "job": episode.job_name,
                "episode": episode.number,
                "metrics": list(episode.metrics),
            },
        )
        await self._tell(
            monitor,
            EventReason.RETRAINING_STARTED,
            f"Job {episode.job_name} was created because {', '.join(episode.metrics)} fired",
        )
        return self._decide(monitor, parse_job(body, metadata.uid))

    async def tell_outcome(
        self, monitor: ModelMonitor, before: RetrainingStatus | None, after: RetrainingStatus | None
    ) -> None:
        """Post an event on a run that has ended between two statuses."""
        if after is None or not after.history:
            return
        if before is not None and before.history and before.history[0] == after.history[0]:
            return
        run = after.history[0]
        succeeded = run.outcome == EpisodePhase.SUCCEEDED.value
        await self._tell(
            monitor,
            EventReason.RETRAINING_SUCCEEDED if succeeded else EventReason.RETRAINING_FAILED,
            f"Job {run.job_name} {'succeeded' if succeeded else 'failed'}"
            + (f": {run.message}" if run.message else ""),
        )

    def _decide(self, monitor: ModelMonitor, job: JobView | None) -> Decision:
        return decide(
            Facts(
                name=monitor.metadata.name,
                uid=monitor.metadata.uid,
                spec=monitor.spec,
                previous=monitor.status.retraining,
                records=self._cause.records,
                revision=self._cause.revision,
                baseline_digest=self._cause.baseline_digest,
                covered=self._cause.covered,
                job=job,
                now=self._services.clock.now(),
            )
        )

    async def _job(self, monitor: ModelMonitor) -> JobView | None:
        status = monitor.status.retraining
        episode = None if status is None else status.episode
        if episode is None or episode.phase not in LIVE:
            return None
        body = await self._services.api.get(JOBS, monitor.metadata.namespace, episode.job_name)
        return None if body is None else parse_job(body, monitor.metadata.uid)

    async def _refused(
        self, monitor: ModelMonitor, episode: Episode, error: PermanentError
    ) -> Decision:
        message = f"Job {episode.job_name} was refused: {error}"
        if not _was_refused(monitor):
            logger.warning(message)
            await self._tell(monitor, EventReason.RETRAINING_REFUSED, message)
        return Decision(
            status=monitor.status.retraining,
            create=None,
            active=ConditionStatus.FALSE,
            reason=RetrainingReason.JOB_REFUSED,
            message=message,
        )

    async def _tell(self, monitor: ModelMonitor, reason: EventReason, message: str) -> None:
        await self._services.announcer.event(monitor.metadata, reason, message)


def _was_refused(monitor: ModelMonitor) -> bool:
    """Return whether the status says already that the Job was refused."""
    return any(
        condition.type == ConditionType.RETRAINING_ACTIVE
        and condition.reason == RetrainingReason.JOB_REFUSED
        for condition in monitor.status.conditions
    )


def retraining_draft(decision: Decision) -> ConditionDraft:
    """Return the condition RetrainingActive of a decision."""
    return ConditionDraft(
        ConditionType.RETRAINING_ACTIVE, decision.active, decision.reason, decision.message
    )
