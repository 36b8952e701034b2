"""Whose pod is it: the owner-name rules that the injector and the controller share.

At CREATE a pod names the ReplicaSet that made it, not the Deployment. A Deployment calls its
ReplicaSets `<deployment>-<pod-template-hash>` and puts the hash on each pod, so that the Deployment
follows from the pod alone, without asking the API server.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modelmonitor.api.v1alpha1.spec import TargetRef

DEPLOYMENT: Final = "Deployment"
STATEFUL_SET: Final = "StatefulSet"
REPLICA_SET: Final = "ReplicaSet"
INFERENCE_SERVICE: Final = "InferenceService"
TARGETS: Final = (
    ("apps/v1", DEPLOYMENT),
    ("apps/v1", STATEFUL_SET),
    ("serving.kserve.io/v1beta1", INFERENCE_SERVICE),
)
"""API versions and kinds that a monitor may name."""
TARGETS_TEXT: Final = "Deployment or StatefulSet of apps/v1, or InferenceService of KServe"
TEMPLATE_HASH_LABEL: Final = "pod-template-hash"
"""Put on pods by Deployments."""
REVISION_HASH_LABEL: Final = "controller-revision-hash"
"""Put on pods by StatefulSets."""
_GROUP_PREFIX: Final = "apps/"


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """A workload of the group apps, within a namespace that the context knows."""

    kind: str
    name: str

    def __str__(self) -> str:
        """Return the workload as kubectl takes it: `deployment/name`."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def revision_label(self) -> str:
        """The pod label whose value tells the workload's revisions apart."""
        return REVISION_HASH_LABEL if self.kind == STATEFUL_SET else TEMPLATE_HASH_LABEL


def target_workload(target: TargetRef) -> Workload | None:
    """Return the workload that a monitor names, None if its kind is not one of `TARGETS`.

    Of an InferenceService it is the Deployment of its predictor, which KServe makes in Standard
    mode. In its Serverless mode there is a Deployment per revision, of another name.
    """
    if (target.api_version, target.kind) not in TARGETS:
        return None
    if target.kind == INFERENCE_SERVICE:
        return Workload(DEPLOYMENT, f"{target.name}-predictor")
    return Workload(target.kind, target.name)


def workload_of(metadata: Mapping[str, Any]) -> Workload | None:
    """Return the workload that a pod belongs to, by the pod's own metadata.

    None if nothing owns the pod, or something that a monitor cannot name: a Job, a DaemonSet, a
    ReplicaSet without a Deployment.
    """
    owner = controller_of(metadata)
    if owner is None or not str(owner.get("apiVersion", "")).startswith(_GROUP_PREFIX):
        return None
    kind, name = owner.get("kind"), str(owner.get("name", ""))
    if kind == STATEFUL_SET:
        return Workload(STATEFUL_SET, name)
    template_hash = (metadata.get("labels") or {}).get(TEMPLATE_HASH_LABEL)
    if kind != REPLICA_SET or not template_hash or not name.endswith(f"-{template_hash}"):
        return None
    return Workload(DEPLOYMENT, name.removesuffix(f"-{template_hash}"))


def replica_set_of(metadata: Mapping[str, Any]) -> str:
    """Return the name of the ReplicaSet that made a pod; empty if none did."""
    owner = controller_of(metadata)
    return str(owner["name"]) if owner is not None and owner.get("kind") == REPLICA_SET else ""


def revision_of(metadata: Mapping[str, Any]) -> str:
    """Return the revision of the workload that a pod was made from; empty if it has none."""
    labels = metadata.get("labels") or {}
    return str(labels.get(TEMPLATE_HASH_LABEL) or labels.get(REVISION_HASH_LABEL) or "")


def precedence(created: str, name: str) -> tuple[str, str]:
    """Return the sort key of monitors that claim one target: the oldest comes first, then by name.

    `created` is the monitor's creationTimestamp, RFC 3339 in UTC, which sorts as text.
    """
    return created, name


def controller_of(metadata: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the reference to what controls an object; None if nothing does."""
    owners: list[Mapping[str, Any]] = metadata.get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
