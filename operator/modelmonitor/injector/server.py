"""The server of the webhook.

It says yes to everything. What goes wrong inside is counted, logged, and costs the pod its
collector, never its start.
"""

import logging
from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web

from modelmonitor.core.injection.workloads import workload_of
from modelmonitor.injector.admission import Admission, PodRequest, Skipped
from modelmonitor.injector.metrics import InjectorMetrics
from modelmonitor.injector.mutation import Mutation, Reason, untouched
from modelmonitor.injector.review import decode_review, encode_review

MAX_REVIEW_BYTES: Final = 8 * 1024 * 1024
"""Several times what the API server stores of one object."""
INTERNAL_ERROR: Final = "InternalError"
_QUIET: Final = frozenset({Skipped.NOT_MONITORED, Skipped.NOT_OURS, Reason.ALREADY_INJECTED})
"""Reasons that are most pods' and say nothing."""

logger = logging.getLogger(__name__)


def webhook_app(
    admission: Admission, metrics: InjectorMetrics, leaving: Callable[[], bool]
) -> web.Application:
    """Return the server of `POST /mutate`.

    Parameters
    ----------
    admission
        Decides.
    metrics
        Counts.
    leaving
        Returns whether the process is about to end; API servers are then sent away.
    """

    async def mutate(request: web.Request) -> web.Response:
        payload = await request.read()
        try:
            review = decode_review(payload)
        except msgspec.DecodeError as error:
            metrics.errors.inc()
            logger.warning("not an AdmissionReview: %s", error)
            raise web.HTTPBadRequest(text="not an AdmissionReview\n") from error
        with metrics.admission_seconds.time():
            mutation = _decide(admission, review, metrics)
        answer = web.Response(
            body=encode_review(review.uid, mutation), content_type="application/json"
        )
        if leaving():
            # API servers keep connections open, past the moment when a Service forgets a pod.
            answer.force_close()
        return answer

    app = web.Application(client_max_size=MAX_REVIEW_BYTES)
    app.add_routes([web.post("/mutate", mutate)])
    return app


def _decide(admission: Admission, review: PodRequest, metrics: InjectorMetrics) -> Mutation:
    try:
        mutation = admission.decide(review)
    except Exception:
        # Whatever it was, it must not keep a pod from starting.
        metrics.errors.inc()
        logger.exception("a pod was admitted unchanged after an error", extra=_about(review))
        mutation = untouched(INTERNAL_ERROR, "the injector failed; see its log")
    metrics.admissions.labels(mutation.outcome, mutation.reason).inc()
    if mutation.reason not in _QUIET:
        logger.info(
            mutation.message,
            extra=_about(review) | {"outcome": mutation.outcome, "reason": mutation.reason},
        )
    return mutation


def _about(review: PodRequest) -> dict[str, str]:
    metadata = review.pod.get("metadata")
    if not isinstance(metadata, dict):
        return {"namespace": review.namespace}
    try:
        workload = workload_of(metadata)
    except (AttributeError, KeyError, TypeError):
        workload = None
    name = metadata.get("name") or metadata.get("generateName") or ""
    return {"namespace": review.namespace, "pod": str(name), "workload": str(workload or "")}
