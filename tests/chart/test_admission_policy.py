"""The chart's admission policy and roles on a real API server: who may write what of a monitor."""

import json
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.chart.conftest import NAMESPACE, Helm
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.settings import default_cache
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.api, pytest.mark.timeout(240)]

Body = dict[str, Any]

MODELS = "models"
RETRAINING: Body = {
    "when": {"severity": "Critical", "metrics": ["traffic"]},
    "job": {
        "template": {
            "spec": {
                "template": {
                    "spec": {
                        "restartPolicy": "Never",
                        "containers": [{"name": "train", "image": "example.com/train:1"}],
                    }
                }
            }
        }
    },
}
# Both people may edit monitors by the chart's roles; only the engineer may create Jobs, and patch
# Deployments.
GRANTS = """
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: models}}
- {apiVersion: v1, kind: Namespace, metadata: {name: modelmonitor-system}}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: test-edit}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: modelmonitor-edit}
  subjects: &people
  - {kind: User, name: monitor-editor, apiGroup: rbac.authorization.k8s.io}
  - {kind: User, name: engineer, apiGroup: rbac.authorization.k8s.io}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: test-view}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: modelmonitor-view}
  subjects: *people
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: test-jobs}
  rules:
  - {apiGroups: [batch], resources: [jobs], verbs: [create]}
  - {apiGroups: [apps], resources: [deployments], verbs: [patch]}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: test-jobs}
  roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-jobs}
  subjects: [{kind: User, name: engineer, apiGroup: rbac.authorization.k8s.io}]
"""


@dataclass(frozen=True)
class Server:
    """A real API server on which the chart's objects were applied."""

    kubeconfig: Path

    def kubectl(
        self, *words: str, body: object = None, user: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl, as another user where one is given."""
        identity = [f"--as={user}"] if user else []
        return subprocess.run(
            [
                default_cache() / "bin" / "kubectl",
                f"--kubeconfig={self.kubeconfig}",
                *identity,
                *words,
            ],
            input=body if isinstance(body, str) else json.dumps(body),
            capture_output=True,
            text=True,
            check=False,
        )

    def apply(self, body: str) -> None:
        """Apply manifests as the administrator."""
        done = self.kubectl("apply", "--server-side", "-f", "-", body=body)
        assert done.returncode == 0, done.stderr

    def may(self, user: str, verb: str, resource: str, namespace: str) -> bool:
        """Return what the API server's authorizer says of `resource/name` or `resource:part`."""
        resource, _, part = resource.partition(":")
        words = ("auth", "can-i", verb, resource, f"--subresource={part}", "-n", namespace)
        done = self.kubectl(*words, user=user)
        return done.stdout.strip() == "yes"

    def write(self, verb: str, monitor: Body, user: str) -> str:
        """Create or replace a monitor; return the refusal, empty if there was none."""
        done = self.kubectl(verb, "-f", "-", body=monitor, user=user)
        return done.stderr if done.returncode else ""


def monitor(name: str, *, namespace: str = MODELS, retraining: Body | None = None) -> Body:
    """Return a valid monitor."""
    threshold = {"operator": "LessThan", "critical": "1"}
    spec: Body = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
        "collection": {"ports": [{"name": "http"}]},
        "metrics": [{"name": "traffic", "type": "RequestRate", "threshold": threshold}],
    }
    if retraining is not None:
        spec["retraining"] = retraining
    return {
        "apiVersion": "modelmonitor.dev/v1alpha1",
        "kind": "ModelMonitor",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


@pytest.fixture(scope="module")
def server(helm: Helm) -> Iterator[Server]:
    with running_apiserver() as kubeconfig:
        server = Server(kubeconfig)
        server.apply(GRANTS)
        server.apply(helm.render("--include-crds", "--set", "restart.enabled=true").text)
        # An API server compiles a policy some moments after it is stored.
        wait_until(
            "the policy refuses",
            lambda: server.write("create", monitor("probe", namespace=NAMESPACE), ""),
            timeout=60,
        )
        yield server


@pytest.fixture
def existing(server: Server) -> Iterator[Body]:
    """Return a stored monitor that retrains, written by somebody who may."""
    body = monitor("existing", retraining=RETRAINING)
    assert server.write("create", body, "engineer") == ""
    yield body
    server.kubectl("delete", "mm", "existing", "-n", MODELS)


def test_retraining_needs_the_right_to_create_jobs(server: Server) -> None:
    refusal = server.write("create", monitor("new", retraining=RETRAINING), "monitor-editor")

    assert (
        "spec.retraining starts Jobs, and monitor-editor may not create Jobs in models: "
        "ask for the right to create jobs.batch there" in refusal
    )


def test_a_monitor_without_retraining_needs_no_such_right(server: Server) -> None:
    assert server.write("create", monitor("plain"), "monitor-editor") == ""


def test_retraining_cannot_be_added_changed_or_removed_without_the_right(
    server: Server, existing: Body
) -> None:
    plain = monitor("grows")
    assert server.write("create", plain, "monitor-editor") == ""
    added = monitor("grows", retraining=RETRAINING)
    changed = deepcopy(existing)
    template = changed["spec"]["retraining"]["job"]["template"]["spec"]["template"]
    template["spec"]["containers"][0]["image"] = "example.com/miner:1"
    removed = deepcopy(existing)
    del removed["spec"]["retraining"]

    for attempt in (added, changed, removed):
        assert "may not create Jobs" in server.write("replace", attempt, "monitor-editor")


def test_other_edits_of_a_monitor_that_retrains_pass(server: Server, existing: Body) -> None:
    edited = deepcopy(existing)
    edited["spec"]["suspend"] = True

    assert server.write("replace", edited, "monitor-editor") == ""


def test_who_may_create_jobs_may_change_retraining(server: Server, existing: Body) -> None:
    changed = deepcopy(existing)
    changed["spec"]["retraining"]["cooldown"] = "48h"

    assert server.write("replace", changed, "engineer") == ""


def restarting(body: Body, kind: str = "Deployment") -> Body:
    """Return the monitor with a wish to restart its target's pods."""
    asking = deepcopy(body)
    asking["spec"]["targetRef"]["kind"] = kind
    asking["spec"]["collection"]["restart"] = "Once"
    return asking


def test_a_restart_needs_the_right_to_patch_the_target(server: Server) -> None:
    refused = (
        "spec.collection.restart Once recreates pods, and monitor-editor may not patch "
        "deployments in models: ask for the right to patch deployments.apps there"
    )
    asking = restarting(monitor("asks"))

    assert refused in server.write("create", asking, "monitor-editor")
    assert server.write("create", monitor("asks"), "monitor-editor") == ""
    assert refused in server.write("replace", asking, "monitor-editor")
    assert server.write("replace", asking, "engineer") == ""
    asking["spec"]["suspend"] = True
    assert server.write("replace", asking, "monitor-editor") == ""
    refusal = server.write("create", restarting(monitor("set"), "StatefulSet"), "engineer")
    assert "engineer may not patch statefulsets" in refusal


CONTAINERS: list[Body] = [{"name": "model", "image": "example.com/model:1"}]
CONTROLLER = f"system:serviceaccount:{NAMESPACE}:modelmonitor-controller"


@pytest.fixture
def deployment(server: Server) -> Iterator[str]:
    """Return the name of a stored Deployment."""
    body: Body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": MODELS},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"team": "fraud"}},
                "spec": {"containers": CONTAINERS},
            },
        },
    }
    assert server.write("create", body, "") == ""
    yield "web"
    server.kubectl("delete", "deployment", "web", "-n", MODELS)


@pytest.mark.parametrize(
    ("change", "allowed"),
    [
        ({"template": {"metadata": {"annotations": {"modelmonitor.dev/restarted": "u"}}}}, True),
        ({"template": {"metadata": {"annotations": {"other": "u"}}}}, False),
        ({"template": {"metadata": {"annotations": {"team": "other"}}}}, False),
        ({"template": {"metadata": {"annotations": {"team": None}}}}, False),
        ({"template": {"spec": {"containers": [{**CONTAINERS[0], "image": "x"}]}}}, False),
        ({"template": {"spec": {"hostNetwork": True}}}, False),
        ({"replicas": 5}, False),
    ],
)
def test_the_controller_can_change_one_annotation_and_nothing_else(
    server: Server, deployment: str, change: Body, allowed: bool
) -> None:
    patch = json.dumps({"spec": change})
    words = ("patch", "deployment", deployment, "-n", MODELS, "-p", patch)
    done = server.kubectl(*words, user=CONTROLLER)
    assert (done.returncode == 0) is allowed, done.stderr
    assert allowed or "changes nothing of a workload but its annotation" in done.stderr


def test_the_controller_creates_pods_in_dry_runs_only(server: Server) -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trial", "namespace": MODELS},
        "spec": {"containers": CONTAINERS},
    }
    tried = server.kubectl(
        "create", "-f", "-", "--dry-run=server", "--validate=false", body=body, user=CONTROLLER
    )
    assert tried.returncode == 0, tried.stderr
    assert "creates pods in dry runs only" in server.write("create", body, CONTROLLER)


def test_monitors_in_the_operators_namespace_are_refused_even_to_administrators(
    server: Server,
) -> None:
    refusal = server.write("create", monitor("mine", namespace=NAMESPACE), "")

    assert "Monitors are not allowed in modelmonitor-system" in refusal


@pytest.mark.parametrize(
    ("account", "verb", "resource", "namespace", "allowed"),
    [
        ("controller", "watch", "modelmonitors.modelmonitor.dev", MODELS, True),
        ("controller", "patch", "modelmonitors.modelmonitor.dev:status", MODELS, True),
        ("controller", "patch", "modelmonitors.modelmonitor.dev", MODELS, False),
        ("controller", "create", "jobs.batch", MODELS, True),
        ("controller", "delete", "jobs.batch", MODELS, False),
        ("controller", "list", "replicasets.apps", MODELS, True),
        ("controller", "list", "networkpolicies.networking.k8s.io", MODELS, True),
        ("controller", "create", "networkpolicies.networking.k8s.io", MODELS, False),
        ("controller", "create", "events", MODELS, True),
        ("controller", "list", "events", MODELS, True),
        ("controller", "get", "configmaps", MODELS, True),
        ("controller", "list", "configmaps", MODELS, False),
        ("controller", "patch", "deployments.apps", MODELS, True),  # restart.enabled
        ("controller", "update", "deployments.apps", MODELS, False),
        ("controller", "delete", "pods", MODELS, False),
        ("controller", "create", "pods:eviction", MODELS, True),
        ("controller", "create", "pods:exec", MODELS, False),
        ("controller", "get", "secrets", MODELS, False),
        ("controller", "get", "secrets", NAMESPACE, False),
        ("controller", "get", "secrets/modelmonitor-keys", NAMESPACE, True),
        ("controller", "create", "jobs.batch", NAMESPACE, True),
        ("injector", "watch", "modelmonitors.modelmonitor.dev", MODELS, True),
        ("injector", "create", "jobs.batch", MODELS, False),
        ("injector", "get", "pods", MODELS, False),
        ("injector", "get", "secrets", MODELS, False),
        ("injector", "get", "secrets/modelmonitor-keys", NAMESPACE, False),
        ("injector", "get", "secrets/modelmonitor-injector-tls", NAMESPACE, True),
        (
            *("injector", "patch"),
            "mutatingwebhookconfigurations.admissionregistration.k8s.io/modelmonitor",
            *(MODELS, True),
        ),
        (
            *("injector", "patch"),
            "mutatingwebhookconfigurations.admissionregistration.k8s.io/other",
            *(MODELS, False),
        ),
    ],
)
def test_our_accounts_may_do_this_and_not_that(
    server: Server, account: str, verb: str, resource: str, namespace: str, allowed: bool
) -> None:
    user = f"system:serviceaccount:{NAMESPACE}:modelmonitor-{account}"

    assert server.may(user, verb, resource, namespace) is allowed
