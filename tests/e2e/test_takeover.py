"""Ways to bring traffic to the collector on a real cluster, and pods that are recreated for it."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from demo.story.kubectl import Body
from tests.e2e.kit import (
    Kube,
    Model,
    Room,
    condition,
    has,
    is_injected,
    monitor_body,
    stored_requests,
)
from tests.support.load import Traffic, running_load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

RATE = 50.0
SWAP = {"type": "Swap", "swap": {"variable": "PORT"}}


def watched(room: Room, **collection: Any) -> Body:
    """Return a monitor whose collection has these members beside its port."""
    port = {"name": "http", **collection.pop("port", {})}
    return monitor_body(room.name, collection={"ports": [port], **collection})


def test_a_service_with_a_numeric_port_is_followed_by_swap(room: Room, kube: Kube) -> None:
    room.deploy(Model(replicas=2, variables={"PORT": "8080"}, target_port=8080))
    kube.apply(watched(room, port={"takeover": SWAP}))
    room.wait_for("Ready", has("Ready", "True"))
    before = json.dumps(kube.get("deployment", "model", room.name)["spec"]["template"]["spec"])
    with running_load(Traffic(room.url("model", "/predict"), RATE)) as (report,):
        wait_until("traffic flows", lambda: report.answered > RATE, 30)
        room.restart("model")
        wait_until("no plain pod is left", lambda: all(map(is_injected, room.pods())), 60)
        room.wait_for("collectors answer", has("CollectorsReady", "True"))
        passed = report.answered
        wait_until("traffic goes on", lambda: report.answered > passed + 5 * RATE, 30)
    sent = report.answered - passed
    assert report.failed == 0
    after = json.dumps(kube.get("deployment", "model", room.name)["spec"]["template"]["spec"])
    assert after == before
    wait_until(
        "the panes hold the requests", lambda: stored_requests(kube, room.monitor()) >= sent, 60
    )


def test_pods_are_recreated_once_where_the_monitor_asks_for_it(room: Room, kube: Kube) -> None:
    room.deploy(Model(replicas=2))
    assert not any(map(is_injected, room.pods()))
    with running_load(Traffic(room.url("model", "/predict"), RATE)) as (report,):
        wait_until("traffic flows", lambda: report.answered > RATE, 30)
        kube.apply(watched(room, restart="Once"))
        room.wait_for("every pod has a collector", has("CollectorsReady", "True"), timeout=180)
    assert all(map(is_injected, room.pods()))
    assert report.failed == 0
    revisions = kube.list("replicasets", room.name, "app=model")
    assert len(revisions) == 2

    restarted = room.wait_for("it is over", lambda monitor: phase(monitor) == "Finished")
    assert restarted["status"]["collectors"]["injected"] == 2

    shown = ("get", "deployment", "model", "-n", room.name, "-o", "json", "--show-managed-fields")
    deployment = json.loads(kube(*shown))
    managed = {
        entry["manager"]: entry["fieldsV1"] for entry in deployment["metadata"]["managedFields"]
    }
    template: Body = {"f:metadata": {"f:annotations": {"f:modelmonitor.dev/restarted": {}}}}
    assert managed["modelmonitor-restart"] == {"f:spec": {"f:template": template}}
    assert "modelmonitor" not in managed


def phase(monitor: Body) -> str:
    """Return how far the restart has come."""
    found: str = monitor["status"].get("restart", {}).get("phase", "")
    return found


def test_the_doctor_says_what_will_happen(room: Room, kube: Kube) -> None:
    room.deploy(Model(target_port=8080))
    kube.apply(watched(room))
    room.wait_for("judged", lambda monitor: condition(monitor, "Ready")[0])
    said = doctor(kube, room, "deployment/model")
    assert said.returncode == 1, said.stdout + said.stderr
    assert "Swap" in said.stdout

    kube.apply(Model(image=room.image).service(room.name))
    said = doctor(kube, room, "deployment/model")
    assert said.returncode == 0, said.stdout + said.stderr


def doctor(kube: Kube, room: Room, target: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as its user does."""
    program = shutil.which("modelmonitor")
    assert program is not None
    return subprocess.run(
        [program, "doctor", target, "-n", room.name],
        env=dict(kube.kubectl.environment),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
