"""The API server without nodes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.fixtures import ApiServer
from tests.cluster.mmcluster.apiserver import running_apiserver
from tests.cluster.mmcluster.kubectl import Kubectl
from tests.cluster.mmcluster.processes import running
from tests.cluster.mmcluster.settings import KUBERNETES_VERSION
from tests.cluster.mmcluster.shell import ClusterError, wait_for

pytestmark = pytest.mark.api

POLICY = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicy",
    "metadata": {"name": "no-blue-config-maps"},
    "spec": {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "resources": ["configmaps"],
                    "operations": ["CREATE"],
                }
            ]
        },
        "validations": [
            {"expression": "object.metadata.name != 'blue'", "message": "blue is not allowed"}
        ],
    },
}
BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": "no-blue-config-maps"},
    "spec": {"policyName": "no-blue-config-maps", "validationActions": ["Deny"]},
}


def test_it_is_the_version_that_was_asked_for(apiserver: ApiServer) -> None:
    version = json.loads(apiserver.kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == KUBERNETES_VERSION
    assert version["clientVersion"]["gitVersion"] == KUBERNETES_VERSION


def test_several_run_at_once_and_know_nothing_of_each_other(apiserver: ApiServer) -> None:
    with running_apiserver() as other_kubeconfig:
        other = Kubectl(apiserver.kubectl.program, other_kubeconfig)
        other("create", "namespace", "only-there")
        assert not apiserver.kubectl.succeeds("get", "namespace", "only-there")


def test_nothing_is_left_when_it_ends() -> None:
    with running_apiserver() as kubeconfig:
        folder = kubeconfig.parent
        assert _servers(folder) == {"etcd", "kube-apiserver"}
    assert not folder.exists()
    assert _servers(folder) == set()


def test_nothing_runs_on_when_the_tests_are_killed() -> None:
    code = (
        "import signal\n"
        "from tests.cluster.mmcluster.apiserver import running_apiserver\n"
        "with running_apiserver() as kubeconfig:\n"
        "    print(kubeconfig, flush=True)\n"
        "    signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        folder = Path(tests.stdout.readline().strip()).parent
        assert _servers(folder) == {"etcd", "kube-apiserver"}
        tests.kill()
    wait_for("the servers to end", lambda: not _servers(folder), seconds=10)
    shutil.rmtree(folder)


def test_admission_policies_decide(apiserver: ApiServer) -> None:
    apiserver.kubectl("create", "namespace", "policies")
    apiserver.kubectl.apply(POLICY, BINDING)
    refused = _refusal(apiserver.kubectl)
    assert "blue is not allowed" in refused
    apiserver.kubectl("-n", "policies", "create", "configmap", "green")


def _refusal(kubectl: Kubectl) -> str:
    """Return the message with which a blue config map is refused, once the policy is active."""

    def refused() -> str:
        try:
            kubectl("-n", "policies", "create", "configmap", "blue", "--dry-run=server")
        except ClusterError as error:
            return str(error)
        return ""

    return wait_for("the policy", refused, seconds=30)


def _servers(folder: Path) -> set[str]:
    programs = (p.arguments for p in running() if any(str(folder) in a for a in p.arguments))
    return {Path(arguments[0]).name for arguments in programs}
