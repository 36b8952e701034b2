"""What of a cluster can be seen on the machine that runs it."""

from pathlib import Path

from tests.cluster.mmcluster import cgroups, processes
from tests.cluster.mmcluster.settings import Settings
from tests.cluster.mmcluster.shell import run

Seen = dict[str, frozenset[str]]


def configuration() -> Seen:
    """Return the host's own links, addresses, routes, firewall rules, mounts and cgroups."""
    return {
        "links": frozenset(path.name for path in Path("/sys/class/net").iterdir()),
        "addresses": frozenset(run("ip", "-brief", "address", "show").splitlines()),
        "routes": frozenset(run("ip", "route", "show", "table", "all").splitlines()),
        "network namespaces": frozenset(run("ip", "netns", "list").splitlines()),
        "firewall rules": _firewall_rules(),
        # Image builds may run meanwhile; they mount in the cache of the images.
        "mounts": frozenset(
            line
            for line in Path("/proc/mounts").read_text().splitlines()
            if "/containers/" not in line
        ),
        "cgroups": frozenset(
            str(folder)
            for hierarchy in cgroups.hierarchies()
            for folder in hierarchy.iterdir()
            if folder.is_dir()
        ),
    }


def own_processes(settings: Settings) -> frozenset[str]:
    """Return the command lines of processes that belong to a cluster, containers included."""
    found = set()
    for process in processes.running():
        line = " ".join(process.arguments)
        if str(settings.state) in line or f"/{settings.name}/" in _cgroups(process.pid):
            found.add(line)
    return frozenset(found)


def _cgroups(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cgroup").read_text()
    except OSError:  # it ended meanwhile
        return ""


def _firewall_rules() -> frozenset[str]:
    return frozenset(line for line in run("iptables-save").splitlines() if line.startswith("-A"))
