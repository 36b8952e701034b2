"""The demo's own parts in the cluster: model, traffic and monitor, as the manifests declare."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from demo.story.kubectl import Body, Kubectl, KubectlError

NAMESPACE: Final = "flights"
MODEL: Final = "flight-delay"
"""Name of the Deployment, of the Service, of the model and of the monitor."""
CLIENT: Final = "flight-client"
FIRST_TRAINING: Final = "first-training"
IMAGE: Final = "localhost/modelmonitor-demo:demo"
"""The image as the manifests name it."""
MANIFESTS: Final = Path(__file__).resolve().parents[1] / "manifests"

_CONTAINER: Final = "mlserver"
_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Flights:
    """The flight model in one namespace of one cluster.

    Attributes
    ----------
    kubectl
        The cluster.
    namespace
        Where everything is made; the manifests' own namespace is replaced by it.
    image
        The demo's image, as the nodes know it.
    """

    kubectl: Kubectl
    namespace: str = NAMESPACE
    image: str = IMAGE

    def manifest(self, name: str) -> list[Body]:
        """Return the objects of one file of `demo/manifests`, for this namespace and image."""
        text = (MANIFESTS / name).read_text(encoding="utf-8").replace(IMAGE, self.image)
        objects: list[Body] = list(yaml.safe_load_all(text))
        for one in objects:
            if one["kind"] == "Namespace":
                one["metadata"]["name"] = self.namespace
            else:
                one["metadata"]["namespace"] = self.namespace
            for subject in one.get("subjects", []):
                subject["namespace"] = self.namespace
        return objects

    def apply(self, name: str) -> None:
        """Apply one file of `demo/manifests`."""
        self.kubectl.apply(yaml.safe_dump_all(self.manifest(name)))

    def train_first(self, timeout: float = 300) -> str:
        """Train the first model and its baseline; return what the Job printed.

        Raises
        ------
        KubectlError
            If the Job fails or takes longer than `timeout` seconds.
        """
        self.kubectl.run(*self._named("delete", "job", FIRST_TRAINING, "--ignore-not-found"))
        self.apply("first-training.yaml")
        return self.wait_for_job(FIRST_TRAINING, timeout)

    def deploy_model(self, timeout: float = 300) -> None:
        """Serve the first model with two replicas behind a Service; return when both are ready."""
        self.apply("deployment.yaml")
        self.apply("service.yaml")
        self.wait_for_rollout(MODEL, timeout)

    def start_replay(self, phase: str = "winter", timeout: float = 120) -> None:
        """Start the traffic, with the flights of one season; return when it flows."""
        self.apply("client.yaml")
        self.wait_for_rollout(CLIENT, timeout)
        self.replay(phase)

    def replay(self, phase: str) -> float:
        """Replay another season from now on; return the client's own time, seconds since 1970."""
        script = f"echo {phase} > /tmp/phase && date +%s.%N"
        return float(self._exec(f"deployment/{CLIENT}", script))

    def client_reports(self) -> list[dict[str, Any]]:
        """Return what the client has reported so far, oldest first."""
        lines = self.kubectl.run(*self._named("logs", f"deployment/{CLIENT}")).splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def pods(self) -> list[str]:
        """Return the names of the model's pods that are not going away."""
        pods = self.kubectl.get(*self._named("pods", "-l", f"app.kubernetes.io/name={MODEL}"))[
            "items"
        ]
        return sorted(
            pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        )

    def slow_down(self, pod: str, seconds: float) -> None:
        """Let one replica wait before each answer."""
        self._exec(pod, f"echo {seconds} > /tmp/slow")

    def speed_up(self, pod: str) -> None:
        """Let it answer at once again."""
        self._exec(pod, "rm -f /tmp/slow")

    def restart(self, timeout: float = 300) -> None:
        """Recreate the model's pods one by one, as a user does who wants them to be monitored."""
        self.kubectl.run(*self._named("rollout", "restart", f"deployment/{MODEL}"))
        self.wait_for_rollout(MODEL, timeout)

    def wait_for_rollout(self, deployment: str, timeout: float) -> None:
        """Return when all pods of a Deployment are new and ready."""
        wait = self._named("rollout", "status", f"deployment/{deployment}")
        self.kubectl.run(*wait, f"--timeout={timeout:.0f}s", timeout=timeout + 10)

    def wait_for_job(self, job: str, timeout: float) -> str:
        """Return what a Job printed, once it has succeeded.

        Raises
        ------
        KubectlError
            If it fails, or takes longer than `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            status = self.kubectl.get(*self._named("job", job)).get("status", {})
            if status.get("succeeded"):
                return self.job_output(job)
            if status.get("failed"):
                raise KubectlError(f"Job {job} failed:\n{self.job_output(job)}")
            time.sleep(_POLL_SECONDS)
        raise KubectlError(f"Job {job} has not ended after {timeout:.0f} s")

    def job_output(self, job: str) -> str:
        """Return what a Job has printed so far."""
        return self.kubectl.run(*self._named("logs", f"job/{job}"))

    def jobs(self) -> list[Body]:
        """Return the Jobs of the namespace but the first training."""
        jobs: list[Body] = self.kubectl.get(*self._named("jobs"))["items"]
        return [job for job in jobs if job["metadata"]["name"] != FIRST_TRAINING]

    def remove(self, timeout: float = 120) -> None:
        """Delete the namespace with all that is in it."""
        gone = ("delete", "namespace", self.namespace, "--ignore-not-found")
        self.kubectl.run(*gone, f"--timeout={timeout:.0f}s", timeout=timeout + 10)

    def _exec(self, pod: str, script: str) -> str:
        container = () if pod.startswith("deployment/") else ("-c", _CONTAINER)
        return self.kubectl.run(*self._named("exec", pod, *container), "--", "sh", "-c", script)

    def _named(self, *arguments: str) -> tuple[str, ...]:
        return (*arguments, "-n", self.namespace)
