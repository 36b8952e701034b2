"""One cgroup folder per node in every hierarchy: all that separates the nodes' accounts."""

import os
from contextlib import suppress
from pathlib import Path

from .shell import ClusterError, wait_for

_COPIED = ("cpuset.cpus", "cpuset.mems")


def hierarchies() -> list[Path]:
    """Return where cgroup hierarchies are mounted (several with version 1, one with version 2)."""
    mounts = (line.split() for line in Path("/proc/mounts").read_text().splitlines())
    return [Path(fields[1]) for fields in mounts if fields[2] in {"cgroup", "cgroup2"}]


def create(cluster: str, machine: str) -> None:
    """Create the cgroup that kubelet takes as its root."""
    for hierarchy in hierarchies():
        for folder in (hierarchy / cluster, hierarchy / cluster / machine):
            folder.mkdir(exist_ok=True)
            _inherit(folder)


def _inherit(folder: Path) -> None:
    # Version 1: a new cpuset is empty and no process may enter it.
    for name in _COPIED:
        file = folder / name
        if file.exists() and not file.read_text().strip() and (folder.parent / name).exists():
            file.write_text((folder.parent / name).read_text())
    # Version 2: controllers reach a folder only if its parent hands them down.
    available = folder.parent / "cgroup.controllers"
    if available.exists():
        for controller in available.read_text().split():
            # Some can be handed down by the real root only; kubelet names what it misses.
            with suppress(OSError):
                (folder.parent / "cgroup.subtree_control").write_text(f"+{controller}")


def remove(cluster: str, *machine: str) -> None:
    """Remove the cgroup folders of a machine, or of the cluster; killed processes leave slowly."""
    for hierarchy in hierarchies():
        top = hierarchy.joinpath(cluster, *machine)

        def gone(top: Path = top) -> bool:
            _remove_empty(top)
            return not top.exists()

        try:
            wait_for(f"processes to leave {top}", gone, seconds=20, every=0.05)
        except ClusterError as error:
            raise ClusterError(f"{error}; see {top}/**/cgroup.procs") from error


def _remove_empty(top: Path) -> None:
    folders = [Path(folder) for folder, _, _ in os.walk(top)]
    for folder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        try:
            folder.rmdir()
        except OSError:  # a process is still ending; the caller asks again
            return
