"""The three calls to the Kubernetes API that the trainer makes, with its own ServiceAccount."""

import json
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_APPLY: Final = "application/apply-patch+yaml"
_STRATEGIC_MERGE: Final = "application/strategic-merge-patch+json"
_FIELD_MANAGER: Final = "flight-trainer"
_TIMEOUT: Final = 10.0

Body = dict[str, Any]


class KubeError(RuntimeError):
    """The API server refused a call; the message is its own."""


@dataclass(frozen=True)
class Kube:
    """The API server as this pod may use it.

    Attributes
    ----------
    server
        Address, without a trailing slash.
    token
        The ServiceAccount's bearer token.
    authority
        File of the certificate authority.
    namespace
        Namespace of this pod; all calls stay in it.
    """

    server: str
    token: str
    authority: Path
    namespace: str

    @classmethod
    def of_this_pod(cls) -> Self:
        """Return the API server of the cluster that this pod runs in."""
        return cls(
            server="https://kubernetes.default.svc",
            token=(_ACCOUNT / "token").read_text(encoding="ascii"),
            authority=_ACCOUNT / "ca.crt",
            namespace=(_ACCOUNT / "namespace").read_text(encoding="ascii"),
        )

    def apply_config_map(self, name: str, files: dict[str, str], binary: dict[str, str]) -> None:
        """Write a ConfigMap by server-side apply.

        Parameters
        ----------
        name
            Name of the ConfigMap.
        files
            Text by key.
        binary
            Base64 by key.
        """
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "flight-delay"}},
            "data": files,
            "binaryData": binary,
        }
        query = f"?fieldManager={_FIELD_MANAGER}&force=true"
        self._call("PATCH", f"/api/v1/{self._in_namespace}/configmaps/{name}{query}", body, _APPLY)

    def mount_config_map(self, deployment: str, volume: str, config_map: str) -> None:
        """Let a Deployment mount another ConfigMap, which rolls it."""
        volumes = [{"name": volume, "configMap": {"name": config_map}}]
        patch = {"spec": {"template": {"spec": {"volumes": volumes}}}}
        query = f"?fieldManager={_FIELD_MANAGER}"
        self._call("PATCH", self._deployment(deployment) + query, patch, _STRATEGIC_MERGE)

    def wait_for_rollout(self, deployment: str, timeout: float) -> None:
        """Wait until all pods of a Deployment are of its newest template and ready.

        Raises
        ------
        KubeError
            If that has not come true after `timeout` seconds.
        """
        path = self._deployment(deployment)
        deadline = time.monotonic() + timeout
        while not rolled_out(self._call("GET", path)):
            if time.monotonic() > deadline:
                raise KubeError(f"Deployment {deployment} is not rolled out after {timeout:.0f} s")
            time.sleep(1.0)

    @property
    def _in_namespace(self) -> str:
        return f"namespaces/{self.namespace}"

    def _deployment(self, name: str) -> str:
        return f"/apis/apps/v1/{self._in_namespace}/deployments/{name}"

    def _call(self, method: str, path: str, body: Body | None = None, kind: str = "") -> Body:
        request = urllib.request.Request(
            self.server + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
        )
        context = ssl.create_default_context(cafile=str(self.authority))
        try:
            with urllib.request.urlopen(request, context=context, timeout=_TIMEOUT) as response:
                answer: Body = json.load(response)
        except urllib.error.HTTPError as error:
            raise KubeError(f"{method} {path}: {_reason(error)}") from error
        return answer


def rolled_out(deployment: Body) -> bool:
    """Say whether all wanted pods of a Deployment are of its newest template and available."""
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status", {})
    pods = {status.get(count, 0) for count in ("replicas", "updatedReplicas", "availableReplicas")}
    return pods == {wanted} and (
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    )


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["message"])
    except (ValueError, KeyError):
        return str(error)
