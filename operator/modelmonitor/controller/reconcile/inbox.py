"""Panes as they come in: each is taken once, and only if it can be what it says it is.

How many a pod may send is bounded, because what runs in a user's pod decides how many it claims.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

import msgspec

from modelmonitor.controller.gateways.collectors import Cursor
from modelmonitor.controller.reconcile.belief import believable
from modelmonitor.core.pane.totals import TrafficTotals
from modelmonitor.core.wire.pane import Pane

REMEMBERED: Final = 3 * 3600.0
"""Seconds for which the boot of a collector is remembered; it keeps panes for two hours."""
MAX_REMEMBERED: Final = 4096
"""Boots at most; beyond that the oldest are forgotten."""
MAX_OF_POD: Final = 2048
"""Panes of one pod between two ticks. Two hours of the shortest interval, all that a collector
keeps, are 1440."""
MAX_OF_START: Final = 16
"""Panes of one process that begin at the same time, between two ticks: a change of the interval or
of suspension ends the open pane early, and the next one may begin where it began."""


class Boot(msgspec.Struct, frozen=True, kw_only=True):
    """How far one process of a collector has been read."""

    pod: str
    """UID of its pod."""
    seq: int
    """Of the last pane that was taken."""
    start: float
    """Start of that pane, seconds since the epoch."""


class Inbox:
    """The panes of one monitor that were taken and not yet judged, and how far was read."""

    def __init__(self) -> None:
        self.waiting: list[Pane] = []
        self.applied: dict[str, Boot] = {}
        self.totals = TrafficTotals()
        """Of the panes that this process took."""
        self.rejected = 0
        """Panes that could not be what they said, or were too many."""
        self._of_pod: Counter[str] = Counter()
        self._of_start: Counter[tuple[str, str, float]] = Counter()
        """Pod, boot and start → panes since the last tick."""
        self._before_waiting: dict[str, Boot | None] = {}
        """Boot ID → how far it was read before the first of its panes that wait."""

    def take(self, panes: Iterable[Pane], *, monitor: str, pod: str, now: float) -> int:
        """Take the panes that are new, believable and not too many; return how many were.

        Parameters
        ----------
        panes
            Panes of one reply, oldest first.
        monitor, pod
            UIDs that the panes must carry.
        now
            Seconds since the epoch.
        """
        taken = 0
        for pane in panes:
            if self._is_known(pane):
                continue
            if not believable(pane, monitor=monitor, pod=pod, now=now) or self._is_surplus(pane):
                self.rejected += 1
                continue
            self._of_pod[pane.podUID] += 1
            self._of_start[pane.podUID, pane.bootID, pane.start] += 1
            self._before_waiting.setdefault(pane.bootID, self.applied.get(pane.bootID))
            self.note(pane)
            self.totals.add(pane)
            self.waiting.append(pane)
            taken += 1
        return taken

    def repeat(self, panes: Iterable[Pane]) -> list[Pane]:
        """Return the panes of a stored entry that were not taken yet, and note them."""
        unknown = []
        for pane in panes:
            if not self._is_known(pane):
                self.note(pane)
                unknown.append(pane)
        return unknown

    def note(self, pane: Pane) -> None:
        """Remember that a pane was taken."""
        self.applied[pane.bootID] = Boot(pod=pane.podUID, seq=pane.seq, start=pane.start)

    def cursor(self, pod: str) -> Cursor | None:
        """Return how far a pod's collector was read, None if it never was."""
        boots = [(boot.start, boot_id) for boot_id, boot in self.applied.items() if boot.pod == pod]
        if not boots:
            return None
        boot_id = max(boots)[1]
        return Cursor(boot_id, self.applied[boot_id].seq)

    def drain(self) -> list[Pane]:
        """Return what waits and forget it; how far was read stays known."""
        waiting, self.waiting = self.waiting, []
        self._before_waiting.clear()
        return waiting

    def settled(self) -> dict[str, Boot]:
        """Return how far was read without what waits, which no checkpoint holds.

        A checkpoint that named panes which wait would have them left out when their entry is read
        again, or never pulled again.
        """
        settled = {
            boot_id: boot
            for boot_id, boot in self.applied.items()
            if boot_id not in self._before_waiting
        }
        before = self._before_waiting.items()
        return settled | {boot_id: boot for boot_id, boot in before if boot is not None}

    def next_tick(self) -> list[Pane]:
        """Return what waits, as `drain` does, and let every pod send as many panes again."""
        self._of_pod.clear()
        self._of_start.clear()
        return self.drain()

    def forget_old(self, now: float) -> None:
        """Forget boots whose panes no collector can hold any more."""
        recent = {
            boot_id: boot
            for boot_id, boot in self.applied.items()
            if boot.start >= now - REMEMBERED
        }
        if len(recent) > MAX_REMEMBERED:
            newest = sorted(recent.items(), key=lambda item: item[1].start)[-MAX_REMEMBERED:]
            recent = dict(newest)
        self.applied = recent

    def _is_surplus(self, pane: Pane) -> bool:
        start = (pane.podUID, pane.bootID, pane.start)
        return self._of_pod[pane.podUID] >= MAX_OF_POD or self._of_start[start] >= MAX_OF_START

    def _is_known(self, pane: Pane) -> bool:
        boot = self.applied.get(pane.bootID)
        return boot is not None and pane.seq <= boot.seq
