"""What can happen to an observer."""

import os
import signal
import time
from collections.abc import Callable
from typing import Final

from tests.collector.harness import Collector, eventually

Fault = Callable[[Collector, float], None]
"""Lets it happen to a collector's observer, for so many seconds."""


def killed(collector: Collector, seconds: float) -> None:
    """Kill it three times."""
    for _ in range(3):
        collector.kill("mm-observer")
        _wait(seconds / 3)


def stopped(collector: Collector, seconds: float) -> None:
    """Stop it, and let it go on."""
    pid = collector.kill("mm-observer", signal.SIGSTOP)
    _wait(seconds)
    os.kill(pid, signal.SIGCONT)


def absent(collector: Collector, seconds: float) -> None:
    """Kill it whenever it is there."""
    end = time.monotonic() + seconds

    def over() -> bool:
        pid = collector.children().get("mm-observer")
        if pid is not None:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return False
        return time.monotonic() >= end

    eventually(over, "time passes", deadline=seconds + 5.0)


def slow(collector: Collector, seconds: float) -> None:
    """Let it work for a fifth of the time."""
    pid = collector.kill("mm-observer", signal.SIGCONT)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        os.kill(pid, signal.SIGSTOP)
        _wait(0.2)
        os.kill(pid, signal.SIGCONT)
        _wait(0.05)


FAULTS: Final[dict[str, Fault]] = {
    "killed": killed,
    "stopped": stopped,
    "absent": absent,
    "slow": slow,
}


def _wait(seconds: float) -> None:
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() >= end, "time passes", deadline=seconds + 5.0)
