"""The controller as a process against a real API server; collectors are served over loopback."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.api.v1alpha1.monitor import GROUP, INJECTION_LABEL, MONITOR_LABEL
from modelmonitor.core.settings import PUBLIC_ROOT_KEYS
from modelmonitor.core.times import format_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.cluster.mmcluster.settings import default_cache
from tests.cluster.mmcluster.toolchain import Toolchain
from tests.controller.collector_server import ServedCollector, serving
from tests.controller.world import ERRORS, IMAGE, RETRAINING
from tests.support.kstatus import compute_status, convention_breaks, kubectl_wait_is_met
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.api, pytest.mark.timeout(300)]

INTERVAL = 5
Body = dict[str, Any]


@pytest.fixture(scope="module")
def kubectl(root: Path) -> Iterator[Kubectl]:
    """Run an API server with the CRD."""
    with running_apiserver() as kubeconfig:
        run = Kubectl(Toolchain(default_cache()).programs / "kubectl", kubeconfig)
        run("apply", "-f", root / "crds")
        run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield run


@dataclass
class Room:
    """A namespace with a model, and a controller of its own."""

    kubectl: Kubectl
    name: str
    folder: Path
    root: Path
    seen: list[Body] = field(default_factory=list)
    """Every state of a monitor that was looked at."""
    process: "subprocess.Popen[bytes] | None" = None
    port: int = 0

    @property
    def operator(self) -> str:
        return f"{self.name}-operator"

    def start(self) -> None:
        """Start the controller process."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubectl.kubeconfig),
            "PYTHONPATH": f"{self.root / 'operator'}:{self.root}",
            "MM_NAMESPACE": self.operator,
            "MM_NAMESPACES": self.name,
            "MM_POD_NAME": "controller-0",
            "MM_COLLECTOR_IMAGE": IMAGE,
            "MM_STORE_URL": f"file://{self.folder / 'store'}",
            "TEST_METRICS_PORT": str(self.port),
        }
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.controller.process"], env=environment, stderr=log
            )

    def kill(self, number: int = signal.SIGKILL) -> int:
        """End the controller process; return its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def monitor(self, name: str = "m") -> Body:
        body: Body = self.kubectl.get("mm", name, "-n", self.name)
        self.seen.append(body)
        return body

    def wait(self, what: str, holds: Callable[[Body], bool], seconds: float = 60) -> Body:
        """Return the monitor as soon as something holds for it."""

        def look() -> Body | None:
            body = self.monitor()
            return body if holds(body) else None

        return wait_until(what, look, seconds, explain=lambda: f"{self.seen[-1]}\n{self.log()}")

    def apply_monitor(self, name: str = "m", **changes: Any) -> None:
        self.kubectl.apply(
            {
                "apiVersion": f"{GROUP}/v1alpha1",
                "kind": "ModelMonitor",
                "metadata": {"name": name, "namespace": self.name},
                "spec": {
                    "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
                    "collection": {"ports": [{"name": "http"}]},
                    "interval": f"{INTERVAL}s",
                    "metrics": [ERRORS],
                    **changes,
                },
            }
        )

    def deploy(self) -> None:
        self.kubectl.apply(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "web", "namespace": self.name},
                "spec": {
                    "selector": {"matchLabels": {"app": "web"}},
                    "template": {
                        "metadata": {"labels": {"app": "web"}},
                        "spec": {"containers": [model_container()]},
                    },
                },
            }
        )

    def pod(self, name: str, address: str) -> str:
        """Create a ready pod that carries a collector at an address; return its UID."""
        labels = {"app": "web", "pod-template-hash": "r1", MONITOR_LABEL: "m"}
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web-r1",
            "uid": "00000000-0000-0000-0000-000000000001",
            "controller": True,
        }
        metadata = {"name": name, "namespace": self.name}
        collector = {"name": CONTAINER_NAME, "image": IMAGE, "restartPolicy": "Always"}
        self.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {**metadata, "labels": labels, "ownerReferences": [owner]},
                "spec": {"containers": [model_container()], "initContainers": [collector]},
            }
        )
        now = format_time(time.time())
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": now,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
            "initContainerStatuses": [
                {
                    "name": CONTAINER_NAME,
                    "image": IMAGE,
                    "imageID": "",
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": now}},
                }
            ],
        }
        self.patch_status("pod", name, status)
        return str(self.kubectl.get("pod", name, "-n", self.name)["metadata"]["uid"])

    def patch_status(self, kind: str, name: str, status: Body) -> None:

        patch = json.dumps({"status": status})
        self.kubectl(
            "patch",
            kind,
            name,
            "-n",
            self.name,
            "--subresource=status",
            "--type=merge",
            "-p",
            patch,
        )

    def roots(self) -> list[str]:
        """Return the public keys that the controller has published."""
        name = "modelmonitor-public-keys"
        found = self.kubectl.get("configmap", name, "-n", self.operator)
        return [str(found["data"][PUBLIC_ROOT_KEYS])]

    def jobs(self) -> list[Body]:
        return list(self.kubectl.get("jobs", "-n", self.name)["items"])

    def events(self) -> list[str]:
        return [
            str(event["reason"]) for event in self.kubectl.get("events", "-n", self.name)["items"]
        ]


def model_container() -> Body:
    return {
        "name": "model",
        "image": "model:1",
        "ports": [{"name": "http", "containerPort": 8080}],
    }


@pytest.fixture
def room(
    kubectl: Kubectl, tmp_path: Path, root: Path, request: pytest.FixtureRequest
) -> Iterator[Room]:
    """Make namespaces for a test and run a controller on them."""
    name = f"r{abs(hash(request.node.name)) % 10**6}"
    made = Room(kubectl, name, tmp_path, root)
    for namespace in (name, made.operator):
        kubectl("create", "namespace", namespace)
    kubectl("label", "namespace", name, f"{INJECTION_LABEL}=enabled")
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()
    for body in made.seen:
        assert "conditions" not in body.get("status", {}) or not convention_breaks(body)


def condition(body: Body, kind: str) -> tuple[str, str]:
    found = [each for each in body.get("status", {}).get("conditions", []) if each["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def has(kind: str, status: str, reason: str = "") -> Callable[[Body], bool]:
    def holds(body: Body) -> bool:
        found = condition(body, kind)
        return found[0] == status and reason in {"", found[1]}

    return holds


def test_ready_alert_one_job_kill_and_recovery(room: Room) -> None:
    room.deploy()
    room.apply_monitor(retraining=RETRAINING)
    ready = room.wait("Ready", has("Ready", "True", "Succeeded"))
    assert kubectl_wait_is_met(ready, "Ready")
    assert compute_status(ready).status == "Current"

    collector = ServedCollector("127.0.9.1", room.pod("web-r1-a", "127.0.9.1"), room.roots())
    with serving(collector):
        room.wait("OK", lambda body: body["status"].get("alertState") == "OK")
        assert condition(room.monitor(), "CollectorsReady") == ("True", "AllInjected")
        assert collector.refused == []
        assert room.jobs() == []

        collector.errors = 50
        fired = room.wait("an alert", has("Alerting", "True", "ThresholdBreached"))
        assert compute_status(fired).status == "Current"
        (job,) = wait_until("a Job", room.jobs, 5)
        owner = job["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"], owner["controller"]) == ("ModelMonitor", "m", True)
        assert "AlertFired" in room.events()

        before = room.wait("the Job is recorded", has("RetrainingActive", "True", "JobRunning"))
        assert room.kill() == -signal.SIGKILL
        room.start()
        wait_until("lists", lambda: ready_probe(room.port), 60, explain=room.log)
        after = room.wait("judged again", newer_than(before), 60)
        assert since(after) == since(before)
        assert [each["metadata"]["name"] for each in room.jobs()] == [job["metadata"]["name"]]

        finish(room, job)
        room.wait("the outcome", lambda body: bool(body["status"]["retraining"].get("history")))
        collector.errors = 0
        room.wait("recovery", has("Alerting", "False", "NoBreach"))
        closed = room.wait("the end", lambda body: episode(body)["phase"] == "Closed")
        assert episode(closed)["cause"] == "Recovered"
        assert room.kill(signal.SIGTERM) == 0
    assert "this is a defect" not in room.log()


def ready_probe(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def since(body: Body) -> list[tuple[str, str, str]]:
    return [(each["name"], each["state"], each["since"]) for each in body["status"]["metrics"]]


def newer_than(before: Body) -> Callable[[Body], bool]:
    return lambda body: body["status"]["evaluatedAt"] >= before["status"]["evaluatedAt"]


def episode(body: Body) -> Body:
    found: Body = body["status"]["retraining"]["episode"]
    return found


def finish(room: Room, job: Body) -> None:
    now = format_time(time.time())
    moment = {"lastProbeTime": now, "lastTransitionTime": now, "status": "True"}
    room.patch_status(
        "job",
        job["metadata"]["name"],
        {
            "startTime": now,
            "completionTime": now,
            "succeeded": 1,
            "conditions": [
                {"type": "SuccessCriteriaMet", **moment},
                {"type": "Complete", **moment},
            ],
        },
    )


def test_what_is_missing_is_said_and_found_when_it_appears(room: Room) -> None:
    room.apply_monitor(retraining=broken_template())
    missing = room.wait("TargetNotFound", has("Stalled", "True", "TargetNotFound"))
    assert compute_status(missing).status == "Failed"
    room.deploy()
    refused = room.wait("the template", has("Stalled", "True", "JobTemplateInvalid"))
    assert condition(refused, "Ready") == ("False", "JobTemplateInvalid")
    messages = [each["message"] for each in refused["status"]["conditions"]]
    assert any("containers" in message for message in messages)
    room.apply_monitor()
    room.wait("Ready", has("Ready", "True", "Succeeded"))
    assert condition(room.monitor(), "Stalled") == ("", "")


def broken_template() -> Body:
    job = {"template": {"spec": {"template": {"spec": {"restartPolicy": "Never"}}}}}
    return {**RETRAINING, "job": job}


def test_the_younger_of_two_monitors_is_stalled_until_the_older_is_gone(room: Room) -> None:
    room.deploy()
    room.apply_monitor()
    room.wait("Ready", has("Ready", "True"))
    time_of_first = room.monitor()["metadata"]["creationTimestamp"]
    wait_until("another second", lambda: format_time(time.time()) > time_of_first, 3)
    room.apply_monitor("n")

    def younger() -> tuple[str, str]:
        return condition(room.monitor("n"), "Stalled")

    wait_until("a conflict", lambda: younger() == ("True", "Conflicted"), 30, explain=room.log)
    room.kubectl("delete", "mm", "m", "-n", room.name)
    wait_until(
        "Ready", lambda: condition(room.monitor("n"), "Ready")[0] == "True", 30, explain=room.log
    )
