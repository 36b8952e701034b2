"""The process table is the only record of what runs: no pid file can be stale.

A program is recognised by its arguments together with the process namespace it runs in.
"""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .shell import Argument, wait_for


@dataclass(frozen=True)
class Process:
    """A running process as the host sees it; ``namespace`` names its process namespace."""

    pid: int
    arguments: tuple[str, ...]
    namespace: str


def running() -> Iterator[Process]:
    """Yield every process; the dead that nobody reaped have no arguments and are left out."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (process := _read(int(folder.name))):
            yield process


def _read(pid: int) -> Process | None:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        if not line:
            return None
        arguments = tuple(line.decode(errors="replace").rstrip("\0").split("\0"))
        return Process(pid, arguments, str(Path(f"/proc/{pid}/ns/pid").readlink()))
    except OSError:  # it ended meanwhile
        return None


def find(*arguments: str) -> Process | None:
    """Return the process that was started with exactly these arguments."""
    return next((process for process in running() if process.arguments == arguments), None)


def find_program(program: str, namespace: str) -> Process | None:
    """Return the process in ``namespace`` that was started as ``program``."""
    return next(
        (
            process
            for process in running()
            if process.namespace == namespace and process.arguments[0] == program
        ),
        None,
    )


def start_detached(*command: Argument, log_file: Path, folder: Path) -> None:
    """Start a program that outlives this one, in a session of its own.

    `setsid --fork` leaves at once, so that the program becomes a child of the machine's init, which
    reaps it.
    """
    with log_file.open("ab") as output:
        subprocess.run(
            ["setsid", "--fork", *(str(part) for part in command)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=folder,
            check=True,
        )


def kill(process: Process) -> None:
    """Kill a process and wait until it is gone."""
    os.kill(process.pid, signal.SIGKILL)

    def gone() -> bool:
        return _read(process.pid) != process

    wait_for(f"process {process.pid} to end", gone, seconds=20, every=0.02)
