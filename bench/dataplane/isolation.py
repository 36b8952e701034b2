"""A network and a process tree of our own: no port is taken, and nothing outlives the run."""

from typing import Final

from tests.cluster.mmcluster.shell import attempt, log, succeeds

_ENTER: Final = (
    # Whatever ends the process outside ends everything inside.
    *("setpriv", "--pdeathsig", "KILL"),
    *("unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def prefix() -> tuple[str, ...]:
    """Return what starts a command in there; nothing where that is not allowed."""
    if succeeds(*_ENTER, "true"):
        return _ENTER
    log.warning("no network of our own without root: ports of this machine are used")
    return ()


def prepare() -> None:
    """Bring up the loopback of a new network; without one, that of the machine is up already."""
    attempt("ip", "link", "set", "lo", "up")
