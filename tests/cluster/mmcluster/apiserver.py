"""A kube-apiserver with its etcd and nothing else, for tests of the API: ready in a few seconds.

Schemas, CEL rules, defaulting, server-side apply, RBAC and admission policies behave exactly as in
a cluster. What a controller would do does not happen: no pod starts, a namespace never finishes
its deletion, owned objects are not collected, service accounts get no default.
"""

import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from .control_plane import ISSUER
from .kubectl import Kubectl
from .pki import BOTH, Pki
from .settings import default_cache
from .shell import Argument, ClusterError, flags, wait_for
from .toolchain import Toolchain

_LOCALHOST = "IP:127.0.0.1,DNS:localhost"
# A port that was free may be taken by somebody else before the server binds it.
_ATTEMPTS = 3


@dataclass(frozen=True)
class _Ports:
    """Three free ports of the loopback interface."""

    etcd: int
    etcd_peer: int
    api: int


@contextmanager
def running_apiserver(cache: Path | None = None) -> Iterator[Path]:
    """Run an API server on loopback; yields the path of the administrator's kubeconfig.

    Needs no root. Any number may run beside each other and beside a cluster; the servers die with
    the thread that started them, however it ends.

    Parameters
    ----------
    cache
        Folder of compiled programs, by default the one of the local cluster. The first use of an
        empty cache compiles Kubernetes, which takes minutes.
    """
    toolchain = Toolchain(cache or default_cache())
    toolchain.kubernetes()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mm-apiserver-")))
        yield stack.enter_context(_started(toolchain.programs, folder))


@contextmanager
def _started(programs: Path, folder: Path) -> Iterator[Path]:
    pki = _create_certificates(folder / "pki")
    with ExitStack() as stack:
        for attempt in range(1, _ATTEMPTS + 1):
            ports = _free_ports()
            server = f"https://127.0.0.1:{ports.api}"
            kubeconfig = pki.kubeconfig(folder / "kubeconfig", user="admin", server=server)
            etcd_options, api_options = _etcd_options(folder, pki, ports), _api_options(pki, ports)
            servers = [
                _Server(programs / "etcd", etcd_options, folder / "etcd.log"),
                _Server(programs / "kube-apiserver", api_options, folder / "kube-apiserver.log"),
            ]
            for started in servers:
                stack.callback(started.stop)
            try:
                _wait_until_ready(Kubectl(programs / "kubectl", kubeconfig), servers)
                break
            except ClusterError:
                stack.close()
                if attempt == _ATTEMPTS:
                    raise
        yield folder / "kubeconfig"


class _Server:
    """A child process that never outlives the one that started it."""

    def __init__(self, program: Path, options: Mapping[str, Argument], log_file: Path) -> None:
        self._log_file = log_file
        with log_file.open("wb") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", str(program), *flags(options)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def check(self) -> None:
        """Raise ``ClusterError`` with the end of the log if the server has ended."""
        if self._process.poll() is not None:
            lines = self._log_file.read_text(errors="replace").splitlines()[-10:]
            raise ClusterError(f"{self._log_file.stem} ended at once:\n" + "\n".join(lines))

    def stop(self) -> None:
        """Kill the server: nothing of it is kept."""
        self._process.kill()
        self._process.wait()


def _wait_until_ready(kubectl: Kubectl, servers: Sequence[_Server]) -> None:
    def ready() -> bool:
        for server in servers:
            server.check()
        return kubectl.succeeds("get", "--raw=/readyz")

    wait_for("the API server", ready, seconds=90, every=0.2)


def _free_ports() -> _Ports:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return _Ports(*(each.getsockname()[1] for each in sockets))


def _create_certificates(folder: Path) -> Pki:
    pki = Pki(folder)
    pki.authority("ca")
    pki.service_account_key()
    pki.issue("etcd", "/CN=etcd", usage=BOTH, san=_LOCALHOST)
    pki.issue("apiserver", "/CN=kube-apiserver", usage=BOTH, san=_LOCALHOST)
    pki.issue("admin", "/O=system:masters/CN=kubernetes-admin")
    return pki


def _etcd_options(folder: Path, pki: Pki, ports: _Ports) -> dict[str, Argument]:
    url = f"https://127.0.0.1:{ports.etcd}"
    return {
        "data-dir": folder / f"etcd-{ports.etcd}",
        "listen-client-urls": url,
        "advertise-client-urls": url,
        "listen-peer-urls": f"http://127.0.0.1:{ports.etcd_peer}",
        "cert-file": pki.certificate("etcd"),
        "key-file": pki.key("etcd"),
        "trusted-ca-file": pki.certificate("ca"),
        "client-cert-auth": "true",
        "unsafe-no-fsync": "true",
        "log-level": "error",
    }


def _api_options(pki: Pki, ports: _Ports) -> dict[str, Argument]:
    return {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        # Loopback is no address for the Service `kubernetes`, and nobody would use it.
        "endpoint-reconciler-type": "none",
        "secure-port": ports.api,
        "etcd-servers": f"https://127.0.0.1:{ports.etcd}",
        "etcd-cafile": pki.certificate("ca"),
        "etcd-certfile": pki.certificate("apiserver"),
        "etcd-keyfile": pki.key("apiserver"),
        "client-ca-file": pki.certificate("ca"),
        "tls-cert-file": pki.certificate("apiserver"),
        "tls-private-key-file": pki.key("apiserver"),
        "authorization-mode": "RBAC",
        # Nobody creates the default service account that this plugin insists on.
        "disable-admission-plugins": "ServiceAccount",
        "service-cluster-ip-range": "198.19.255.0/24",
        "service-account-issuer": ISSUER,
        "service-account-key-file": pki.folder / "sa.pub",
        "service-account-signing-key-file": pki.key("sa"),
        "profiling": "false",
    }
