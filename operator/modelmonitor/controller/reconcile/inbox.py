"""Panes as they come in: each is taken once, and only if it can be what it says it is."""

from collections.abc import Iterable
from typing import Final

import msgspec

from modelmonitor.controller.gateways.collectors import Cursor
from modelmonitor.controller.reconcile.belief import believable
from modelmonitor.core.wire.pane import Pane

REMEMBERED: Final = 3 * 3600.0
"""Seconds for which the boot of a collector is remembered; it keeps panes for two hours."""
MAX_REMEMBERED: Final = 4096
"""Boots at most; beyond that the oldest are forgotten."""


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
        self.rejected = 0
        """Panes that could not be what they said."""

    def take(self, panes: Iterable[Pane], *, monitor: str, pod: str, now: float) -> int:
        """Take the panes that are new and believable; return how many were.

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
            if not believable(pane, monitor=monitor, pod=pod, now=now):
                self.rejected += 1
                continue
            self.note(pane)
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
        return waiting

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

    def _is_known(self, pane: Pane) -> bool:
        boot = self.applied.get(pane.bootID)
        return boot is not None and pane.seq <= boot.seq
