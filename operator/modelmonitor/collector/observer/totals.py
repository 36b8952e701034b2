"""Counts since the observer's start, for `/metrics`; panes start from zero each interval."""

from collections import Counter
from dataclasses import dataclass, field

from modelmonitor.core.latency import LatencyCounter


@dataclass(kw_only=True)
class Totals:
    """What Prometheus reads; every field only grows."""

    codes: Counter[str] = field(default_factory=Counter)
    latency: LatencyCounter = field(default_factory=LatencyCounter)
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
