"""What collectors counted since the controller began to lead: exact totals, for people.

Nothing is judged by them; that is done by ticks. A pane enters once, when it is taken.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from modelmonitor.core.pane.soundness import LARGEST_COUNT
from modelmonitor.core.wire.pane import Pane

RECENT: Final = 10_000
"""Decoded requests after which what a port's traffic was taken for is halved: a server that speaks
another protocol now is recognised after some thousand requests, and a few odd ones change nothing.
"""
MAX_PROTOCOLS: Final = 32
"""Pairs of port and protocol that are remembered; panes may name any."""
MAX_NAME: Final = 64
MAX_WORDS: Final = 128
SMALL_SHARE: Final = 0.01
"""A protocol below this share of a port's requests is not named."""


@dataclass
class Recognised:
    """What the requests of each port were lately taken for."""

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    """Port name and protocol → decoded requests, older ones for less."""

    def add(self, pane: Pane) -> None:
        """Take note of what a pane says; a pair too many is passed over."""
        for text, count in pane.requests.protocols.items():
            port, _, protocol = text.partition("/")
            key = (port, protocol)
            known = key in self.counts or len(self.counts) < MAX_PROTOCOLS
            if known and protocol and len(text) <= MAX_NAME and 0 < count <= LARGEST_COUNT:
                self.counts[key] = self.counts.get(key, 0) + count
        while sum(self.counts.values()) > RECENT:
            self.counts = {key: count // 2 for key, count in self.counts.items() if count > 1}

    def of_port(self, port: str) -> tuple[tuple[str, float], ...]:
        """Return protocols of a port and their shares, 0 to 1, the largest first."""
        mine = {protocol: count for (name, protocol), count in self.counts.items() if name == port}
        whole = sum(mine.values())
        named = [
            (protocol, count / whole)
            for protocol, count in mine.items()
            if count >= SMALL_SHARE * whole
        ]
        return tuple(sorted(named, key=lambda each: (-each[1], each[0])))

    def in_words(self, ports: Sequence[str]) -> list[str]:
        """Return one text for each port that is known, such as `http: OpenInference (100%)`."""
        words = {
            port: ", ".join(f"{name} ({share:.0%})" for name, share in self.of_port(port))
            for port in ports
        }
        return [f"{port}: {text}"[:MAX_WORDS] for port, text in words.items() if text]


@dataclass
class TrafficTotals:
    """Sums over all panes that were taken."""

    requests: int = 0
    """Requests whose end was seen."""
    sampled: int = 0
    decoded: int = 0
    forwarded_bytes: int = 0
    copied_bytes: int = 0
    dropped_bytes: int = 0
    recognised: Recognised = field(default_factory=Recognised)

    def add(self, pane: Pane) -> None:
        """Add a pane."""
        self.requests += pane.requests.seen
        self.sampled += pane.requests.sampled
        self.decoded += pane.requests.decoded
        self.forwarded_bytes += pane.forwardedBytes
        self.copied_bytes += pane.copiedBytes
        self.dropped_bytes += pane.droppedBytes
        self.recognised.add(pane)
