"""Counts since the observer's start, for `/metrics`; panes start from zero each interval."""

from collections import Counter
from dataclasses import dataclass, field

from modelmonitor.core.latency import merge
from modelmonitor.core.wire.pane import LATENCY_RESPONSE, LatencyCounts, Pane


@dataclass(kw_only=True)
class Totals:
    """What Prometheus reads; every field only grows."""

    codes: Counter[str] = field(default_factory=Counter)
    latency: LatencyCounts = field(default_factory=LatencyCounts)
    """Of closed panes; the open one has its own."""
    other_models: int = 0
    """Requests for models that this monitor does not watch."""
    decoded: int = 0
    undecodable: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    forwarded: int = 0
    copied: int = 0
    dropped: int = 0
    unreadable: int = 0
    """Copied bytes of connections that do not speak HTTP/1.1."""
    panes: int = 0
    """Closed panes."""

    def add_pane(self, pane: Pane) -> None:
        """Add a pane that was closed."""
        self.panes += 1
        counted = pane.latency.get(LATENCY_RESPONSE)
        if counted is not None:
            self.latency = merge([self.latency, counted])
