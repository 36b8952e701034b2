"""Real servers as processes, each in its own environment and folder."""

import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.collector.harness import LOOPBACK
from tests.interop.venvs import environment

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(__file__).parent / "programs"
UP_WITHIN = 90.0
"""Seconds; the slowest needs 20 s on two cores of its own."""
DOWN_WITHIN = 5.0


def variables_for(name: str, directory: Path) -> dict[str, str]:
    """Return the environment of a program: its venv's programs, this checkout, nothing private."""
    return {
        "PATH": f"{environment(name) / 'bin'}:{os.environ['PATH']}",
        "HOME": str(directory),
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
    }


def run_program(name: str, directory: Path, *arguments: str) -> str:
    """Run a program in an environment to its end; return what it printed."""
    done = subprocess.run(
        [str(environment(name) / "bin" / "python"), *arguments],
        cwd=directory,
        env=variables_for(name, directory),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{arguments} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running_server(
    name: str,
    directory: Path,
    arguments: Sequence[str],
    *,
    ready: Callable[[], bool],
    variables: Mapping[str, str] | None = None,
) -> Iterator[None]:
    """Run a server until the end of the context; what it logged is shown when a test fails.

    Parameters
    ----------
    name
        The environment; `arguments[0]` is one of its programs.
    directory
        The server's home and working directory.
    ready
        Whether it answers.
    """
    log = directory / "server.log"
    program = environment(name) / "bin" / arguments[0]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), *arguments[1:]],
            cwd=directory,
            env={**variables_for(name, directory), **(variables or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _await(process, ready, log)
            yield
        finally:
            _end(process)
            print(log.read_text(errors="replace")[-20_000:])


def answers(port: int, path: str) -> bool:
    """Return whether a GET is answered with success."""
    try:
        urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=5.0).close()
    except OSError:
        return False
    return True


def get(port: int, path: str) -> bytes:
    """Return the body of a GET's answer."""
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=10.0) as response:
        return bytes(response.read())


def _await(process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path) -> None:
    end = time.monotonic() + UP_WITHIN
    while not ready():
        said = log.read_text(errors="replace")[-4000:]
        assert process.poll() is None, f"the server ended by itself:\n{said}"
        assert time.monotonic() < end, f"the server is not up after {UP_WITHIN} s:\n{said}"
        time.sleep(0.05)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with its children: all are in the process group that was made for it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(DOWN_WITHIN)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()
