"""Controller and two injectors on a real API server: one pod on trial, one restart."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from modelmonitor.core.injection.capture import has_collector
from modelmonitor.core.injection.restart import RESTART_MANAGER, RESTARTED_ANNOTATION
from modelmonitor.core.times import format_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME
from tests.controller.room import Body, Room, condition, has
from tests.controller.webhook import REPLICAS, injecting
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.api, pytest.mark.timeout(300)]

AT_ONCE = 4
"""Pods that are created at the same time."""


def pods_at_once(room: Room) -> list[Body]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda _: room.created_pod(), range(AT_ONCE)))


def injected(pods: list[Body]) -> list[str]:
    return [pod["metadata"]["name"] for pod in pods if has_collector(pod["spec"])]


def let_it_fail(room: Room, name: str) -> None:
    """Let a pod wait for its collector's image since two minutes."""
    then = format_time(time.time() - 120)
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    status = {
        "phase": "Pending",
        "startTime": then,
        "conditions": [
            {"type": kind, "status": value, "lastTransitionTime": then}
            for kind, value in (
                ("PodReadyToStartContainers", "True"),
                ("Initialized", "False"),
                ("Ready", "False"),
            )
        ],
        "initContainerStatuses": [
            {
                "name": CONTAINER_NAME,
                "image": "collector:1",
                "imageID": "",
                "ready": False,
                "started": False,
                "restartCount": 0,
                "state": {"waiting": waiting},
            }
        ],
    }
    room.patch_status("pod", name, status)


def let_the_delay_be_over(room: Room) -> None:
    """Write what the controller wrote, but for the time of the next trial, which has come."""
    body = room.monitor()
    status = body["status"]
    status["injection"]["retryAt"] = format_time(time.time() - 1)
    metadata = {key: body["metadata"][key] for key in ("name", "namespace")}
    applied = {**body, "metadata": metadata, "status": status}
    room.kubectl(
        "apply",
        "--server-side",
        "--subresource=status",
        "--field-manager=modelmonitor",
        "--force-conflicts",
        "-f",
        "-",
        stdin=json.dumps(
            {key: applied[key] for key in ("apiVersion", "kind", "metadata", "status")}
        ),
    )


def breaker(body: Body) -> str:
    return str(body["status"].get("injection", {}).get("breaker", ""))


def test_after_the_breaker_opened_one_pod_is_tried_whoever_asks_and_whichever_controller_leads(
    room: Room,
) -> None:
    room.deploy()
    room.apply_monitor()
    room.wait("Ready", has("Ready", "True"))
    with injecting(room):
        (first,) = injected([room.created_pod()])
        let_it_fail(room, first)
        opened = room.wait("the breaker opens", lambda body: breaker(body) == "Open")
        wait_until(
            "the eviction",
            lambda: not room.kubectl.succeeds("get", "pod", first, "-n", room.name),
            30,
        )
        wait_until("plain pods", lambda: not injected([room.created_pod()]), 15)

        room.kill()
        room.start()
        room.wait("the next controller", has("CollectorsReady", "False", "InjectionPaused"))
        since = opened["status"]["injection"]["since"]
        assert room.monitor()["status"]["injection"]["since"] == since
        assert injected(pods_at_once(room)) == []

        let_the_delay_be_over(room)
        begun = room.wait("a trial", lambda body: breaker(body) == "HalfOpen")
        assert begun["status"]["injection"]["trialInjector"] in REPLICAS
        tried: list[str] = []

        def one_is_tried() -> bool:
            tried.extend(injected(pods_at_once(room)))
            return bool(tried)

        wait_until("a pod on trial", one_is_tried, 30)
        assert len(tried) == 1
        room.wait("its name", lambda body: body["status"]["injection"].get("trialPod") == tried[0])
        assert injected(pods_at_once(room)) == []
        wide = room.kubectl("get", "mm", "m", "-n", room.name, "-o", "wide")
        assert "BREAKER" in wide
        assert "HalfOpen" in wide

        room.kill()
        room.start()
        room.make_ready(tried[0])
        closed = room.wait("the breaker closes", lambda body: breaker(body) == "Closed")
        assert closed["status"]["injection"]["reason"] == "TrialSucceeded"
        wait_until("all pods", lambda: len(injected(pods_at_once(room))) == AT_ONCE, 30)
        assert {"InjectionPaused", "PodEvicted", "InjectionResumed"} <= set(room.events())
    assert "this is a defect" not in room.log()


def phase(body: Body) -> str:
    return str(body["status"].get("restart", {}).get("phase", ""))


def told(room: Room) -> str:
    conditions = room.monitor()["status"].get("conditions", [])
    return next((one["message"] for one in conditions if one["type"] == "CollectorsReady"), "")


def test_a_restart_is_one_annotation_of_our_own_after_a_pod_came_back_injected(room: Room) -> None:
    room.deploy()
    old = room.created_pod()["metadata"]["name"]
    room.make_ready(old)
    room.settle()
    before = room.kubectl.get("deployment", "web", "-n", room.name)
    collection = {"ports": [{"name": "http"}], "restart": "Once"}
    room.apply_monitor(collection=collection)
    wait_until(
        "it is held", lambda: "came back without a collector" in told(room), 60, explain=room.log
    )
    with injecting(room):
        room.wait("a restart", lambda body: phase(body) == "Restarting", 60)
        after = room.kubectl.get("deployment", "web", "-n", room.name, "--show-managed-fields")
        uid = room.monitor()["metadata"]["uid"]
        template = after["spec"]["template"]["metadata"]
        assert template["annotations"] == {RESTARTED_ANNOTATION: uid}
        assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1
        ours = [
            each
            for each in after["metadata"]["managedFields"]
            if each["manager"] == RESTART_MANAGER
        ]
        owned: Body = {"f:annotations": {f"f:{RESTARTED_ANNOTATION}": {}}}
        assert [each["fieldsV1"] for each in ours] == [
            {"f:spec": {"f:template": {"f:metadata": owned}}}
        ]

        room.kill()
        room.start()
        room.kubectl("delete", "pod", old, "-n", room.name, "--now")
        (new,) = injected([room.created_pod()])
        room.make_ready(new)
        room.settle()
        room.wait("the end", lambda body: phase(body) == "Finished")
        assert condition(room.monitor(), "Ready")[0] == "True"
        last = room.kubectl.get("deployment", "web", "-n", room.name)
        assert last["metadata"]["generation"] == after["metadata"]["generation"]
        assert {"RestartStarted", "RestartFinished"} <= set(room.events())
        pods = room.kubectl.get("pods", "-n", room.name)["items"]
        assert [pod["metadata"]["name"] for pod in pods] == [new]
    assert "this is a defect" not in room.log()
