"""Counts since the observer's start, for `/metrics`; panes start from zero each interval."""

from dataclasses import dataclass, replace

from modelmonitor.core.judging.codes import by_class
from modelmonitor.core.pane.panes import NOTHING, Traffic, traffic_of
from modelmonitor.core.wire.pane import Pane


@dataclass(kw_only=True)
class Totals:
    """What Prometheus reads; every field only grows."""

    traffic: Traffic = NOTHING
    """Of closed panes; the open one has its own. Codes are by class."""
    other_models: int = 0
    """Requests for models that this monitor does not watch."""
    rows: int = 0
    forwarded: int = 0
    copied: int = 0
    dropped: int = 0
    unreadable: int = 0
    """Copied bytes of connections that do not speak HTTP."""
    panes: int = 0
    """Closed panes."""

    def add_pane(self, pane: Pane) -> None:
        """Add a pane that was closed."""
        self.panes += 1
        traffic = traffic_of([pane])
        self.traffic += replace(traffic, codes=by_class(traffic.codes))
