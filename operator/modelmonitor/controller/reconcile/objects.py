"""What the controller reads in Kubernetes objects, parsed once; bodies do not go further than this.

Everything here is a pure function of a body that the API server returned.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.controller.gateways.api_server import (
    DEPLOYMENTS,
    STATEFUL_SETS,
    Body,
    Resource,
)
from modelmonitor.core.acting.retraining import JobPhase, JobView
from modelmonitor.core.injection.restart import Rollout
from modelmonitor.core.injection.workloads import DEPLOYMENT, STATEFUL_SET, Workload, controller_of
from modelmonitor.core.times import parse_time

RESOURCES: Final[Mapping[str, Resource]] = {DEPLOYMENT: DEPLOYMENTS, STATEFUL_SET: STATEFUL_SETS}
"""Kind of a target → where its API lives."""


@dataclass(frozen=True, slots=True)
class Key:
    """A monitor, by namespace and name: what the queue and the schedule know."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the key as kubectl users write it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Target:
    """The workload that a monitor names, as it stands in the cluster."""

    workload: Workload
    uid: str
    replicas: int
    """Pods that are asked for."""
    selector: str
    """Label selector of its pods, as text."""
    template_metadata: Body
    template_spec: Body
    rollout: Rollout


def parse_target(workload: Workload, body: Body) -> Target:
    """Return the target that a Deployment's or StatefulSet's body describes."""
    spec = body.get("spec", {})
    template = spec.get("template", {})
    replicas = spec.get("replicas")
    return Target(
        workload=workload,
        uid=str(body.get("metadata", {}).get("uid", "")),
        replicas=1 if replicas is None else int(replicas),
        selector=selector_text(spec.get("selector", {})),
        template_metadata=template.get("metadata", {}),
        template_spec=template.get("spec", {}),
        rollout=_rollout(workload, body),
    )


def _rollout(workload: Workload, body: Body) -> Rollout:
    spec, status = body.get("spec", {}), body.get("status") or {}
    wanted = 1 if spec.get("replicas") is None else spec["replicas"]
    counts = ("replicas", "updatedReplicas", "readyReplicas")
    settled = status.get("observedGeneration", 0) >= body.get("metadata", {}).get(
        "generation", 0
    ) and all(status.get(count, 0) == wanted for count in counts)
    controller = controller_of(body["metadata"]) or {}
    owner = f"{controller.get('kind', '')} {controller.get('name', '')}".strip()
    if workload.kind == STATEFUL_SET:
        strategy = (spec.get("updateStrategy") or {}).get("type")
        return Rollout(manual=strategy == "OnDelete", settled=settled, owner=owner)
    return Rollout(paused=bool(spec.get("paused")), settled=settled, owner=owner)


def selector_text(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector as the text that lists take."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, values = expression["key"], ",".join(expression.get("values") or [])
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[expression["operator"]]
        )
    return ",".join(parts)


def parse_job(body: Body, owner_uid: str) -> JobView:
    """Return the Job of an episode as the retraining decision sees it.

    Parameters
    ----------
    body
        A batch/v1 Job.
    owner_uid
        UID of the monitor; only a Job that it controls is its own.
    """
    metadata, status = body["metadata"], body.get("status") or {}
    owned = any(
        owner.get("controller") and owner.get("uid") == owner_uid
        for owner in metadata.get("ownerReferences") or []
    )
    phase, ended = JobPhase.RUNNING, None
    for condition in status.get("conditions") or []:
        if condition.get("status") == "True" and condition.get("type") in {"Complete", "Failed"}:
            succeeded = condition["type"] == "Complete"
            phase, ended = JobPhase.SUCCEEDED if succeeded else JobPhase.FAILED, condition
    finished_at = None
    if ended is not None:
        moment = status.get("completionTime") or ended.get("lastTransitionTime")
        finished_at = parse_time(moment) if moment else None
    return JobView(
        name=str(metadata["name"]),
        owned=owned,
        phase=phase,
        created_at=parse_time(str(metadata["creationTimestamp"])),
        finished_at=finished_at,
        message="" if ended is None else str(ended.get("message") or ended.get("reason") or ""),
    )
