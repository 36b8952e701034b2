"""Child processes by fork: started within milliseconds, sharing what the supervisor has loaded."""

import logging
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from modelmonitor.collector.control import Control

logger = logging.getLogger(__name__)

_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_NO_LIMIT: Final = 1 << 50
"""cgroup v1 writes "no limit" as a huge number."""

RAPID_SECONDS: Final = 10.0
"""A process that lived shorter than this did not recover."""
FIRST_PAUSE: Final = 0.1


class Closeable(Protocol):
    """Something of the supervisor's that a child must not hold open."""

    def close(self) -> None:
        """Close it."""


@dataclass(kw_only=True)
class Child:
    """A running child of the supervisor."""

    name: str
    pid: int
    control: Control
    started: float
    """Monotonic seconds."""
    heard: float
    """Monotonic seconds of the last sign of life."""

    deaf: bool = False
    """Its line is gone; it is about to end."""

    def kill(self) -> None:
        """End the process at once; until it was waited for, its id is its own."""
        os.kill(self.pid, signal.SIGKILL)


@dataclass(kw_only=True)
class Restarts:
    """When to start a process again: at once, and slower while it keeps dying."""

    longest_pause: float
    """Seconds."""
    rapid: int = 0
    """Deaths in a row, each soon after the start."""

    def pause_after(self, lived: float) -> float:
        """Return the seconds to wait before the next start, after a life of `lived` seconds."""
        self.rapid = self.rapid + 1 if lived < RAPID_SECONDS else 0
        if self.rapid <= 1:
            return 0.0
        return min(FIRST_PAUSE * 2.0 ** (self.rapid - 2), self.longest_pause)


def fork(target: Callable[[], None], inherited: Iterable[Closeable]) -> int:
    """Run `target` in a child process and return its process id.

    The child ignores SIGTERM and SIGINT, because the supervisor decides when it ends, and closes
    what it inherited but must not hold open.
    """
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for item in inherited:
            item.close()
        target()
        status = 0
    except Exception:
        logger.exception("the process failed")
    finally:
        os._exit(status)


def memory_limit() -> int | None:
    """Return the container's memory limit in bytes; None if there is none."""
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError:
            continue
        if text.isdecimal() and int(text) < _NO_LIMIT:
            return int(text)
        return None
    return None


def data_size(pid: int) -> int:
    """Return the bytes that a process allocated, as RLIMIT_DATA counts them; 0 if it is gone."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
    except OSError:
        return 0
    return int(pages[5]) * resource.getpagesize()


def name_process(name: str) -> None:
    """Show this name in process lists (`ps -o comm`, `top`)."""
    try:
        Path("/proc/self/comm").write_text(name, encoding="ascii")
    except OSError:
        return


def stream_pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a byte stream between splice and observer."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
