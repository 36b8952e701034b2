"""What the end-to-end tests say to the cluster: namespaces, models, monitors, and waiting."""

import json
import re
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from demo.story.install import NAMESPACE as OPERATOR_NAMESPACE
from demo.story.kubectl import Body, Kubectl
from tests.support.waiting import wait_until

INJECTION_LABEL: Final = "modelmonitor.dev/injection"
COLLECTOR: Final = "mm-collector"
MODEL_SERVER: Final = Path(__file__).parent.parent / "support" / "model_server.py"


@dataclass(frozen=True)
class Kube:
    """The cluster, in the words that the tests use most."""

    kubectl: Kubectl

    def __call__(self, *words: str, timeout: float = 300) -> str:
        """Run kubectl and return what it printed."""
        return self.kubectl.run(*words, timeout=timeout)

    def get(self, kind: str, name: str, namespace: str) -> Body:
        """Return one object."""
        return self.kubectl.get(kind, name, "-n", namespace)

    def list(self, kind: str, namespace: str, selector: str = "") -> list[Body]:
        """Return the objects of one kind."""
        found = self.kubectl.get(kind, "-n", namespace, "-l", selector)
        items: list[Body] = found["items"]
        return items

    def apply(self, *bodies: Mapping[str, Any]) -> None:
        """Apply objects as a user would, by server-side apply."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(bodies)}
        words = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        self.kubectl.run(*words, stdin=json.dumps(items))


@dataclass(frozen=True)
class Model:
    """A small model server behind a Service with a named port; it answers after 50 ms."""

    name: str = "model"
    replicas: int = 1
    image: str = ""
    delay: float = 0.05
    pre_stop: int = 3
    """Seconds of preStop sleep; endpoints must have gone before the server stops."""
    port_name: str = "http"
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    """More of the server's environment."""
    target_port: int | None = None
    """What the Service's targetPort is; None: the port's name."""

    def deployment(self, namespace: str) -> Body:
        """Return the Deployment."""
        labels = {"app": self.name, **self.labels}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.name, "namespace": namespace, "labels": labels},
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": {"app": self.name}},
                "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "terminationGracePeriodSeconds": 20,
                        "automountServiceAccountToken": False,
                        "securityContext": {
                            "runAsNonRoot": True,
                            "runAsUser": 65532,
                            "seccompProfile": {"type": "RuntimeDefault"},
                        },
                        "containers": [self._container()],
                        "volumes": [{"name": "server", "configMap": {"name": "model-server"}}],
                    },
                },
            },
        }

    def _container(self) -> Body:
        return {
            "name": "model",
            "image": self.image,
            "imagePullPolicy": "IfNotPresent",
            "command": ["python3", "/srv/model_server.py"],
            "env": [
                {"name": name, "value": value}
                for name, value in {"DELAY": str(self.delay), **self.variables}.items()
            ],
            "ports": [{"name": self.port_name, "containerPort": 8080}],
            "readinessProbe": {
                "httpGet": {"path": "/v2/health/ready", "port": self.port_name},
                "periodSeconds": 1,
            },
            "lifecycle": {"preStop": {"sleep": {"seconds": self.pre_stop}}},
            "resources": {
                "requests": {"cpu": "50m", "memory": "64Mi"},
                "limits": {"memory": "256Mi"},
            },
            "securityContext": {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [{"name": "server", "mountPath": "/srv"}],
        }

    def service(self, namespace: str) -> Body:
        """Return the Service."""
        target = self.target_port or self.port_name
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {
                "selector": {"app": self.name},
                "ports": [{"name": "http", "port": 80, "targetPort": target}],
            },
        }


@dataclass(frozen=True)
class Room:
    """A namespace of one test, removed after it."""

    kube: Kube
    name: str
    image: str
    """Image in which the model server runs."""

    def deploy(self, model: Model, timeout: float = 120) -> Model:
        """Apply a model and wait until it serves; returns it with its image."""
        full = Model(**{**model.__dict__, "image": model.image or self.image})
        script = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "model-server", "namespace": self.name},
            "data": {"model_server.py": MODEL_SERVER.read_text(encoding="utf-8")},
        }
        self.kube.apply(script, full.deployment(self.name), full.service(self.name))
        self.rolled_out(full.name, timeout)
        return full

    def rolled_out(self, deployment: str, timeout: float = 120) -> None:
        """Wait until a Deployment is rolled out."""
        words = ("rollout", "status", f"deployment/{deployment}", "-n", self.name)
        self.kube(*words, f"--timeout={timeout:g}s")

    def restart(self, deployment: str, timeout: float = 180) -> None:
        """Recreate the pods of a Deployment and wait."""
        self.kube("rollout", "restart", f"deployment/{deployment}", "-n", self.name)
        self.rolled_out(deployment, timeout)

    def url(self, service: str, path: str) -> str:
        """Return the address of a Service for a client outside the cluster's pods."""
        address = self.kube.get("service", service, self.name)["spec"]["clusterIP"]
        return f"http://{address}{path}"

    def pods(self, model: str = "model") -> list[Body]:
        """Return the pods of a model that are not going away."""
        found = self.kube.list("pods", self.name, f"app={model}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def monitor(self, name: str = "monitor") -> Body:
        """Return a ModelMonitor."""
        return self.kube.get("modelmonitor", name, self.name)

    def wait_for(
        self,
        what: str,
        check: Callable[[Body], Any],
        timeout: float = 60,
        name: str = "monitor",
    ) -> Body:
        """Return the monitor as soon as the check of it holds."""
        last: list[Body] = []

        def look() -> Body | None:
            last[:] = [self.monitor(name)]
            return last[0] if check(last[0]) else None

        return wait_until(what, look, timeout, explain=lambda: describe(last[0]))


def is_injected(pod: Body) -> bool:
    """Say whether a pod carries a collector."""
    containers = pod["spec"].get("initContainers", [])
    return any(container["name"] == COLLECTOR for container in containers)


def condition(monitor: Body, kind: str) -> tuple[str, str, str]:
    """Return status, reason and message of a condition; empty texts if it is not there."""
    for one in monitor.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            return one["status"], one["reason"], one["message"]
    return "", "", ""


def has(kind: str, status: str, reason: str = "") -> Callable[[Body], bool]:
    """Return a check for a condition of the present generation."""

    def check(monitor: Body) -> bool:
        seen = monitor.get("status", {}).get("observedGeneration")
        found, why, _ = condition(monitor, kind)
        fresh = seen == monitor["metadata"]["generation"]
        return fresh and found == status and reason in {"", why}

    return check


def describe(monitor: Body) -> str:
    """Return the status as text for a failure message."""
    return json.dumps(monitor.get("status", {}), indent=1)


def monitor_body(namespace: str, name: str = "monitor", **spec: Any) -> Body:
    """Return a ModelMonitor of the Deployment `model` that watches its traffic."""
    return {
        "apiVersion": "modelmonitor.dev/v1alpha1",
        "kind": "ModelMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
            "collection": {"ports": [{"name": "http", "protocol": "Auto"}]},
            "interval": "5s",
            "metrics": [
                {
                    "name": "errors",
                    "type": "ErrorRatio",
                    "threshold": {"operator": "GreaterThan", "critical": "0.05"},
                }
            ],
            **spec,
        },
    }


def last_judged(kube: Kube, namespace: str) -> float:
    """Return the end of the last judged interval of a namespace's monitor, since the epoch.

    The status says it only when it is written; the controller's own metrics always do. 0 while
    nothing is known: no controller answers, or none has judged.
    """
    pods = kube.list("pods", OPERATOR_NAMESPACE, "app.kubernetes.io/component=controller")
    try:
        address = pods[0]["status"]["podIP"]
        with urllib.request.urlopen(f"http://{address}:8080/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except (LookupError, OSError):
        return 0.0
    pattern = rf'(?m)^modelmonitor_verdict_age_seconds{{[^}}]*"{namespace}"[^}}]*}} (\S+)'
    found = re.search(pattern, text)
    return time.time() - float(found[1]) if found else 0.0


_COUNT_STORED: Final = """
import pathlib, msgspec
panes = {}
for entry in pathlib.Path("/var/lib/modelmonitor/monitors/UID/entries").glob("*.msgpack"):
    for pane in msgspec.msgpack.decode(entry.read_bytes()).get("panes", []):
        panes[pane["bootID"], pane["seq"]] = pane.get("requests", {}).get("seen", 0)
print(sum(panes.values()))
"""


def stored_requests(kube: Kube, monitor: Body) -> int:
    """Return the requests in all panes that the controller keeps of a monitor, each once."""
    script = _COUNT_STORED.replace("UID", monitor["metadata"]["uid"])
    controller = "deployment/modelmonitor-controller"
    return int(kube("exec", controller, "-n", OPERATOR_NAMESPACE, "--", "python", "-c", script))
