"""Programs beside this one that print bars of their own: faults, fuzzing, decoding."""

import os
import subprocess
import sys
from typing import Final

from tests.cluster.mmcluster.shell import log, step

COMPANIONS: Final = ("faults", "fuzz", "decoders")
"""Modules of `bench`, each a program that takes `--quick`."""


def run(name: str, *, quick: bool) -> tuple[list[str], list[str]]:
    """Run one of them, showing all it prints.

    Returns
    -------
    tuple of two lists of str
        Its `BAR` lines, and reasons to doubt them: it failed although its bars hold.
    """
    command = [sys.executable, "-m", f"bench.{name}", *(["--quick"] if quick else [])]
    lines = []
    # It may pin its own processes: it starts free to use all processors.
    os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with (
        step(f"running: {' '.join(command[2:])}"),
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("BAR "):
                lines.append(line.strip())
    log.info("bench.%s ended with status %d", name, process.returncode)
    if process.returncode and all("holds=yes" in line.split() for line in lines):
        return lines, [f"bench.{name} ended with status {process.returncode}"]
    return lines, [] if lines else [f"bench.{name} measured nothing"]
