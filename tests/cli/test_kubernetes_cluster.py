"""The commands' view of a real API server."""

from pathlib import Path

import pytest
import yaml

from modelmonitor.cli.cluster import DEPLOYMENTS, NAMESPACES, SERVICES, ObjectKind
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.examination import examine
from modelmonitor.cli.kubernetes_cluster import KubernetesCluster
from modelmonitor.core.injection.preflight import Level
from modelmonitor.core.injection.workloads import Workload
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


def test_objects_of_any_kind_are_found_and_listed_by_their_labels(
    cluster: KubernetesCluster, apiserver: ApiServer
) -> None:
    for name, app in (("one", "a"), ("two", "b")):
        port = {"port": 80, "targetPort": "http"}
        metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": app}}
        spec = {"selector": {"app": app}, "ports": [port]}
        apiserver.kubectl.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
        )

    found = cluster.find(SERVICES, NAMESPACE, "one")
    assert found is not None
    assert found["spec"]["ports"][0]["targetPort"] == "http"
    listed = cluster.objects(SERVICES, NAMESPACE, {"app": "b"})
    assert [one["metadata"]["name"] for one in listed] == ["two"]
    namespace = cluster.find(NAMESPACES, NAMESPACE, NAMESPACE)
    assert namespace is not None
    assert namespace["metadata"]["name"] == NAMESPACE


def test_what_is_not_there_is_none_and_a_list_of_it_empty(cluster: KubernetesCluster) -> None:
    unknown = ObjectKind("example.org/v1", "things", "Thing")
    assert cluster.find(SERVICES, NAMESPACE, "gone") is None
    assert cluster.find(unknown, NAMESPACE, "x") is None
    assert cluster.objects(unknown, NAMESPACE) == []
    assert cluster.objects(DEPLOYMENTS, "kube-system", {"app": "none"}) == []


def test_a_question_that_the_server_refuses_is_told(cluster: KubernetesCluster) -> None:
    with pytest.raises(CommandError, match="could not list services in namespace command-line"):
        cluster.objects(SERVICES, NAMESPACE, {"": "x="})


def _deployment(apiserver: ApiServer) -> None:
    labels = {"app": "flight-delay"}
    container = {
        "name": "model",
        "image": "example.org/model:1",
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    apiserver.kubectl.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "flight-delay", "namespace": NAMESPACE},
            "spec": {
                "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        }
    )


def test_a_workload_is_examined_as_it_stands(
    cluster: KubernetesCluster, apiserver: ApiServer
) -> None:
    _deployment(apiserver)
    apiserver.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "by-number", "namespace": NAMESPACE},
            "spec": {"selector": {"app": "flight-delay"}, "ports": [{"port": 8080}]},
        }
    )

    found = examine(cluster, Workload("Deployment", "flight-delay"), NAMESPACE, None)

    assert found.monitor is not None
    problems = [one.subject for one in found.findings if one.level is Level.PROBLEM]
    assert problems == [f"Namespace {NAMESPACE}", "Service by-number"]


def test_what_a_user_may_not_read_is_a_note(
    apiserver: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _deployment(apiserver)
    name = "reader"
    apiserver.kubectl("create", "serviceaccount", name, "-n", NAMESPACE)
    for verb, resource in (("get", "deployments"), ("list", "modelmonitors.modelmonitor.dev")):
        role = f"{name}-{verb}"
        rights = (f"--verb={verb}", f"--resource={resource}")
        apiserver.kubectl("create", "role", role, *rights, "-n", NAMESPACE)
        account = f"--serviceaccount={NAMESPACE}:{name}"
        apiserver.kubectl("create", "rolebinding", role, f"--role={role}", account, "-n", NAMESPACE)
    token = apiserver.kubectl("create", "token", name, "-n", NAMESPACE).strip()
    configuration = yaml.safe_load(apiserver.kubeconfig.read_text())
    configuration["users"][0]["user"] = {"token": token}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(configuration))
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))

    limited = KubernetesCluster(None)
    found = examine(limited, Workload("Deployment", "flight-delay"), NAMESPACE, None)

    notes = {one.subject: one.message for one in found.findings if one.level is Level.NOTE}
    kinds = {"Namespace", "Pod", "Service", "NetworkPolicy", "LimitRange", "ResourceQuota"}
    assert kinds <= set(notes)
    assert "cannot list resource" in notes["Service"]


def test_a_context_that_does_not_exist_is_named(cluster: KubernetesCluster) -> None:
    with pytest.raises(CommandError, match="context nowhere cannot be used"):
        KubernetesCluster("nowhere")
