"""What runs of a cluster, and what it costs."""

import os
from collections.abc import Iterator
from pathlib import Path

from . import machines, processes
from .kubectl import administrator
from .machines import Machine
from .processes import Process
from .settings import Settings
from .shell import ClusterError


def report(settings: Settings) -> str:
    """Return a text with every machine, its components and its nodes' condition."""
    lines = [line for machine in machines.machines(settings) for line in _machine(machine)]
    try:
        nodes = administrator(settings)("get", "nodes", "-o", "wide")
    except ClusterError:
        nodes = "The API server does not answer; `up` repairs what is dead.\n"
    return "\n".join([*lines, "", nodes])


def _machine(machine: Machine) -> Iterator[str]:
    holder = machine.holder()
    yield f"{machine.name}  {machine.address}  {'on' if holder else 'off'}"
    if not holder:
        return
    inside = {p.arguments[0]: p for p in processes.running() if p.namespace == holder.namespace}
    for component, program in machine.components().items():
        yield f"    {component:24}  {_describe(inside.pop(program, None))}"


def _describe(process: Process | None) -> str:
    if process is None:
        return "dead"
    try:
        return (
            f"pid {process.pid:<8} {_memory(process.pid):7.1f} MiB  "
            f"{_cpu_seconds(process.pid):8.1f} s of CPU"
        )
    except OSError:
        return "dead"


def _memory(pid: int) -> float:
    """Return the proportional share in MiB: the components share the pages of one binary."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _cpu_seconds(pid: int) -> float:
    # Fields 14 and 15 of proc(5); the second one, the name, may contain spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")
