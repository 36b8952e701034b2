"""Where a cluster keeps its files, what it is called and which addresses it uses."""

import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[3]
SOURCES = CHECKOUT / "tests" / "cluster"
KUBERNETES_VERSION = "v1.35.4"
PAUSE_IMAGE = "localhost/pause:1"
COREDNS_IMAGE = "localhost/coredns:1"

# A slot is one of eight disjoint parts of 198.18.0.0/15, so that clusters can run side by side.
SLOTS = 8


@dataclass(frozen=True)
class Addresses:
    """The addresses of one cluster; ``slot`` (0 to 7) chooses its part of 198.18.0.0/15.

    Nodes are numbered from 1. Pods must not share a network with the nodes: kube-proxy
    masquerades what comes from outside the pod network, and the host relies on that.
    """

    slot: int

    @property
    def control_plane(self) -> str:
        """Address of the API server, and gateway between nodes, pods and the host."""
        return f"198.18.{self.slot}.1"

    @property
    def host(self) -> str:
        """Address of the machine itself inside the cluster's network."""
        return f"198.18.{self.slot}.254"

    @property
    def pods(self) -> str:
        """Network of all pods."""
        return f"198.18.{self._first_pod_octet}.0/20"

    @property
    def services(self) -> str:
        """Network of all Services."""
        return f"198.19.{self._service_octet}.0/19"

    @property
    def kubernetes_service(self) -> str:
        """Address of the Service ``kubernetes``: the first of its network."""
        return f"198.19.{self._service_octet}.1"

    @property
    def dns_service(self) -> str:
        """Address of the cluster's name server."""
        return f"198.19.{self._service_octet}.10"

    @property
    def api_server(self) -> str:
        """URL of the API server."""
        return f"https://{self.control_plane}:6443"

    def node(self, number: int) -> str:
        """Address of node ``number``."""
        return f"198.18.{self.slot}.{10 + number}"

    def node_pods(self, number: int) -> str:
        """Network of the pods on node ``number``."""
        return f"198.18.{self._first_pod_octet + number}.0/24"

    @property
    def _first_pod_octet(self) -> int:
        return 128 + 16 * self.slot

    @property
    def _service_octet(self) -> int:
        return 32 * self.slot


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One cluster of this machine.

    Attributes
    ----------
    name
        Prefix of the network interface on the host and name of the cgroup; at most 10 characters.
    addresses
        The cluster's part of the address space.
    node_count
        Number of worker nodes, 1 to 15.
    cache
        Folder kept between clusters: compiled programs and image archives.
    state
        Folder of this cluster, deleted by ``down``.
    """

    name: str
    addresses: Addresses
    node_count: int
    cache: Path
    state: Path

    def __post_init__(self) -> None:
        if not self.name.isalnum() or len(self.name) > 10:
            raise ValueError(
                f"cluster name {self.name!r}: use 1 to 10 letters and digits (MM_CLUSTER)"
            )
        if self.addresses.slot not in range(SLOTS):
            raise ValueError(
                f"slot {self.addresses.slot}: use a number from 0 to {SLOTS - 1} (MM_SLOT)"
            )
        if self.node_count not in range(1, 16):
            raise ValueError(f"{self.node_count} nodes: use a number from 1 to 15 (MM_NODES)")

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the cluster's administrator."""
        return self.state / "kubeconfig"

    @property
    def programs(self) -> Path:
        """Folder with the cluster's programs, kubectl and helm among them."""
        return self.state / "bin"

    @property
    def pki(self) -> Path:
        """Folder with certificates, keys and the components' kubeconfigs."""
        return self.state / "pki"

    @property
    def node_numbers(self) -> range:
        """Numbers of the nodes, from 1."""
        return range(1, self.node_count + 1)


def default_cache() -> Path:
    """Return ``$MM_CACHE``, else ``modelmonitor`` in the user's cache folder."""
    user_cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("MM_CACHE") or f"{user_cache}/modelmonitor").expanduser().resolve()


def from_environment() -> Settings:
    """Return the settings that the environment asks for.

    ``MM_CLUSTER`` (name), ``MM_SLOT``, ``MM_NODES``, ``MM_STATE`` and ``MM_CACHE`` (folders).
    """
    name = os.environ.get("MM_CLUSTER") or "mm"
    state = os.environ.get("MM_STATE") or f"/var/tmp/modelmonitor-cluster/{name}"
    return Settings(
        name=name,
        addresses=Addresses(int(os.environ.get("MM_SLOT") or 0)),
        node_count=int(os.environ.get("MM_NODES") or 2),
        cache=default_cache(),
        state=Path(state).resolve(),
    )
