"""Programs that run beside each other while something is measured."""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.report import UnsoundRunError

LOOPBACK: Final = "127.0.0.1"
START_SECONDS: Final = 30.0
END_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.02


@contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    port: int,
    log: Path,
    environment: Mapping[str, str] | None = None,
    ending: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends, from the moment that it listens.

    Parameters
    ----------
    name
        What it is called when something goes wrong.
    command
        Program and arguments.
    port
        Where it listens.
    log
        For its output.
    environment
        All of its variables; this process's if not given.
    ending
        How it is told to end.

    Raises
    ------
    UnsoundRunError
        If it ends before it listens, or does not listen in time.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        wait_for(
            lambda: process.poll() is not None or listens(port), f"{name} listens on port {port}"
        )
        if process.poll() is not None:
            raise UnsoundRunError(f"{name} ended at its start: {_end_of(log)}")
        yield process
    finally:
        process.send_signal(ending)
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(holds: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    """Wait until a condition holds.

    Raises
    ------
    UnsoundRunError
        If it does not in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise UnsoundRunError(f"not within {seconds:.0f} s: {what}")
        time.sleep(_POLL_SECONDS)


def listens(port: int) -> bool:
    """Return whether something accepts connections on a port of loopback."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-10:]) or "it said nothing"
