"""Running commands, waiting with a deadline, and telling the user what takes how long."""

import fcntl
import logging
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

log = logging.getLogger("mmcluster")
Argument = str | Path | int
Found = TypeVar("Found")

# Steps shorter than this are not worth a line of their own.
QUIET_SECONDS = 0.5


class ClusterError(Exception):
    """Something the user has to know about or to repair; the message says what."""


def run(
    *command: Argument,
    stdin: IO[bytes] | str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command and return its standard output.

    Raises
    ------
    ClusterError
        If the command fails; the message carries the command and the end of its output.
    """
    result = attempt(*command, stdin=stdin, cwd=cwd, env=env)
    if result.returncode:
        output = "\n".join((result.stdout + result.stderr).splitlines()[-30:])
        line = " ".join(str(part) for part in command)
        raise ClusterError(f"`{line}` failed with code {result.returncode}:\n{output}")
    return result.stdout


def attempt(
    *command: Argument,
    stdin: IO[bytes] | str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command that may fail and return its result."""
    arguments = [str(part) for part in command]
    text = stdin if isinstance(stdin, str) else None
    file = None if isinstance(stdin, str) else stdin or subprocess.DEVNULL
    try:
        return subprocess.run(
            arguments,
            input=text,
            stdin=file,
            cwd=cwd,
            env=env,
            text=True,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        hint = "`python3 tests/cluster bootstrap` installs what is missing"
        raise ClusterError(f"{error.filename} does not exist; {hint}") from error


def succeeds(*command: Argument, stdin: str | None = None) -> bool:
    """Tell whether a command exits with 0."""
    return attempt(*command, stdin=stdin).returncode == 0


def wait_for(
    what: str, probe: Callable[[], Found | None], *, seconds: float, every: float = 0.1
) -> Found:
    """Return the first true answer of ``probe``, asked each ``every`` seconds.

    Raises
    ------
    ClusterError
        If none came within ``seconds``; ``what`` completes "timed out waiting for".
    """
    deadline = time.monotonic() + seconds
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > deadline:
            raise ClusterError(f"timed out after {seconds:.0f} s waiting for {what}")
        time.sleep(every)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time do something; the others wait for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("waiting for another process that does the same")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def step(what: str) -> Iterator[None]:
    """Announce a slow step and report how long it took."""
    log.info("%s …", what)
    started = time.monotonic()
    yield
    log.info("%s: %.1f s", what, time.monotonic() - started)


@contextmanager
def quick_step(what: str) -> Iterator[None]:
    """Report a step that is usually done at once, if it took noticeable time."""
    started = time.monotonic()
    yield
    seconds = time.monotonic() - started
    if seconds > QUIET_SECONDS:
        log.info("%s: %.1f s", what, seconds)


def write(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write a file and its folders unless it holds exactly that text already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.touch(mode=mode)
        path.write_text(text)
    return path


def flags(options: Mapping[str, Argument | Sequence[str]]) -> list[str]:
    """Return ``--name=value`` for each option; a list is joined by commas."""
    return [
        f"--{name}={value if isinstance(value, (str, Path, int)) else ','.join(value)}"
        for name, value in options.items()
    ]
