"""Whose restart is under way: one workload at a time in the whole cluster.

Held in memory by the only controller that leads; the statuses say the same, and fill it before any
pass runs.
"""

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.core.restart import is_under_way


class Turns:
    """The monitors whose restart has begun and not ended."""

    def __init__(self) -> None:
        self._under_way: set[Key] = set()

    def note(self, key: Key, monitor: ModelMonitor | None) -> None:
        """Take note of what a monitor's status says; None: the monitor is gone."""
        if monitor is not None and is_under_way(monitor.status.restart, monitor.metadata.uid):
            self._under_way.add(key)
        else:
            self._under_way.discard(key)

    def has(self, key: Key) -> bool:
        """Return whether it is this monitor's turn."""
        return key in self._under_way

    def take(self, key: Key) -> Key | None:
        """Take the turn, or return whose it is."""
        other = next((each for each in self._under_way if each != key), None)
        if other is None:
            self._under_way.add(key)
        return other
