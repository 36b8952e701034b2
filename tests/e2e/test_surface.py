"""What users see: kubectl's columns and waits, kstatus, and that nothing of theirs is edited."""

import json
import re

import pytest

from tests.e2e.kit import Kube, Model, Room, monitor_body
from tests.support.kstatus import compute_status
from tests.support.load import Traffic, running_load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def test_kubectl_is_understood_at_a_glance(room: Room, kube: Kube) -> None:
    room.deploy(Model(delay=0))
    kube.apply(monitor_body(room.name))
    kube("wait", "--for=condition=Ready", "mm/monitor", "-n", room.name, "--timeout=60s")
    room.restart("model")
    with running_load(Traffic(room.url("model", "/predict"), 20)):
        room.wait_for("OK", lambda body: body["status"].get("alertState") == "OK")
    header, row = kube("get", "mm", "-n", room.name).splitlines()
    print(f"{header}\n{row}")
    assert re.split(r"\s{2,}", header.strip()) == [
        "NAME",
        "TARGET",
        "READY",
        "ALERT",
        "METRICS",
        "LAST-RETRAIN",
        "AGE",
    ]
    assert re.match(r"monitor\s+model\s+True\s+OK\s+1 ok\s", row)
    text = kube("describe", "mm", "monitor", "-n", room.name)
    for word in ("Alerting", "NoBreach", "CollectorsReady", "AllInjected", "Normal"):
        assert word in text, word


def test_every_status_of_a_monitors_life_conforms_to_kstatus(room: Room, kube: Kube) -> None:
    seen: list[str] = []

    def status_is(expected: str) -> bool:
        body = room.monitor()
        result = compute_status(body)
        if not seen or seen[-1] != result.status:
            seen.append(result.status)
        return bool(result.status == expected)

    kube.apply(monitor_body(room.name))
    wait_until("Failed without target", lambda: status_is("Failed"), 60)
    room.deploy(Model(delay=0))
    wait_until("Current with target", lambda: status_is("Current"), 60)
    room.restart("model")
    with running_load(Traffic(room.url("model", "/predict?status=500"), 20)):
        # An alert is no failure of the object: Flux and Helm must not roll back because of it.
        room.wait_for("Critical", lambda body: body["status"].get("alertState") == "Critical")
        assert status_is("Current")
    kube(
        "patch", "mm", "monitor", "-n", room.name, "--type=merge", "-p", '{"spec":{"suspend":true}}'
    )
    room.wait_for("Suspended", lambda body: body["status"].get("alertState") == "Suspended")
    wait_until("Current while suspended", lambda: status_is("Current"), 30)
    print(" → ".join(seen))
    assert "Unknown" not in seen


def test_nothing_that_the_user_owns_is_edited(room: Room, kube: Kube) -> None:
    room.deploy(Model(delay=0))

    def owned() -> str:
        return json.dumps([_without_status(kube, kind, room) for kind in ("deployment", "service")])

    before = owned()
    kube.apply(monitor_body(room.name))
    kube("wait", "--for=condition=Ready", "mm/monitor", "-n", room.name, "--timeout=60s")
    kube("delete", "pods", "-l", "app=model", "-n", room.name)
    room.rolled_out("model")
    with running_load(Traffic(room.url("model", "/predict"), 20)):
        room.wait_for("OK", lambda body: body["status"].get("alertState") == "OK")
    assert owned() == before


def _without_status(kube: Kube, kind: str, room: Room) -> object:
    words = ("get", kind, "model", "-n", room.name, "-o", "json", "--show-managed-fields")
    body = json.loads(kube(*words))
    managers = {entry["manager"] for entry in body["metadata"]["managedFields"]}
    assert not any("modelmonitor" in manager for manager in managers)
    # The Deployment controller itself counts pods in the status, which moves the version.
    body.pop("status")
    for field in ("resourceVersion", "managedFields"):
        body["metadata"].pop(field, None)
    return body
