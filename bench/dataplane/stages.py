"""The programs of a run: the measures of this package, and those that others keep beside it.

Each prints `BAR` lines, and `UNSOUND` lines with reasons not to believe them.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.cluster.mmcluster.shell import log, step

BAR: Final = "BAR "
UNSOUND: Final = "UNSOUND "


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One program.

    Attributes
    ----------
    name
        What it is called on the command line.
    module
        Run as `python -m`.
    """

    name: str
    module: str


BESIDE: Final = (
    Stage(name="faults", module="bench.faults"),
    Stage(name="fuzz", module="bench.fuzz"),
    Stage(name="decoders", module="bench.decoders"),
)
"""What else has to hold of the data path; each takes `--quick`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a program said.

    Attributes
    ----------
    lines
        Its `BAR` lines.
    doubts
        Reasons not to believe them.
    """

    lines: tuple[str, ...]
    doubts: tuple[str, ...]


def run(module: str, arguments: Sequence[str], prefix: Sequence[str] = ()) -> Outcome:
    """Run a program and show all it prints.

    Parameters
    ----------
    module
        Run as `python -m`.
    arguments
        Of the program.
    prefix
        Command that starts it.
    """
    command = [*prefix, sys.executable, "-m", module, *arguments]
    printed = []
    with (
        step(f"running {' '.join((module, *arguments))}"),
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            print(line, end="", flush=True)
            printed.append(line.strip())
    log.info("%s ended with status %d", module, process.returncode)
    return outcome(module, printed, process.returncode)


def outcome(module: str, printed: Sequence[str], status: int) -> Outcome:
    """Return what the lines and the exit status of a program mean."""
    lines = tuple(line for line in printed if line.startswith(BAR))
    doubts = [line.removeprefix(UNSOUND) for line in printed if line.startswith(UNSOUND)]
    explained = doubts or any("holds=no" in line.split() for line in lines)
    if status and not explained:
        doubts.append(f"{module} ended with status {status}")
    elif not (lines or doubts):
        doubts.append(f"{module} measured nothing")
    return Outcome(lines=lines, doubts=tuple(doubts))
