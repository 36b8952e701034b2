"""What a pod is doing is read from its status as kubelets of 1.35 write it."""

from typing import Any

import pytest

from modelmonitor.core.injection.capture import Capture, Obstacle, WantedPort
from modelmonitor.core.injection.pods import PodView, pod_view
from modelmonitor.core.injection.workloads import Workload
from modelmonitor.core.times import parse_time

IMAGE = "example.org/collector:1"
HTTP = Capture((WantedPort("http"),))


def at(seconds: int) -> str:
    return f"2026-01-31T12:{seconds // 60:02d}:{seconds % 60:02d}Z"


def moment(seconds: int) -> float:
    return parse_time(at(seconds))


def condition(kind: str, status: str, seconds: int) -> dict[str, Any]:
    return {"type": kind, "status": status, "lastTransitionTime": at(seconds)}


def running(seconds: int, *, started: bool = True, **more: Any) -> dict[str, Any]:
    return {"state": {"running": {"startedAt": at(seconds)}}, "started": started} | more


def ended(seconds: int, code: int = 0, message: str = "") -> dict[str, Any]:
    end = {"exitCode": code, "finishedAt": at(seconds), "reason": "Error", "message": message}
    return {"terminated": end}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {"state": {"waiting": {"reason": reason, "message": message}}, "started": False} | more


def pod(
    collector: dict[str, Any] | None,
    *,
    before: dict[str, dict[str, Any]] | None = None,
    conditions: list[dict[str, Any]] | None = None,
    phase: str = "Pending",
    **metadata: Any,
) -> PodView:
    """Return the view of a pod created at 0 s, started at 1 s, with these init containers."""
    statuses = {**(before or {})}
    if collector is not None:
        statuses["mm-collector"] = collector
    body = {
        "metadata": {
            "name": "model-abc-x",
            "uid": "u1",
            "creationTimestamp": at(0),
            "labels": {"pod-template-hash": "abc", "modelmonitor.dev/monitor": "flight"},
            "ownerReferences": [
                {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "name": "model-abc",
                    "controller": True,
                }
            ],
        }
        | metadata,
        "spec": {
            "initContainers": [{"name": name, "image": IMAGE} for name in statuses],
            "containers": [{"name": "model", "ports": [{"name": "http", "containerPort": 80}]}],
        },
        "status": {
            "phase": phase,
            "startTime": at(1),
            "podIP": "198.51.100.7",
            "conditions": conditions
            or [
                condition("PodReadyToStartContainers", "True", 3),
                condition("Initialized", "False", 1),
                condition("Ready", "False", 1),
            ],
            "initContainerStatuses": [
                {"name": name, "restartCount": 0, "lastState": {}} | status
                for name, status in statuses.items()
                if status
            ],
        },
    }
    return pod_view(body, HTTP)


SERVING = [
    condition("PodReadyToStartContainers", "True", 3),
    condition("Initialized", "True", 5),
    condition("Ready", "True", 9),
]
BROKEN_LATER = [*SERVING[:2], condition("Ready", "False", 40)]


def test_a_serving_pod_waits_for_nothing() -> None:
    view = pod(running(4), conditions=SERVING, phase="Running")
    assert view.workload == Workload("Deployment", "model")
    assert (view.revision, view.address, view.monitor) == ("abc", "198.51.100.7", "flight")
    assert view.created == moment(0)
    assert view.ready
    assert view.was_ready
    assert view.counts
    assert view.collector is not None
    assert view.collector.started
    assert view.collector.awaited_since is None


def test_an_image_that_cannot_be_pulled_is_awaited_since_its_turn() -> None:
    view = pod(waiting("ImagePullBackOff", "connection refused"))
    assert view.collector is not None
    assert view.collector.awaited_since == moment(3)
    assert (view.collector.reason, view.collector.message) == (
        "ImagePullBackOff",
        "connection refused",
    )
    assert not view.was_ready


def test_it_is_not_awaited_while_the_pod_has_no_network_or_volumes_yet() -> None:
    conditions = [condition("PodReadyToStartContainers", "False", 1)]
    view = pod(waiting("PodInitializing"), conditions=conditions)
    assert view.collector is not None
    assert view.collector.awaited_since is None


def test_it_is_not_awaited_while_a_container_before_it_works() -> None:
    for state in (running(4, started=False), {"state": ended(6, code=1)}, {}):
        view = pod(waiting("PodInitializing"), before={"fetch-model": state})
        assert view.collector is not None
        assert view.collector.awaited_since is None


def test_its_turn_begins_when_the_last_container_before_it_is_done() -> None:
    before = {"fetch-model": {"state": ended(30)}, "istio-proxy": running(33)}
    view = pod(waiting("PodInitializing"), before=before)
    assert view.collector is not None
    assert view.collector.awaited_since == moment(33)


def test_one_that_runs_without_listening_is_awaited() -> None:
    view = pod(running(4, started=False))
    assert view.collector is not None
    assert view.collector.awaited_since == moment(3)


def test_one_that_ends_at_once_is_awaited_since_its_turn_and_its_last_line_is_kept() -> None:
    crash = waiting(
        "CrashLoopBackOff",
        "back-off 20s restarting failed container=mm-collector",
        restartCount=2,
        lastState=ended(20, 1, "Traceback:\n  …\nModuleNotFoundError: No module named x\n"),
    )
    view = pod(crash)
    assert view.collector is not None
    assert view.collector.awaited_since == moment(3)
    assert view.collector.restarts == 2
    assert view.collector.message == "ModuleNotFoundError: No module named x"


def test_one_that_breaks_in_a_serving_pod_is_awaited_since_it_ended() -> None:
    crash = waiting("CrashLoopBackOff", restartCount=1, lastState=ended(40, 137))
    view = pod(crash, conditions=BROKEN_LATER, phase="Running")
    assert view.collector is not None
    assert view.collector.awaited_since == moment(40)
    assert not view.ready
    assert view.was_ready


def test_a_pod_was_never_ready_if_its_first_no_still_stands() -> None:
    assert not pod(waiting("PodInitializing")).was_ready
    assert pod(None, conditions=BROKEN_LATER).was_ready


def test_a_pod_that_no_node_has_taken_waits_for_nothing_of_ours() -> None:
    view = pod({}, conditions=[condition("PodScheduled", "False", 0)])
    assert view.collector is not None
    assert view.collector.awaited_since is None
    assert not view.collector.started
    assert not view.was_ready


def test_a_pod_that_is_being_deleted_does_not_count() -> None:
    view = pod(running(4), deletionTimestamp=at(9))
    assert view.deleting
    assert not view.counts
    assert pod(running(4)).counts


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
def test_a_pod_that_has_ended_does_not_count(phase: str) -> None:
    assert not pod(running(4), phase=phase).counts


@pytest.mark.parametrize(
    ("environment", "monitors"),
    [
        ([{"name": "MM_MONITOR_UID", "value": "u1"}], ["u1"]),
        ([{"name": "MM_MONITOR_UID", "value": ""}], ["u1", "u2"]),
        (
            [{"name": "MM_POD_UID", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}],
            ["u1", "u2"],
        ),
    ],
)
def test_a_collector_serves_the_monitor_whose_uid_it_was_given(
    environment: list[dict[str, Any]], monitors: list[str]
) -> None:
    body = {
        "metadata": {
            "name": "x",
            "uid": "u",
            "creationTimestamp": at(0),
            "labels": {"modelmonitor.dev/monitor": "flight"},
        },
        "spec": {"initContainers": [{"name": "mm-collector", "image": IMAGE, "env": environment}]},
        "status": {"initContainerStatuses": [{"name": "mm-collector"}]},
    }
    view = pod_view(body, HTTP)
    assert [uid for uid in ("u1", "u2") if view.collects_for("flight", uid)] == monitors
    assert not view.collects_for("other", "u1")


def test_a_pod_without_a_collector_says_what_would_hinder_one() -> None:
    assert pod(None).obstacle is None
    body = {
        "metadata": {"name": "x", "uid": "u", "creationTimestamp": at(0)},
        "spec": {"hostNetwork": True},
    }
    view = pod_view(body, HTTP)
    assert view.collector is None
    assert view.workload is None
    assert view.obstacle is not None
    assert view.obstacle.reason is Obstacle.HOST_NETWORK
