"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler, with production's defaults.

What differs from a cluster made by kubeadm, and why: no leader election (one of each), etcd
without fsync, faster detection of dead nodes and shorter tolerations so that tests of failures
take seconds, and enough client requests per second to create pods as fast as the machine can.
"""

from . import machines
from .kubectl import Kubectl, administrator
from .pki import BOTH, SERVER, Pki
from .settings import Settings
from .shell import Argument, flags, log, wait_for

ISSUER = "https://kubernetes.default.svc.cluster.local"
SERVICE_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc")
_FAST_CLIENT = {"kube-api-qps": 200, "kube-api-burst": 400}
_ETCD = "https://127.0.0.1:2379"


def create_certificates(settings: Settings) -> None:
    """Create every certificate and kubeconfig of the cluster that is missing."""
    pki, addresses = Pki(settings.pki), settings.addresses
    pki.authority("ca")
    pki.authority("front-proxy-ca")
    pki.service_account_key()
    names = [*SERVICE_NAMES, "kubernetes.default.svc.cluster.local", "localhost"]
    ips = [addresses.kubernetes_service, addresses.control_plane, "127.0.0.1"]
    san = ",".join([*(f"DNS:{name}" for name in names), *(f"IP:{ip}" for ip in ips)])
    pki.issue("apiserver", "/CN=kube-apiserver", usage=SERVER, san=san)
    pki.issue("etcd", "/CN=etcd", usage=BOTH, san="IP:127.0.0.1,DNS:localhost")
    pki.issue("apiserver-etcd", "/CN=kube-apiserver-etcd-client")
    pki.issue("apiserver-kubelet", "/O=kubeadm:cluster-admins/CN=kube-apiserver-kubelet-client")
    pki.issue("front-proxy", "/CN=front-proxy-client", by="front-proxy-ca")
    pki.issue("admin", "/O=system:masters/CN=kubernetes-admin")
    for user in ("kube-controller-manager", "kube-scheduler", "kube-proxy"):
        pki.issue(user, f"/CN=system:{user}")
        path = settings.pki / f"{user}.kubeconfig"
        pki.kubeconfig(path, user=user, server=addresses.api_server)
    for node in machines.nodes(settings):
        _issue_node(pki, node, addresses.api_server)
    pki.kubeconfig(settings.kubeconfig, user="admin", server=addresses.api_server)


def _issue_node(pki: Pki, node: machines.Machine, server: str) -> None:
    user, subject = f"kubelet-{node.name}", f"/O=system:nodes/CN=system:node:{node.name}"
    pki.issue(user, subject)
    san = f"DNS:{node.name},IP:{node.address}"
    pki.issue(f"{user}-serving", subject, usage=SERVER, san=san)
    pki.kubeconfig(pki.folder / f"{user}.kubeconfig", user=user, server=server)


def ensure(settings: Settings) -> None:
    """Start whatever of the control plane is dead and wait until the API server is ready."""
    machine, kubectl = machines.control_plane(settings), administrator(settings)
    programs = settings.programs
    machine.start("etcd", programs / "etcd", *flags(etcd_options(settings)))
    machine.start("kube-apiserver", programs / "kube-apiserver", *flags(api_options(settings)))

    def ready() -> bool:
        return kubectl.succeeds("get", "--raw=/readyz")

    what = f"the API server, see {machine.log_file('kube-apiserver')}"
    wait_for(what, ready, seconds=120, every=0.2)
    log.info("API server ready")
    _let_api_server_reach_kubelets(kubectl)
    for component, options in (
        ("kube-controller-manager", controller_manager_options(settings)),
        ("kube-scheduler", scheduler_options(settings)),
    ):
        machine.start(component, programs / component, *flags(options))


def etcd_options(settings: Settings) -> dict[str, Argument]:
    """Return etcd's flags."""
    pki = Pki(settings.pki)
    return {
        "name": "cp",
        "data-dir": settings.state / machines.CONTROL_PLANE / "etcd",
        "listen-client-urls": _ETCD,
        "advertise-client-urls": _ETCD,
        "listen-peer-urls": "http://127.0.0.1:2380",
        "cert-file": pki.certificate("etcd"),
        "key-file": pki.key("etcd"),
        "trusted-ca-file": pki.certificate("ca"),
        "client-cert-auth": "true",
        "unsafe-no-fsync": "true",
        "log-level": "warn",
    }


def api_options(settings: Settings) -> dict[str, Argument]:
    """Return the API server's flags; default admission plugins stay on."""
    pki, addresses = Pki(settings.pki), settings.addresses
    return {
        "advertise-address": addresses.control_plane,
        "secure-port": 6443,
        "etcd-servers": _ETCD,
        "etcd-cafile": pki.certificate("ca"),
        "etcd-certfile": pki.certificate("apiserver-etcd"),
        "etcd-keyfile": pki.key("apiserver-etcd"),
        "client-ca-file": pki.certificate("ca"),
        "tls-cert-file": pki.certificate("apiserver"),
        "tls-private-key-file": pki.key("apiserver"),
        "authorization-mode": "Node,RBAC",
        "enable-admission-plugins": "NodeRestriction",
        "allow-privileged": "true",
        "kubelet-certificate-authority": pki.certificate("ca"),
        "kubelet-client-certificate": pki.certificate("apiserver-kubelet"),
        "kubelet-client-key": pki.key("apiserver-kubelet"),
        "kubelet-preferred-address-types": "InternalIP",
        "service-cluster-ip-range": addresses.services,
        "service-account-issuer": ISSUER,
        "service-account-key-file": pki.folder / "sa.pub",
        "service-account-signing-key-file": pki.key("sa"),
        "requestheader-client-ca-file": pki.certificate("front-proxy-ca"),
        "requestheader-allowed-names": "front-proxy-client",
        "requestheader-username-headers": "X-Remote-User",
        "requestheader-group-headers": "X-Remote-Group",
        "requestheader-extra-headers-prefix": "X-Remote-Extra-",
        "proxy-client-cert-file": pki.certificate("front-proxy"),
        "proxy-client-key-file": pki.key("front-proxy"),
        "default-not-ready-toleration-seconds": 15,
        "default-unreachable-toleration-seconds": 15,
        "profiling": "false",
    }


def controller_manager_options(settings: Settings) -> dict[str, Argument]:
    """Return the controller manager's flags."""
    pki = Pki(settings.pki)
    return {
        **_kubeconfigs(settings, "kube-controller-manager"),
        **_FAST_CLIENT,
        "client-ca-file": pki.certificate("ca"),
        "root-ca-file": pki.certificate("ca"),
        "cluster-signing-cert-file": pki.certificate("ca"),
        "cluster-signing-key-file": pki.key("ca"),
        "service-account-private-key-file": pki.key("sa"),
        "use-service-account-credentials": "true",
        "leader-elect": "false",
        "allocate-node-cidrs": "false",
        "node-monitor-period": "2s",
        "node-monitor-grace-period": "20s",
    }


def scheduler_options(settings: Settings) -> dict[str, Argument]:
    """Return the scheduler's flags."""
    return {**_kubeconfigs(settings, "kube-scheduler"), **_FAST_CLIENT, "leader-elect": "false"}


def _kubeconfigs(settings: Settings, user: str) -> dict[str, Argument]:
    path = settings.pki / f"{user}.kubeconfig"
    names = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return dict.fromkeys(names, path)


def _let_api_server_reach_kubelets(kubectl: Kubectl) -> None:
    # logs, exec and port-forward; kubeadm creates the same binding.
    group = "kubeadm:cluster-admins"
    api_group = "rbac.authorization.k8s.io"
    kubectl.apply(
        {
            "apiVersion": f"{api_group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": group},
            "roleRef": {"apiGroup": api_group, "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"apiGroup": api_group, "kind": "Group", "name": group}],
        }
    )
