"""From Kopf's thread into ours: what changed becomes a key in the queue (`handlers.Wakeups`)."""

import asyncio

from modelmonitor.controller.application import Application
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.core.injection.workloads import Workload


class ThreadsafeWakeups:
    """Hands every wake-up over to the loop of the application."""

    def __init__(self, application: Application, loop: asyncio.AbstractEventLoop) -> None:
        self._application = application
        self._loop = loop

    def monitor(self, namespace: str, name: str, fingerprint: tuple[str, ...]) -> None:
        """See `Wakeups.monitor`."""
        self._loop.call_soon_threadsafe(
            self._application.monitor_changed, Key(namespace, name), fingerprint
        )

    def pod(self, namespace: str, monitor: str) -> None:
        """See `Wakeups.pod`."""
        self._add(namespace, monitor)

    def job(self, namespace: str, monitor: str) -> None:
        """See `Wakeups.job`."""
        self._add(namespace, monitor)

    def workload(self, namespace: str, kind: str, name: str) -> None:
        """See `Wakeups.workload`."""
        self._loop.call_soon_threadsafe(
            self._application.workload_changed, namespace, Workload(kind, name)
        )

    def _add(self, namespace: str, monitor: str) -> None:
        if monitor:
            self._loop.call_soon_threadsafe(self._application.queue.add, Key(namespace, monitor))
