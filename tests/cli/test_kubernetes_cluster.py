"""The commands' view of a real API server."""

from pathlib import Path

import pytest
import yaml

from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.kubernetes_cluster import KubernetesCluster
from tests.cluster.fixtures import ApiServer

pytestmark = pytest.mark.api

NAMESPACE = "command-line"
MONITOR = Path(__file__).parent / "monitors" / "critical.yaml"


@pytest.fixture(scope="module")
def kubeconfig(apiserver: ApiServer, root: Path) -> Path:
    """Return the kubeconfig of an API server with our CRD and one monitor."""
    kubectl = apiserver.kubectl
    kubectl("apply", "--server-side", "-f", root / "crds")
    kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    kubectl("create", "namespace", NAMESPACE)
    body = yaml.safe_load(MONITOR.read_text())
    body["metadata"] = {"name": "flight-delay", "namespace": NAMESPACE}
    del body["status"]
    kubectl.apply(body)
    return apiserver.kubeconfig


@pytest.fixture
def cluster(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> KubernetesCluster:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return KubernetesCluster(None)


def test_a_monitor_is_read_as_it_is_stored(cluster: KubernetesCluster) -> None:
    body = cluster.monitor(NAMESPACE, "flight-delay")

    assert body["kind"] == "ModelMonitor"
    assert body["status"] == {"observedGeneration": -1}


def test_monitors_are_listed_by_namespace_and_everywhere(cluster: KubernetesCluster) -> None:
    assert [one["metadata"]["name"] for one in cluster.monitors(NAMESPACE)] == ["flight-delay"]
    assert cluster.monitors("kube-system") == []
    assert (NAMESPACE, "flight-delay") in {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in cluster.monitors(None)
    }


def test_a_monitor_that_is_not_there_is_said_in_a_sentence(cluster: KubernetesCluster) -> None:
    with pytest.raises(
        CommandError, match=f"could not read ModelMonitor {NAMESPACE}/gone: .* not found"
    ):
        cluster.monitor(NAMESPACE, "gone")


def test_a_config_map_is_created_and_changed_by_applying_it(
    cluster: KubernetesCluster, apiserver: ApiServer
) -> None:
    cluster.apply_config_map(NAMESPACE, "baseline", {"profile.json": "{}"}, force=False)
    cluster.apply_config_map(NAMESPACE, "baseline", {"profile.json": "[]"}, force=False)

    stored = apiserver.kubectl.get(
        "configmap", "baseline", "-n", NAMESPACE, "--show-managed-fields"
    )
    assert stored["data"] == {"profile.json": "[]"}
    assert {one["manager"] for one in stored["metadata"]["managedFields"]} == {"modelmonitor-cli"}


def test_what_another_manager_applied_is_taken_over_only_by_force(
    cluster: KubernetesCluster, apiserver: ApiServer
) -> None:
    apiserver.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "shared", "namespace": NAMESPACE},
            "data": {"profile.json": "theirs"},
        }
    )

    with pytest.raises(CommandError, match=r"conflict.*; --force-conflicts takes the fields over"):
        cluster.apply_config_map(NAMESPACE, "shared", {"profile.json": "ours"}, force=False)
    cluster.apply_config_map(NAMESPACE, "shared", {"profile.json": "ours"}, force=True)

    stored = apiserver.kubectl.get("configmap", "shared", "-n", NAMESPACE)
    assert stored["data"] == {"profile.json": "ours"}


def test_a_context_that_does_not_exist_is_named(cluster: KubernetesCluster) -> None:
    with pytest.raises(CommandError, match="context nowhere cannot be used"):
        KubernetesCluster("nowhere")
