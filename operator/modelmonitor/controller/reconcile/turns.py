"""Whose restart is under way: one workload at a time in the whole cluster.

Held in memory by the only controller that leads; the statuses say the same, and fill it before any
pass runs.
"""

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.controller.reconcile.objects import Key
from modelmonitor.core.injection.restart import LONGEST_RESTART, is_under_way
from modelmonitor.core.times import parse_time


class Turns:
    """The monitors whose restart has begun and not ended."""

    def __init__(self) -> None:
        self._begun: dict[Key, float] = {}
        """Monitor → when its restart was decided, seconds since the epoch."""

    def note(self, key: Key, monitor: ModelMonitor | None) -> None:
        """Take note of what a monitor's status says; None: the monitor is gone."""
        restart = None if monitor is None else monitor.status.restart
        if monitor is None or restart is None or not is_under_way(restart, monitor.metadata.uid):
            self._begun.pop(key, None)
        else:
            self._begun[key] = parse_time(restart.requested_at)

    def has(self, key: Key) -> bool:
        """Return whether it is this monitor's turn."""
        return key in self._begun

    def is_taken(self, key: Key, now: float) -> bool:
        """Return whether another monitor's restart is under way.

        One that nobody looks at any more, because its monitor came into conflict with another one,
        holds nobody up for ever.
        """
        return any(
            other != key and now - begun <= LONGEST_RESTART for other, begun in self._begun.items()
        )

    def take(self, key: Key, now: float) -> bool:
        """Take the turn and return True, or return False while it is another one's."""
        if self.is_taken(key, now):
            return False
        self._begun[key] = now
        return True
