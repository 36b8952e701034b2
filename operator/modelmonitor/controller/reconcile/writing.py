"""Writing the status: only when its meaning changed, or so that it is never older than 5 minutes.

Every write carries the `resourceVersion` that the pass began with, so that neither a leader of the
past nor a pass that read an older status can take back a retraining episode.
"""

from typing import Final

from modelmonitor.api.v1alpha1.monitor import ObjectMeta
from modelmonitor.api.v1alpha1.status import ModelMonitorStatus
from modelmonitor.controller.gateways.api_server import MONITORS
from modelmonitor.controller.reconcile.services import Services
from modelmonitor.controller.reconcile.transitions import transitions
from modelmonitor.core.acting.status import same_meaning

REFRESH: Final = 300.0
"""Seconds after which a status is written although its meaning is the same."""


async def write_status(
    services: Services, metadata: ObjectMeta, status: ModelMonitorStatus
) -> ObjectMeta:
    """Write the status of a monitor and return its metadata as it is afterwards.

    Raises
    ------
    ConflictError
        If the monitor was changed since it was read.
    NotLeadingError
        If another controller may be at work.
    """
    services.check_fence()
    body = await services.api.apply_status(
        MONITORS,
        metadata.namespace,
        {
            "apiVersion": MONITORS.api_version,
            "kind": MONITORS.kind,
            "metadata": {
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "status": status.to_wire(),
        },
    )
    services.metrics.status_writes.inc()
    version = str(body["metadata"]["resourceVersion"])
    return metadata.model_copy(update={"resource_version": version})


def worth_writing(
    before: ModelMonitorStatus, after: ModelMonitorStatus, written_at: float | None, now: float
) -> bool:
    """Return whether a status should be written.

    Parameters
    ----------
    before
        The status as it stands in the monitor.
    after
        The status of this pass.
    written_at
        When this process last wrote it, None for never; seconds since the epoch.
    now
        Seconds since the epoch.
    """
    if not same_meaning(before, after):
        return True
    return written_at is not None and now - written_at >= REFRESH and before != after


async def announce(
    services: Services,
    metadata: ObjectMeta,
    before: ModelMonitorStatus,
    after: ModelMonitorStatus,
) -> None:
    """Post the events that tell the difference between two statuses of a monitor."""
    for reason, message in transitions(before, after):
        await services.announcer.event(metadata, reason, message)
