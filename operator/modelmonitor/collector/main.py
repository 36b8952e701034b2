"""The collector's container: `modelmonitor collector`."""

import functools
import gc
import importlib
import logging
import os
import resource
import socket
import sys
from collections.abc import Mapping
from typing import Final, cast

from modelmonitor.collector.control import Control
from modelmonitor.collector.environment import (
    CollectorEnvironment,
    InvalidEnvironmentError,
    environment_from,
)
from modelmonitor.collector.processes import memory_limit, name_process
from modelmonitor.collector.sockets import listening_socket, loopback_socket
from modelmonitor.collector.splice import worker
from modelmonitor.collector.supervisor import Roles, RunObserver, Supervisor
from modelmonitor.logs import configure_logging

logger = logging.getLogger(__name__)

OBSERVER_NICE: Final = 10
"""The observer gives way to the splice and to the model."""
OBSERVER_SHARE: Final = 0.7
"""Of the container's memory limit; at the limit the kernel would end the whole container."""
OBSERVER_LEAST: Final = 128 * 1024 * 1024
"""Bytes of address space without which it cannot even start; it touches about half of it."""
OBSERVER_ENOUGH: Final = 0.9
"""Of what an observer may allocate; one that has this much leaks."""


def run(variables: Mapping[str, str]) -> int:
    """Run the collector until SIGTERM.

    Parameters
    ----------
    variables
        The process's environment; see `environment_from`.

    Returns
    -------
    int
        The exit status: 0 after an orderly end, 1 if the splice cannot run, 2 if the environment
        is wrong.
    """
    try:
        environment = environment_from(variables)
    except InvalidEnvironmentError as error:
        sys.stderr.write(f"modelmonitor collector: {error}\n")
        return 2
    configure_logging(logging.INFO, quotes=False)
    try:
        captured = [(port, listening_socket(port.listen)) for port in environment.captured]
        events = environment.events_port and loopback_socket(environment.events_port)
        panes = listening_socket(environment.pane_port)
    except OSError as error:
        logger.critical("cannot listen: %s", error)
        return 1
    gc.collect()
    gc.freeze()  # so that children share these pages
    roles = Roles(splice=functools.partial(_splice, events or None), observer=_observer)
    allowed = observer_memory()
    enough = None if allowed is None else int(allowed * OBSERVER_ENOUGH)
    return Supervisor(environment, captured, panes, roles, observer_memory=enough).run()


def observer_memory() -> int | None:
    """Return the bytes that an observer can allocate; None if the container has no limit."""
    limit = memory_limit()
    return None if limit is None else max(int(limit * OBSERVER_SHARE), OBSERVER_LEAST)


def _splice(
    events: socket.socket | None,
    captured: worker.Captured,
    control: Control,
    stream: socket.socket,
) -> None:
    name_process("mm-splice")
    worker.run(captured, control, stream, events)


def _observer(
    environment: CollectorEnvironment,
    panes: socket.socket,
    control: Control,
    stream: socket.socket,
    *,
    replaces: bool,
) -> None:
    name_process("mm-observer")
    os.nice(OBSERVER_NICE)
    allowed = observer_memory()
    if allowed is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))
    # One thread of linear algebra; each more would reserve memory that counts as used.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    # Loaded here and not above: the other processes need none of it.
    module = importlib.import_module("modelmonitor.collector.observer.process")
    cast("RunObserver", module.run)(environment, panes, control, stream, replaces=replaces)
