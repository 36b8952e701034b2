"""Our collector, started as in a pod, configured and read as by the controller."""

import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.dataplane.machine import PATH_CPU, children, pinned
from bench.dataplane.process import LOOPBACK, listens, running, wait_for
from bench.dataplane.traffic import MONITOR_UID, PORT_NAME
from modelmonitor.core.wire import configuration as wire
from modelmonitor.core.wire.configuration import CollectorConfiguration, encode_configuration
from modelmonitor.core.wire.pane import Pane, PanesReply, decode_reply
from modelmonitor.core.wire.tokens import Scope, issue_leaf, issue_token, public_root_key

POD_UID: Final = "bench-0"
_ROOT_KEY: Final = bytes(range(32))
_LEAF_KEY: Final = bytes(32)
_SPLICE: Final = "mm-splice"
_OBSERVER: Final = "mm-observer"
_PROCESSES: Final = frozenset({_SPLICE, _OBSERVER})


@dataclass(kw_only=True)
class Collector:
    """A running collector.

    Attributes
    ----------
    supervisor, splice, observer
        Its processes.
    port
        Where clients come to.
    panes
        What was read so far, oldest first.
    """

    supervisor: int
    splice: int
    observer: int
    port: int
    panes: list[Pane] = field(default_factory=list)

    @property
    def pids(self) -> tuple[int, ...]:
        """Return all of its processes."""
        return (self.supervisor, self.splice, self.observer)

    def configure(self, configuration: CollectorConfiguration) -> None:
        """Push a configuration and wait until it is in force."""
        body = encode_configuration(configuration)
        _ask("/v1/config", Scope.CONFIG, method="PUT", body=body)
        digest = wire.configuration_digest(configuration)
        wait_for(lambda: self.pull().configDigest == digest, "the configuration is in force")

    def pull(self, wait: float = 0.0) -> PanesReply:
        """Read the panes that were closed since the last pull; wait up to so many seconds."""
        cursor = f"{self.panes[-1].bootID}:{self.panes[-1].seq}" if self.panes else ""
        reply = decode_reply(_ask(f"/v1/panes?after={cursor}&wait={wait}", Scope.PANES))
        self.panes += reply.panes
        return reply

    def pull_all(self) -> None:
        """Read all panes that are closed: one reply holds about 2 MiB."""
        while self.pull().panes:
            pass

    def seen(self) -> int:
        """Return the requests in all panes so far; waits for the next pane."""
        self.pull(wait=1.0)
        return sum(pane.requests.seen for pane in self.panes)

    def decoded(self) -> int:
        """Return the requests in all panes read so far whose rows were counted."""
        return sum(pane.requests.decoded for pane in self.panes)


def _ask(path: str, scope: Scope, *, method: str = "GET", body: bytes | None = None) -> bytes:
    now = time.time()
    leaf = issue_leaf(
        root_private_key=_ROOT_KEY, leaf_private_key=_LEAF_KEY, now=now, lifetime=3600.0
    )
    token = issue_token(leaf, audience=POD_UID, scope=scope, now=now)
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{wire.PANE_PORT}{path}",
        data=body,
        method=method,
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=60.0) as response:
        return bytes(response.read())


@contextmanager
def running_collector(folder: Path, *, upstream: int) -> Iterator[Collector]:
    """Run a collector in front of a model, without a configuration yet."""
    port = wire.CAPTURED_PORT_BASE
    with TemporaryDirectory(dir=folder) as state, _ports_free_at_the_end(port):
        variables = {
            wire.ENV_MONITOR_UID: MONITOR_UID,
            wire.ENV_MONITOR: "bench/flight-delay",
            wire.ENV_PORTS: f"{PORT_NAME}={port}:{upstream}",
            wire.ENV_POD_UID: POD_UID,
            wire.ENV_POD_NAME: "flight-delay-0",
            wire.ENV_REVISION: "6d4f9c7b8d",
            wire.ENV_ROOT_KEYS: public_root_key(_ROOT_KEY),
            wire.ENV_STATE_DIRECTORY: state,
        }
        command = pinned(PATH_CPU, sys.executable, "-m", "modelmonitor", "collector")
        with running(
            "collector",
            command,
            port=wire.PANE_PORT,
            log=folder / "collector.log",
            environment={**os.environ, **variables},
            # Told kindly it would wait for somebody to read its last pane.
            ending=signal.SIGKILL,
        ) as process:
            wait_for(lambda: _answers("/livez"), "the collector lives")
            wait_for(lambda: children(process.pid).keys() >= _PROCESSES, "its processes")
            found = children(process.pid)
            yield Collector(
                supervisor=process.pid,
                splice=found[_SPLICE],
                observer=found[_OBSERVER],
                port=port,
            )


@contextmanager
def _ports_free_at_the_end(port: int) -> Iterator[None]:
    """Wait for a killed collector's children: they end when they miss it, and hold its ports."""
    try:
        yield
    finally:
        wait_for(lambda: not (listens(port) or listens(wire.PANE_PORT)), "the collector ends")


def _answers(path: str) -> bool:
    try:
        urllib.request.urlopen(f"http://{LOOPBACK}:{wire.PANE_PORT}{path}", timeout=5.0).close()
    except OSError:
        return False
    return True
