"""What runs on a node: containerd with the bridge network, kubelet and kube-proxy."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import machines
from .kubectl import Kubectl
from .machines import CONTAINERD, Machine
from .settings import PAUSE_IMAGE, Settings
from .shell import Argument, succeeds, wait_for, write

_SOCKET = "/run/containerd/containerd.sock"
_CNI_PROGRAMS = "/usr/lib/cni"


def ctr(node: Machine, *arguments: Argument) -> tuple[Argument, ...]:
    """Return the command line of containerd's client, in the namespace of Kubernetes' images."""
    return node.command("ctr", "-n", "k8s.io", *arguments)


def ensure_runtime(node: Machine) -> None:
    """Start containerd unless it runs, and wait until it answers."""
    config = write(node.folder / "containerd.toml", _containerd_config(node))
    write(node.folder / "cni" / "10-bridge.conflist", json.dumps(_network_config(node), indent=1))
    node.start("containerd", CONTAINERD, "-c", config)

    def answers() -> bool:
        return succeeds(*ctr(node, "version"))

    what = f"containerd on {node.name}, see {node.log_file('containerd')}"
    wait_for(what, answers, seconds=30)


def ensure_kubelet(node: Machine) -> bool:
    """Start kubelet; False if it runs already."""
    # Empty: a pod that asks for names outside the cluster gets an answer at once.
    write(node.folder / "resolv.conf", "")
    config = write(node.folder / "kubelet.yaml", json.dumps(_kubelet_config(node), indent=1))
    return node.start(
        "kubelet",
        node.settings.programs / "kubelet",
        f"--config={config}",
        f"--kubeconfig={node.settings.pki}/kubelet-{node.name}.kubeconfig",
        f"--hostname-override={node.name}",
        f"--node-ip={node.address}",
        "--root-dir=/var/lib/kubelet",
    )


def ensure_proxy(machine: Machine) -> None:
    """Start kube-proxy; the control plane runs one too, for webhooks and for the host."""
    config = write(machine.folder / "kube-proxy.yaml", json.dumps(_proxy_config(machine), indent=1))
    machine.start("kube-proxy", machine.settings.programs / "kube-proxy", f"--config={config}")


def wait_until_ready(kubectl: Kubectl, settings: Settings, since: datetime) -> None:
    """Wait until every node is Ready and has renewed its lease after ``since``.

    The condition alone is not enough: it outlives a dead kubelet by the grace period.
    """
    nodes = machines.nodes(settings)

    def ready() -> bool:
        objects = kubectl.get("nodes")["items"]
        leases = kubectl.get("lease", "-n", "kube-node-lease")["items"]
        fresh = {lease["metadata"]["name"] for lease in leases if _renewed(lease) >= since}
        return {node.name for node in nodes} <= fresh & {_name_if_ready(node) for node in objects}

    wait_for(f"Ready nodes, see {settings.state}/*/logs", ready, seconds=120, every=0.3)


def _renewed(lease: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(lease["spec"]["renewTime"]).astimezone(UTC)


def _name_if_ready(node: dict[str, Any]) -> str | None:
    conditions = node["status"].get("conditions", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
    name: str = node["metadata"]["name"]
    return name if ready else None


def _containerd_config(node: Machine) -> str:
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    # restrict_oom_score_adj: root without CAP_SYS_RESOURCE cannot start a container otherwise.
    return f"""\
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
address = "{_SOCKET}"

[{cri}]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true

[{cri}.cni]
bin_dir = "{_CNI_PROGRAMS}"
conf_dir = "{node.folder}/cni"

[{cri}.containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def _network_config(node: Machine) -> dict[str, Any]:
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": {
                    "type": "host-local",
                    # On the node's tmpfs: a node that restarts has no stale leases.
                    "dataDir": "/run/pod-addresses",
                    "ranges": [[{"subnet": node.settings.addresses.node_pods(node.number)}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def _kubelet_config(node: Machine) -> dict[str, Any]:
    pki: Path = node.settings.pki
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "failSwapOn": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.settings.name}/{node.name}",
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": f"unix://{_SOCKET}",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / f"kubelet-{node.name}-serving.crt"),
        "tlsPrivateKeyFile": str(pki / f"kubelet-{node.name}-serving.key"),
        "clusterDNS": [node.settings.addresses.dns_service],
        "clusterDomain": "cluster.local",
        "resolvConf": str(node.folder / "resolv.conf"),
        # Imported images cannot be pulled again, so they are never collected.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {
            "imagefs.available": "1%",
            "nodefs.available": "1%",
            "memory.available": "100Mi",
        },
        "nodeStatusUpdateFrequency": "5s",
        "nodeLeaseDurationSeconds": 20,
        "healthzBindAddress": "127.0.0.1",
    }


def _proxy_config(machine: Machine) -> dict[str, Any]:
    settings = machine.settings
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(settings.pki / "kube-proxy.kubeconfig")},
        "mode": "iptables",
        "clusterCIDR": settings.addresses.pods,
        # The control plane is no Node; its proxy borrows the name of the first.
        "hostnameOverride": machine.name if machine.is_node else "n1",
        # These sysctls belong to the host; zero leaves them alone.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "iptables": {"minSyncPeriod": "100ms"},
        "metricsBindAddress": "127.0.0.1:10249",
    }
