"""A namespace of a real API server with a controller process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelmonitor.api.v1alpha1.monitor import GROUP, MONITOR_LABEL
from modelmonitor.core.settings import PUBLIC_ROOT_KEYS
from modelmonitor.core.times import format_time
from modelmonitor.core.wire.configuration import CONTAINER_NAME
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.controller.world import ERRORS, IMAGE
from tests.support.waiting import wait_until

INTERVAL = 5
Body = dict[str, Any]


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

    def created_pod(self) -> Body:
        """Create a pod as the Deployment's ReplicaSet does; return it as it was admitted."""
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": "web-r1",
            "uid": "00000000-0000-0000-0000-000000000001",
            "controller": True,
        }
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": "web-r1-",
                "namespace": self.name,
                "labels": {"app": "web", "pod-template-hash": "r1"},
                "ownerReferences": [owner],
            },
            "spec": {"containers": [model_container()]},
        }
        created: Body = json.loads(
            self.kubectl("create", "-f", "-", "-o", "json", stdin=json.dumps(body))
        )
        return created

    def ready_pod(self, name: str, namespace: str, labels: dict[str, str]) -> None:
        """Create a pod that is ready, whatever it does."""
        self.kubectl.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": name, "namespace": namespace, "labels": labels},
                "spec": {"containers": [model_container()]},
            }
        )
        self.make_ready(name, namespace)

    def make_ready(self, name: str, namespace: str = "") -> None:
        """Let a pod become ready, as its kubelet would."""
        now = format_time(time.time())
        status = {
            "phase": "Running",
            "startTime": now,
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        }
        self.patch_status("pod", name, status, namespace)

    def settle(self) -> None:
        """Let the rollout of the Deployment end."""
        generation = self.kubectl.get("deployment", "web", "-n", self.name)["metadata"][
            "generation"
        ]
        counts = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")
        status = {**dict.fromkeys(counts, 1), "observedGeneration": generation}
        self.patch_status("deployment", "web", status)

    def patch_status(self, kind: str, name: str, status: Body, namespace: str = "") -> None:
        """Write something of an object's status, as its owner would."""
        patch = json.dumps({"status": status})
        self.kubectl(
            "patch",
            kind,
            name,
            "-n",
            namespace or self.name,
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


def condition(body: Body, kind: str) -> tuple[str, str]:
    found = [each for each in body.get("status", {}).get("conditions", []) if each["type"] == kind]
    return (found[0]["status"], found[0]["reason"]) if found else ("", "")


def has(kind: str, status: str, reason: str = "") -> Callable[[Body], bool]:
    def holds(body: Body) -> bool:
        found = condition(body, kind)
        return found[0] == status and reason in {"", found[1]}

    return holds
