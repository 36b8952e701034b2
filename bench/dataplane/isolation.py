"""A network and a process tree of our own: no port is taken, and nothing outlives the run."""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Final

from tests.cluster.mmcluster.shell import log, run, succeeds

_INSIDE: Final = "MM_BENCH_INSIDE"
"""Set in the environment of the process that runs there."""
_UNSHARE: Final = ("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")


def enter(words: Sequence[str]) -> None:
    """Replace this process by one inside; where that is not allowed, go on where we are.

    Parameters
    ----------
    words
        Arguments of the command line, which the new process gets again.
    """
    if os.environ.get(_INSIDE):
        run("ip", "link", "set", "lo", "up")
        return
    if not succeeds(*_UNSHARE, "true"):
        log.warning("no network of our own without root: ports of this machine are used")
        return
    command = [*_UNSHARE, sys.executable, "-m", "bench.dataplane", *words]
    sys.stdout.flush()
    code = subprocess.run(command, env={**os.environ, _INSIDE: "1"}, check=False).returncode
    raise SystemExit(code)
