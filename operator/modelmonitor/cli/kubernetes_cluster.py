"""The cluster of the kubeconfig. Slow to import: commands load it when they run."""

import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError, MaxRetryError

from modelmonitor.api.v1alpha1.monitor import GROUP, PLURAL, VERSION
from modelmonitor.cli.cluster import AccessDeniedError, Body, ObjectKind
from modelmonitor.cli.errors import CommandError

CLI_FIELD_MANAGER: Final = "modelmonitor-cli"
_NAMESPACE_FILE: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
TIMEOUT: Final = 30.0
"""Seconds for one call; a person is waiting."""


class KubernetesCluster:
    """The cluster of the current kubeconfig, or the one that the process runs in."""

    def __init__(self, context: str | None) -> None:
        self._client, self.namespace = _connect(context)

    def monitors(self, namespace: str | None) -> list[Body]:
        """Return the monitors of one namespace, or of all for None."""
        custom = client.CustomObjectsApi(self._client)
        try:
            if namespace is None:
                answer = custom.list_custom_object_for_all_namespaces(
                    GROUP, VERSION, PLURAL, _request_timeout=TIMEOUT
                )
            else:
                answer = custom.list_namespaced_custom_object(
                    GROUP, VERSION, namespace, PLURAL, _request_timeout=TIMEOUT
                )
        except (ApiException, HTTPError) as error:
            raise _explained(error, "list ModelMonitors") from error
        return list(_body(answer)["items"])

    def monitor(self, namespace: str, name: str) -> Body:
        """Return one monitor."""
        custom = client.CustomObjectsApi(self._client)
        try:
            answer = custom.get_namespaced_custom_object(
                GROUP, VERSION, namespace, PLURAL, name, _request_timeout=TIMEOUT
            )
        except (ApiException, HTTPError) as error:
            raise _explained(error, f"read ModelMonitor {namespace}/{name}") from error
        return _body(answer)

    def find(self, kind: ObjectKind, namespace: str, name: str) -> Body | None:
        """Return one object, None if there is none of this name; `namespace` may not matter."""
        path = f"{_path(kind, namespace)}/{name}"
        return self._get(path, [], f"read {kind.name} {name}", absent=None)

    def objects(
        self, kind: ObjectKind, namespace: str, labels: Mapping[str, str] | None = None
    ) -> list[Body]:
        """Return the objects of a namespace, those with these labels only."""
        selector = ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items()))
        action = f"list {kind.plural} in namespace {namespace}"
        query = [("labelSelector", selector)] if selector else []
        answer = self._get(_path(kind, namespace), query, action, absent={"items": []})
        return list((answer or {})["items"] or [])

    def _get(
        self, path: str, query: list[tuple[str, str]], action: str, absent: Body | None
    ) -> Body | None:
        """Return an answer as JSON; `absent` if the server knows nothing by this path."""
        request = self._client.param_serialize(
            "GET",
            path,
            query_params=query,
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            answer = self._client.call_api(*request, _request_timeout=TIMEOUT)
            payload = answer.read()
        except (ApiException, HTTPError) as error:
            raise _explained(error, action) from error
        if answer.status == HTTPStatus.NOT_FOUND:
            return absent
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            refusal = ApiException(answer.status, answer.reason, body=payload.decode())
            raise _explained(refusal, action)
        return _body(json.loads(payload))

    def apply_config_map(
        self, namespace: str, name: str, data: Mapping[str, str], *, force: bool
    ) -> None:
        """Apply the data of a ConfigMap; `force` takes fields over from their managers."""
        body: Body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace},
            "data": dict(data),
        }
        try:
            client.CoreV1Api(self._client).patch_namespaced_config_map(
                name,
                namespace,
                body,
                field_manager=CLI_FIELD_MANAGER,
                force=force,
                _content_type="application/apply-patch+yaml",
                _request_timeout=TIMEOUT,
            )
        except (ApiException, HTTPError) as error:
            raise _explained(error, f"apply ConfigMap {namespace}/{name}") from error


def _connect(context: str | None) -> tuple[client.ApiClient, str]:
    configuration = client.Configuration()
    try:
        files = os.environ.get("KUBECONFIG")
        config.load_kube_config(files, context=context, client_configuration=configuration)
        contexts, current = config.list_kube_config_contexts(files)
        chosen = next((one for one in contexts if one["name"] == context), current)
        namespace = chosen["context"].get("namespace", "default")
    except (ConfigException, FileNotFoundError) as error:
        if context is not None:
            raise CommandError(f"context {context} cannot be used: {error}") from error
        try:
            config.load_incluster_config(client_configuration=configuration)
        except ConfigException:
            raise CommandError(
                "no cluster is configured: set KUBECONFIG, or name a context with --context"
            ) from error
        namespace = _own_namespace()
    return client.ApiClient(configuration), namespace


def _own_namespace() -> str:
    """Return the namespace of the pod that this process runs in."""
    try:
        return _NAMESPACE_FILE.read_text().strip()
    except OSError:
        return "default"


def _path(kind: ObjectKind, namespace: str) -> str:
    root = "/apis" if "/" in kind.api_version else "/api"
    place = f"/namespaces/{namespace}" if kind.namespaced else ""
    return f"{root}/{kind.api_version}{place}/{kind.plural}"


def _body(answer: object) -> Body:
    if not isinstance(answer, dict):
        raise CommandError("the API server answered with something that is no object")
    return answer


def _explained(error: ApiException | HTTPError, action: str) -> CommandError:
    """Return the sentence for an error of the client."""
    if isinstance(error, HTTPError):
        cause = error.reason if isinstance(error, MaxRetryError) else error
        return CommandError(
            f"could not {action}: the API server does not answer ({cause}); see whether the "
            "cluster runs, and whether `kubectl config current-context` names the one you mean"
        )
    try:
        message = json.loads(error.body or "")["message"]
    except (ValueError, KeyError, TypeError):
        message = error.reason
        if error.status == HTTPStatus.NOT_FOUND:  # the server says so in JSON of known kinds only
            message = "the cluster does not know the kind; install the Helm chart, or its CRDs"
    if error.status == HTTPStatus.FORBIDDEN:
        return AccessDeniedError(f"could not {action}: {message}")
    hint = ""
    if error.status == HTTPStatus.NOT_FOUND and "could not find the requested resource" in str(
        message
    ):
        hint = "; the CRDs are not installed: install the Helm chart"
    if error.status == HTTPStatus.CONFLICT:
        hint = "; --force-conflicts takes the fields over"
    return CommandError(f"could not {action}: {message}{hint}")
