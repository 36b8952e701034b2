"""Running Kopf: in a thread and a loop of its own, as a source of wake-ups and nothing else.

Kopf cancels every task of its loop when it ends; with a loop of its own, ours are out of its reach.
"""

import asyncio
import logging
import os
import random
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

import kopf

from modelmonitor.api.v1alpha1.monitor import MONITOR_LABEL
from modelmonitor.controller.handlers.registry import Wakeups, build_registry
from modelmonitor.core.acting.retraining_job import RETRAINS_LABEL

logger = logging.getLogger(__name__)

STOP_TIMEOUT: Final = 5.0
"""Seconds that Kopf gets to end; the process ends without it otherwise."""


class EndlessBackOff:
    """Delays that never run out: an outage of the API server must not end the operator.

    Doubling from one second to a minute, each spread by half, so that controllers that lost the
    server together do not come back together. Kopf starts a new iteration for each request.
    """

    def __init__(self) -> None:
        self._random = random.SystemRandom()

    def __iter__(self) -> Iterator[float]:
        """Return delays in seconds, for ever."""
        delay = 1.0
        while True:
            yield delay * self._random.uniform(0.5, 1.0)
            delay = min(60.0, delay * 2)


def watching_settings() -> kopf.OperatorSettings:
    """Return Kopf's settings; each differs from its default for a measured reason."""
    settings = kopf.OperatorSettings()
    # Lists in pages and workers that end at once: 25 MB instead of 166 MB for 10,000 objects.
    settings.watching.chunk_size = 500
    settings.queueing.idle_timeout = 0.2
    settings.networking.request_timeout = 30.0
    settings.networking.connect_timeout = 5.0
    settings.networking.error_backoffs = EndlessBackOff()
    settings.watching.connect_timeout = 5.0
    # Leadership is ours; kinds and namespaces are known.
    settings.peering.standalone = True
    settings.scanning.disabled = True
    # Events and finalizers are ours, too.
    settings.posting.enabled = False
    # Only what concerns monitors is sent by the API server at all.
    selectors = settings.watching.label_selectors
    selectors["v1", "pods"] = MONITOR_LABEL
    selectors["batch", "v1", "jobs"] = RETRAINS_LABEL
    return settings


class WatchThread:
    """The thread in which Kopf watches."""

    def __init__(
        self, wakeups: Wakeups, namespaces: Sequence[str], ended: Callable[[], object]
    ) -> None:
        self._registry = build_registry(wakeups)
        self._namespaces = tuple(namespaces)
        self._ended = ended
        self._stopping = threading.Event()
        self._stop: Callable[[], object] | None = None
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Let Kopf end; does not wait for long."""
        self._stopping.set()
        if self._stop is not None:
            self._stop()
        if self._thread.is_alive():
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        try:
            asyncio.run(self._watch())
        except Exception:
            logger.exception("watching ended; the process will end, too")
        finally:
            self._stop = None
            if not self._stopping.is_set():
                self._ended()

    async def _watch(self) -> None:
        # Not a threading.Event: Kopf would wait for it in a thread that nothing can end.
        flag = asyncio.Event()
        loop = asyncio.get_running_loop()
        self._stop = partial(loop.call_soon_threadsafe, flag.set)
        if self._stopping.is_set():
            return
        # Kopf names itself after the user, and a container's numeric user has no name.
        os.environ.setdefault("POD_ID", socket.gethostname())
        await kopf.operator(
            registry=self._registry,
            settings=watching_settings(),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            stop_flag=flag,
        )
