"""The workload of a pod follows from the pod alone."""

from typing import Any

import pytest

from modelmonitor.api.v1alpha1.spec import TargetRef
from modelmonitor.core.injection.workloads import (
    Workload,
    precedence,
    replica_set_of,
    revision_of,
    target_workload,
    workload_of,
)


def metadata(
    kind: str, name: str, labels: dict[str, str] | None = None, *, version: str = "apps/v1"
) -> dict[str, Any]:
    owner = {"apiVersion": version, "kind": kind, "name": name, "controller": True}
    return {"labels": labels, "ownerReferences": [owner]}


def test_a_deployment_is_its_replica_set_without_the_hash() -> None:
    pod = metadata("ReplicaSet", "my-model-6d4b75cb6d", {"pod-template-hash": "6d4b75cb6d"})
    assert workload_of(pod) == Workload("Deployment", "my-model")
    assert replica_set_of(pod) == "my-model-6d4b75cb6d"
    assert revision_of(pod) == "6d4b75cb6d"


def test_a_deployment_whose_name_ends_like_a_hash_keeps_it() -> None:
    pod = metadata("ReplicaSet", "model-abc-abc", {"pod-template-hash": "abc"})
    assert workload_of(pod) == Workload("Deployment", "model-abc")


def test_a_stateful_set_owns_its_pods_itself() -> None:
    pod = metadata("StatefulSet", "embeddings", {"controller-revision-hash": "embeddings-6c9b"})
    assert workload_of(pod) == Workload("StatefulSet", "embeddings")
    assert replica_set_of(pod) == ""
    assert revision_of(pod) == "embeddings-6c9b"


@pytest.mark.parametrize(
    "pod",
    [
        {},
        {"ownerReferences": None, "labels": None},
        {"ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "x"}]},
        metadata("Job", "x", version="batch/v1"),
        metadata("DaemonSet", "x"),
        metadata("ReplicaSet", "standalone"),
        metadata("ReplicaSet", "standalone", {"pod-template-hash": "abc"}),
        metadata("ReplicaSet", "x-abc", {"pod-template-hash": "abc"}, version="example.org/v1"),
    ],
)
def test_other_pods_belong_to_nothing_that_can_be_watched(pod: dict[str, Any]) -> None:
    assert workload_of(pod) is None


def test_a_target_is_a_workload_only_if_its_kind_is_one_of_ours() -> None:
    def target(version: str, kind: str) -> TargetRef:
        return TargetRef(api_version=version, kind=kind, name="m")

    assert target_workload(target("apps/v1", "Deployment")) == Workload("Deployment", "m")
    assert target_workload(target("apps/v1", "StatefulSet")) == Workload("StatefulSet", "m")
    assert target_workload(target("apps/v1", "DaemonSet")) is None
    assert target_workload(target("extensions/v1", "Deployment")) is None
    assert target_workload(target("apps/v1beta1", "Deployment")) is None


def test_an_inference_service_is_the_deployment_of_its_predictor() -> None:
    named = TargetRef(api_version="serving.kserve.io/v1beta1", kind="InferenceService", name="iris")
    pod = metadata("ReplicaSet", "iris-predictor-6b9d", {"pod-template-hash": "6b9d"})
    assert target_workload(named) == workload_of(pod) == Workload("Deployment", "iris-predictor")
    other = TargetRef(api_version="apps/v1", kind="InferenceService", name="iris")
    assert target_workload(other) is None


def test_the_oldest_monitor_comes_first_then_the_name() -> None:
    old, new = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    claims = [precedence(new, "a"), precedence(old, "z"), precedence(old, "b")]
    assert sorted(claims) == [(old, "b"), (old, "z"), (new, "a")]


def test_a_workload_is_written_as_kubectl_takes_it() -> None:
    assert str(Workload("Deployment", "m")) == "deployment/m"
    assert str(Workload("StatefulSet", "m")) == "statefulset/m"
