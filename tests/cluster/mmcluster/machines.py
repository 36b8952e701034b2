"""A machine of the cluster: a process tree in net, mount, pid, uts and ipc namespaces of its own.

The private mount namespace is what makes several kubelets possible: kubelet and containerd have
paths that no flag moves (``/var/lib/kubelet/device-plugins``, ``/run/xtables.lock`` …), and each
machine has its own ``/run``, ``/var/lib`` and ``/var/log``.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path

from . import cgroups, processes
from .processes import Process
from .settings import Settings
from .shell import Argument, ClusterError, attempt, log, run, wait_for

CONTROL_PLANE = "cp"
CONTROL_PLANE_COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
)
NODE_COMPONENTS = ("kubelet", "kube-proxy")
CONTAINERD = "/usr/bin/containerd"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Written inside the machine once its file systems are in place; lost with its mount namespace.
_PREPARED = Path("run/modelmonitor-prepared")


@dataclass(frozen=True)
class Machine:
    """The control plane (number 0) or a node (numbers from 1)."""

    settings: Settings
    number: int

    @property
    def name(self) -> str:
        """Host name, and name of the Node object."""
        return f"n{self.number}" if self.number else CONTROL_PLANE

    @property
    def is_node(self) -> bool:
        """Whether pods run here."""
        return self.number > 0

    @property
    def address(self) -> str:
        """Address in the network of the nodes."""
        addresses = self.settings.addresses
        return addresses.node(self.number) if self.is_node else addresses.control_plane

    @property
    def folder(self) -> Path:
        """Folder of this machine on the host."""
        return self.settings.state / self.name

    def log_file(self, component: str) -> Path:
        """File that receives the output of a component."""
        return self.folder / "logs" / f"{component}.log"

    # -- existence -------------------------------------------------------------------------

    def holder(self) -> Process | None:
        """Return the first process of the machine's namespaces, None if the machine is off."""
        return processes.find(*self._holder_arguments)

    def ensure(self) -> bool:
        """Switch the machine on; True if it was off or only half prepared."""
        holder = self.holder()
        if holder and Path(f"/proc/{holder.pid}/root", _PREPARED).exists():
            return False
        if holder:
            processes.kill(holder)
        # kubelet spends three seconds on every cgroup that the dead machine left behind.
        cgroups.remove(self.settings.name, self.name)
        if self.is_node:
            cgroups.create(self.settings.name, self.name)
        self._start()
        self._prepare()
        return True

    def kill(self) -> bool:
        """Kill the machine with everything on it; True if it was on."""
        holder = self.holder()
        if holder:
            processes.kill(holder)
        return holder is not None

    # -- what runs on it -------------------------------------------------------------------

    def command(self, *command: Argument) -> tuple[Argument, ...]:
        """Return the command line that runs ``command`` on this machine."""
        return (*self._enter("-m", "-n", "-p", "-u", "-i"), *command)

    def network_command(self, *command: Argument) -> tuple[Argument, ...]:
        """Return the command line that runs a program of the host in this machine's network."""
        return (*self._enter("-n"), *command)

    def component(self, program: Argument) -> Process | None:
        """Return the process of a program that ``start`` started here, None if it is dead."""
        holder = self.holder()
        return processes.find_program(str(program), holder.namespace) if holder else None

    def start(self, component: str, program: Argument, *arguments: Argument) -> bool:
        """Start a long-lived program on this machine; False if it runs already."""
        if self.component(program):
            return False
        environment = ("env", "-i", f"PATH={_PATH}", "HOME=/root")
        command = self.command(*environment, program, *arguments)
        log_file = self.log_file(component)
        processes.start_detached(*command, log_file=log_file, folder=self.settings.state)

        def started() -> Process | None:
            return self.component(program)

        wait_for(f"{component} on {self.name}, see {log_file}", started, seconds=10, every=0.02)
        log.info("%s: %s started", self.name, component)
        return True

    def components(self) -> dict[str, str]:
        """Return component → program of all that should run here."""
        names = NODE_COMPONENTS if self.is_node else CONTROL_PLANE_COMPONENTS
        programs = {name: str(self.settings.programs / name) for name in names}
        return {"containerd": CONTAINERD, **programs} if self.is_node else programs

    # -- how it comes into being -----------------------------------------------------------

    @property
    def _holder_arguments(self) -> tuple[str, str, str]:
        return (str(self.settings.programs / "machine-init"), self.settings.name, self.name)

    def _enter(self, *namespaces: str) -> tuple[Argument, ...]:
        holder = self.holder()
        if not holder:
            raise ClusterError(f"machine {self.name} is off; `up` switches it on")
        return ("nsenter", "-t", holder.pid, *namespaces)

    def _start(self) -> None:
        for name in ("lib", "log", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        namespaces = ["--net", "--mount", "--uts", "--ipc", "--pid"]
        options = (*namespaces, "--fork", "--mount-proc", "--kill-child=SIGKILL")
        log_file = self.log_file("machine")
        processes.start_detached(
            "unshare", *options, *self._holder_arguments, log_file=log_file, folder=Path("/")
        )
        wait_for(f"machine {self.name}, see {log_file}", self.holder, seconds=10, every=0.02)

    def _prepare(self) -> None:
        folder = shlex.quote(str(self.folder))
        # Without this a Service's reply between two pods of one bridge keeps the pod's address.
        bridged = 1 if self.is_node else 0
        script = f"""
            hostname {self.name}
            mount -t tmpfs tmpfs /run
            mkdir -p /run/lock /run/containerd
            mount --bind {folder}/lib /var/lib
            mount --bind {folder}/log /var/log
            mkdir -p /var/lib/kubelet /var/lib/containerd /var/log/pods
            mount --make-rshared /
            ip link set lo up
            sysctl -qw net.ipv4.ip_forward=1
            sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
            sysctl -qw net.bridge.bridge-nf-call-iptables={bridged}
            touch /{_PREPARED}
        """
        run(*self.command("sh", "-ec", script))


def control_plane(settings: Settings) -> Machine:
    """Return the machine of the API server."""
    return Machine(settings, 0)


def nodes(settings: Settings) -> list[Machine]:
    """Return the worker nodes."""
    return [Machine(settings, number) for number in settings.node_numbers]


def machines(settings: Settings) -> list[Machine]:
    """Return the control plane and the nodes."""
    return [control_plane(settings), *nodes(settings)]


def by_name(settings: Settings, name: str) -> Machine:
    """Return the machine of a name such as ``cp`` or ``n1``."""
    known = {machine.name: machine for machine in machines(settings)}
    if name not in known:
        raise ClusterError(f"there is no machine {name!r}; known are {', '.join(known)}")
    return known[name]


def kill_all(settings: Settings) -> None:
    """Kill every machine of the cluster that is on, also those beyond today's number of nodes."""
    init = str(settings.programs / "machine-init")
    for process in list(processes.running()):
        if process.arguments[:2] == (init, settings.name):
            processes.kill(process)


def load_kernel_modules() -> None:
    """Ask for the kernel's bridge filter unless it is there."""
    if not Path("/proc/sys/net/bridge").exists():
        attempt("modprobe", "br_netfilter")
    if not Path("/proc/sys/net/bridge").exists():
        raise ClusterError("the kernel has no br_netfilter module, which Services need")
