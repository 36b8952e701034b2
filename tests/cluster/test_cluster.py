"""The local cluster itself: a second one, beside any that runs, is started, hurt and removed."""

import base64
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import host
from tests.cluster.mmcluster import (
    base_image,
    images,
    lifecycle,
    machines,
    network,
    processes,
    settings,
)
from tests.cluster.mmcluster.kubectl import Kubectl, Manifest, administrator
from tests.cluster.mmcluster.machines import CONTROL_PLANE_COMPONENTS, NODE_COMPONENTS
from tests.cluster.mmcluster.pki import SERVER, Pki
from tests.cluster.mmcluster.settings import Addresses, Settings
from tests.cluster.mmcluster.shell import ClusterError, run, wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

NAMESPACE = "room"
SERVER_SCRIPT = Path(__file__).parent / "webhook_server.py"
COMPONENTS = [
    *(("cp", component) for component in CONTROL_PLANE_COMPONENTS),
    *(("n1", component) for component in ("containerd", *NODE_COMPONENTS)),
]


@pytest.fixture(scope="module")
def clean_host() -> host.Seen:
    """Return what the host looks like before the cluster exists."""
    return host.configuration()


@pytest.fixture(scope="module")
def running(clean_host: host.Seen, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Run a cluster of its own name and addresses."""
    state = tmp_path_factory.mktemp("cluster") / "state"
    chosen = replace(
        settings.from_environment(), name="mmtest", addresses=Addresses(7), state=state
    )
    try:
        lifecycle.up(chosen)
        yield chosen
    finally:
        lifecycle.down(chosen)


@pytest.fixture(scope="module")
def kubectl(running: Settings) -> Kubectl:
    client = administrator(running)
    client("create", "namespace", NAMESPACE)
    return client


@pytest.fixture(scope="module")
def server(running: Settings, kubectl: Kubectl, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Run a web server on the second node behind a Service; returns its authority, encoded."""
    images.load(running, base_image.ensure(running.cache), [base_image.BASE_IMAGE])
    pki = Pki(tmp_path_factory.mktemp("pki"))
    pki.authority("ca")
    pki.issue("server", "/CN=server", usage=SERVER, san=f"DNS:server.{NAMESPACE}.svc")
    files = ("--from-file", f"tls.crt={pki.certificate('server')}")
    keys = ("--from-file", f"tls.key={pki.key('server')}")
    kubectl("-n", NAMESPACE, "create", "secret", "generic", "server", *files, *keys)
    kubectl(
        "-n",
        NAMESPACE,
        "create",
        "configmap",
        "server",
        "--from-file",
        f"server.py={SERVER_SCRIPT}",
    )
    kubectl.apply(_server_pod(), _server_service())
    kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", "pod/server", "--timeout=60s")
    return base64.b64encode(pki.certificate("ca").read_bytes()).decode()


def test_up_again_starts_nothing(running: Settings) -> None:
    before = host.own_processes(running)
    lifecycle.up(running)
    assert host.own_processes(running) == before


@pytest.mark.parametrize(("machine_name", "component"), COMPONENTS)
def test_up_heals_a_killed_component(running: Settings, machine_name: str, component: str) -> None:
    machine = machines.by_name(running, machine_name)
    program = machine.components()[component]
    process = machine.component(program)
    assert process is not None
    processes.kill(process)
    assert machine.component(program) is None
    lifecycle.up(running)
    assert machine.component(program) not in {None, process}


@pytest.mark.parametrize("machine_name", ["cp", "n1"])
def test_up_heals_a_dead_machine_and_pods_go_on(
    running: Settings, kubectl: Kubectl, server: str, machine_name: str
) -> None:
    machine = machines.by_name(running, machine_name)
    assert machine.kill()
    lifecycle.up(running)
    assert _restarts(kubectl) == 0
    _run_python(kubectl, f"after-{machine_name}", "print('runs')")


def test_up_heals_the_host_s_cable_when_only_its_own_end_is_left(
    running: Settings, kubectl: Kubectl
) -> None:
    # What a dead control plane leaves for as long as the kernel takes to clear its network.
    control_plane, node = machines.by_name(running, "cp"), machines.by_name(running, "n1")
    elsewhere = node.holder()
    assert elsewhere is not None
    run(*control_plane.network_command("ip", "link", "set", "host0", "netns", elsewhere.pid))
    lifecycle.up(running)
    kubectl("get", "nodes")


def test_a_pod_reaches_a_service_on_another_node_by_name(kubectl: Kubectl, server: str) -> None:
    address = f"https://server.{NAMESPACE}.svc:8443/"
    code = (
        "import ssl, urllib.request as r;"
        f"print(r.urlopen('{address}', context=ssl._create_unverified_context()).read())"
    )
    assert "hello from server" in _run_python(kubectl, "client", code)


def test_the_api_server_reaches_a_webhook_behind_a_service(kubectl: Kubectl, server: str) -> None:
    kubectl.apply(_webhook(server))

    def labelled() -> bool:
        pod = ("run", "seen", "--image=localhost/none:1", "--dry-run=server")
        return kubectl("-n", NAMESPACE, *pod, "-o=jsonpath={.metadata.labels.seen}") == "yes"

    try:
        wait_for("the webhook", labelled, seconds=20)
    finally:
        kubectl("delete", "mutatingwebhookconfiguration", "room")


def test_a_volume_is_written_without_root_and_comes_back_empty(
    running: Settings, kubectl: Kubectl, server: str
) -> None:
    kubectl.apply(_claim())
    code = "import os; open('/data/file', 'w').write('x'); print(os.getuid(), os.listdir('/data'))"
    assert "4321 ['file']" in _run_python(kubectl, "writer", code, claim="data")
    [volume] = _bound(kubectl)
    kubectl("-n", NAMESPACE, "delete", "persistentvolumeclaim", "data", "--wait")

    def released() -> bool:
        return bool(_volume(kubectl, volume)["status"]["phase"] == "Released")

    wait_for("the volume to be released", released, seconds=20)
    lifecycle.up(running)
    assert "claimRef" not in _volume(kubectl, volume)["spec"]
    folders = list(running.state.glob(f"n*/lib/*/{volume}"))
    assert [list(folder.iterdir()) for folder in folders] == [[]]


def test_a_node_without_its_cable_cannot_be_reached(running: Settings) -> None:
    node = machines.by_name(running, "n2")
    assert _kubelet_answers(node)
    network.set_link(node, up=False)
    assert not _kubelet_answers(node)
    network.set_link(node, up=True)
    wait_for("the node to answer", lambda: _kubelet_answers(node), seconds=10)


def test_a_node_may_not_read_secrets_of_others(running: Settings, kubectl: Kubectl) -> None:
    node = Kubectl(kubectl.program, running.pki / "kubelet-n1.kubeconfig")
    assert node.succeeds("get", "node", "n1")
    assert not node.succeeds("get", "secrets", "--all-namespaces")


def test_two_clusters_cannot_have_the_same_addresses(running: Settings, tmp_path: Path) -> None:
    intruder = replace(running, name="intruder", state=tmp_path / "state")
    with pytest.raises(ClusterError, match=r"mmtest-host.* choose another MM_SLOT"):
        lifecycle.up(intruder)
    assert host.own_processes(intruder) == frozenset()


def test_down_leaves_nothing_behind(running: Settings, clean_host: host.Seen) -> None:
    assert host.own_processes(running)
    lifecycle.down(running)
    assert host.own_processes(running) == frozenset()
    assert host.configuration() == clean_host
    assert not running.state.exists()


def _run_python(kubectl: Kubectl, name: str, code: str, *, claim: str = "") -> str:
    """Run Python on the first node, or wherever the claim's volume is; returns its output."""
    kubectl.apply(_python_pod(name, code, claim))
    done = "--for=jsonpath={.status.phase}=Succeeded"
    kubectl("-n", NAMESPACE, "wait", done, f"pod/{name}", "--timeout=60s")
    output = kubectl("-n", NAMESPACE, "logs", name)
    kubectl("-n", NAMESPACE, "delete", "pod", name)
    return output


def _restarts(kubectl: Kubectl) -> int:
    [container] = kubectl.get("-n", NAMESPACE, "pod", "server")["status"]["containerStatuses"]
    count: int = container["restartCount"]
    return count


def _bound(kubectl: Kubectl) -> list[str]:
    volumes = kubectl.get("persistentvolumes")["items"]
    return [v["metadata"]["name"] for v in volumes if v["status"]["phase"] == "Bound"]


def _volume(kubectl: Kubectl, name: str) -> dict[str, Any]:
    volume: dict[str, Any] = kubectl.get("persistentvolume", name)
    return volume


def _kubelet_answers(node: machines.Machine) -> bool:
    try:
        with socket.create_connection((node.address, 10250), timeout=1):
            return True
    except OSError:
        return False


def _container(**fields: Any) -> dict[str, Any]:
    return {"name": "main", "image": base_image.BASE_IMAGE, "imagePullPolicy": "Never", **fields}


def _python_pod(name: str, code: str, claim: str) -> Manifest:
    volume = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    mount = {"name": "data", "mountPath": "/data"}
    container = _container(
        command=["python3", "-c", code],
        volumeMounts=[mount] if claim else [],
        securityContext={"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "nodeSelector": {} if claim else {"kubernetes.io/hostname": "n1"},
            "securityContext": {"runAsNonRoot": True, "runAsUser": 4321, "fsGroup": 4321},
            "containers": [container],
            "volumes": [volume] if claim else [],
        },
    }


def _server_pod() -> Manifest:
    container = _container(
        command=["python3", "/code/server.py"],
        env=[{"name": "CERTIFICATES", "value": "/certificates"}],
        readinessProbe={"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        volumeMounts=[
            {"name": "code", "mountPath": "/code"},
            {"name": "certificates", "mountPath": "/certificates"},
        ],
    )
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "server", "namespace": NAMESPACE, "labels": {"app": "server"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": "n2"},
            "containers": [container],
            "volumes": [
                {"name": "code", "configMap": {"name": "server"}},
                {"name": "certificates", "secret": {"secretName": "server"}},
            ],
        },
    }


def _server_service() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "server", "namespace": NAMESPACE},
        "spec": {"selector": {"app": "server"}, "ports": [{"port": 8443}]},
    }


def _webhook(authority: str) -> Manifest:
    service = {"namespace": NAMESPACE, "name": "server", "port": 8443}
    rule = {
        "apiGroups": [""],
        "apiVersions": ["v1"],
        "resources": ["pods"],
        "operations": ["CREATE"],
    }
    webhook = {
        "name": "room.modelmonitor.dev",
        "clientConfig": {"service": service, "caBundle": authority},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}},
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "admissionReviewVersions": ["v1"],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "room"},
        "webhooks": [webhook],
    }


def _claim() -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": NAMESPACE},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }
