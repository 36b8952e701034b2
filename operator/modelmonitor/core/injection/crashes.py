"""How often collectors restarted lately: the kubelet only says how often they ever did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from modelmonitor.core.injection.pods import PodView

RESTART_WINDOW: Final = 300.0
"""Seconds over which restarts of a collector are counted."""


@dataclass(frozen=True, slots=True)
class RestartLog:
    """When collectors' restart counts were seen to change; kept in memory between passes."""

    seen: Mapping[str, tuple[tuple[float, int], ...]] = field(default_factory=dict)
    """Pod UID → (seconds since the epoch, restart count), oldest first."""

    def observe(self, pods: Sequence[PodView], now: float) -> "RestartLog":
        """Return the log with what is seen now; pods that are gone are forgotten."""
        return RestartLog(
            {
                pod.uid: self._entries(pod, pod.collector.restarts, now)
                for pod in pods
                if pod.collector is not None
            }
        )

    def recent(self, pod: PodView) -> int:
        """Return how often the pod's collector restarted within RESTART_WINDOW."""
        entries = self.seen.get(pod.uid, ())
        return entries[-1][1] - entries[0][1] if entries else 0

    def _entries(self, pod: PodView, restarts: int, now: float) -> tuple[tuple[float, int], ...]:
        known = self.seen.get(pod.uid)
        if known is None:
            young = now - pod.created <= RESTART_WINDOW
            known = ((pod.created, 0),) if young else ((now, restarts),)
        entries = known if known[-1][1] == restarts else (*known, (now, restarts))
        # The last entry before the window says with how many restarts the window began.
        begin = now - RESTART_WINDOW
        expired = sum(moment < begin for moment, _ in entries)
        return entries[max(0, expired - 1) :]
