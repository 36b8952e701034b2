"""Bad input and dead parts: serving goes on, and the monitor says what is wrong and the fix."""

import re
import time
import urllib.request
from typing import Any

import pytest

from demo.story.install import NAMESPACE as OPERATOR_NAMESPACE
from tests.e2e.kit import (
    COLLECTOR,
    Kube,
    Model,
    Room,
    condition,
    has,
    is_injected,
    last_judged,
    monitor_body,
)
from tests.e2e.release import Release
from tests.support.load import LoadReport, Traffic, running_load
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

DRIFT: dict[str, Any] = {
    "baseline": {"type": "ConfigMap", "configMap": {"name": "nowhere"}},
    "metrics": [
        {
            "name": "inputs",
            "type": "Drift",
            "drift": {"columns": {"group": "Inputs"}, "tolerance": {"critical": "0.1"}},
        }
    ],
}
RETRAINING: dict[str, Any] = {
    "retraining": {
        "when": {"severity": "Critical", "metrics": ["errors"], "match": "Any"},
        "job": {"template": {"spec": {"template": {"spec": {"containers": []}}}}},
    }
}


@pytest.mark.parametrize(
    ("spec", "reason", "fix"),
    [
        (
            {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "absent"}},
            "TargetNotFound",
            "absent",
        ),
        ({"collection": {"ports": [{"name": "web"}]}}, "PortNotFound", "web"),
        (DRIFT, "BaselineNotFound", "modelmonitor baseline apply"),
        (RETRAINING, "JobTemplateInvalid", "containers"),
    ],
    ids=["target", "port", "baseline", "job-template"],
)
def test_what_is_missing_is_said_with_its_fix(
    room: Room, kube: Kube, spec: dict[str, Any], reason: str, fix: str
) -> None:
    room.deploy(Model(delay=0))
    kube.apply(monitor_body(room.name, **spec))
    monitor = room.wait_for("Stalled", has("Stalled", "True", reason))
    assert condition(monitor, "Ready")[:2] == ("False", reason)
    assert fix in condition(monitor, "Ready")[2]
    print(condition(monitor, "Ready")[2])


def test_a_monitor_is_ready_as_soon_as_its_target_appears(room: Room, kube: Kube) -> None:
    kube.apply(monitor_body(room.name))
    room.wait_for("TargetNotFound", has("Stalled", "True", "TargetNotFound"))
    room.deploy(Model(delay=0))
    monitor = room.wait_for("Ready", has("Ready", "True"))
    assert condition(monitor, "Stalled") == ("", "", "")


def test_pods_without_the_named_port_are_admitted_untouched(room: Room, kube: Kube) -> None:
    kube.apply(monitor_body(room.name, collection={"ports": [{"name": "http"}]}))
    room.deploy(Model(delay=0, port_name="web"))
    (pod,) = room.pods()
    assert not is_injected(pod)
    assert pod["spec"]["containers"][0]["ports"][0]["containerPort"] == 8080


def serving(room: Room, kube: Kube, replicas: int = 1) -> str:
    """Deploy an injected model; return the address for its clients."""
    room.deploy(Model(replicas=replicas, delay=0.005))
    kube.apply(monitor_body(room.name))
    room.wait_for("Ready", has("Ready", "True"))
    room.restart("model")
    assert all(is_injected(pod) for pod in room.pods())
    return room.url("model", "/predict")


KILL_OBSERVER = """
import os, pathlib, signal
for entry in pathlib.Path("/proc").iterdir():
    if entry.name.isdigit() and (entry / "comm").read_text().strip() == "mm-observer":
        os.kill(int(entry.name), signal.SIGKILL)
        print("killed", entry.name)
"""


def answered_more(report: LoadReport, count: int) -> None:
    """Wait for further answers."""
    goal = report.answered + count
    wait_until("traffic goes on", lambda: report.answered > goal, 30)


def test_a_dead_observer_fails_no_request_and_observation_comes_back(
    room: Room, kube: Kube
) -> None:
    url = serving(room, kube)
    (pod,) = room.pods()
    name = pod["metadata"]["name"]
    with running_load(Traffic(url, 50), Traffic(url, 50, keep_alive=True)) as (fresh, pooled):
        wait_until("traffic flows", lambda: fresh.answered > 100, 30)
        words = ("exec", name, "-n", room.name, "-c", COLLECTOR, "--", "python3", "-c")
        for _ in range(3):
            assert "killed" in kube(*words, KILL_OBSERVER)
            answered_more(fresh, 200)
        room.wait_for("observed again", has("MetricsAvailable", "True", "DataReceived"), timeout=60)
    print(f"new connections: {fresh}; keep-alive: {pooled}")
    assert (fresh.failed, pooled.failed) == (0, 0)


def test_pods_start_without_the_webhook_and_the_monitor_tells(room: Room, kube: Kube) -> None:
    room.deploy(Model(delay=0))
    kube.apply(monitor_body(room.name))
    room.wait_for("Ready", has("Ready", "True"))
    kube("scale", "deployment/modelmonitor-injector", "-n", OPERATOR_NAMESPACE, "--replicas=0")
    try:
        wait_until(
            "no injector",
            lambda: (
                not kube.list("pods", OPERATOR_NAMESPACE, "app.kubernetes.io/component=injector")
            ),
            60,
        )
        room.restart("model")
        assert not any(is_injected(pod) for pod in room.pods())
        monitor = room.wait_for("missed pods", has("CollectorsReady", "False", "NotInjected"))
        assert monitor["status"]["collectors"]["matched"] == 1
        assert monitor["status"]["collectors"]["injected"] == 0
        print(condition(monitor, "CollectorsReady")[2])
    finally:
        kube("scale", "deployment/modelmonitor-injector", "-n", OPERATOR_NAMESPACE, "--replicas=2")
        kube("rollout", "status", "deployment/modelmonitor-injector", "-n", OPERATOR_NAMESPACE)
    room.restart("model")
    assert all(is_injected(pod) for pod in room.pods())


def test_undecodable_bodies_are_counted_and_harm_nobody(
    room: Room, kube: Kube, two_inputs: dict[str, Any]
) -> None:
    metadata = {"name": "nowhere", "namespace": room.name}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": two_inputs})
    room.deploy(Model(delay=0))
    kube.apply(monitor_body(room.name, **DRIFT))
    room.wait_for("Ready", has("Ready", "True"))
    room.restart("model")
    three_values = Traffic(room.url("model", "/predict"), 50, body=b'{"instances": [[1, 2, 3]]}')
    garbage = Traffic(room.url("model", "/v2/models/model/infer"), 50, body=b'{"inputs": [{"na')
    with running_load(three_values, garbage) as (answered, refused):
        monitor = room.wait_for(
            "undecodable", has("MetricsAvailable", "False", "BodiesUndecodable"), timeout=60
        )
    assert monitor["status"]["alertState"] in {"Unknown", "NoData"}
    assert answered.failed == 0
    assert set(refused.failures) == {"500"}, "the model's own answers come through"
    address = room.pods()[0]["status"]["podIP"]
    with urllib.request.urlopen(f"http://{address}:24190/metrics", timeout=5) as answer:
        text = answer.read().decode()
    counted = re.findall(r"(?m)^modelmonitor_collector_undecodable\S*_total\S* (\S+)", text)
    assert sum(map(float, counted)) > 0


def test_a_killed_controller_comes_back_with_the_same_verdicts(
    room: Room, kube: Kube, release: Release
) -> None:
    url = serving(room, kube)
    with running_load(Traffic(url, 20)) as (report,):
        before = room.wait_for("OK", lambda body: body["status"].get("alertState") == "OK")
        release.kill_controller()
        killed = time.time()
        wait_until(
            "an interval after the kill is judged",
            lambda: last_judged(kube, room.name) > killed,
            timeout=120,
        )
        after = room.monitor()
    assert after["status"]["alertState"] == "OK"
    assert after["status"]["metrics"][0]["since"] == before["status"]["metrics"][0]["since"]
    assert report.failed == 0
