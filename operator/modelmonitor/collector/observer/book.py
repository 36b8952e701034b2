"""The open pane: when it begins and ends, and under which configuration it counts.

Time here is the splice's: a pane ends when the records have passed its end, so an observer that
lags behind puts every exchange into the pane of its response all the same. Ends are multiples of
the interval on the wall clock, read anew with every pane, so that corrections of that clock are
followed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from modelmonitor.collector.observer.clock import Clock
from modelmonitor.collector.observer.tally import Tally
from modelmonitor.core.wire.configuration import CollectorConfiguration, configuration_digest
from modelmonitor.core.wire.pane import Pane

DEFAULT_INTERVAL: Final = 60.0
"""Seconds, until a configuration says otherwise."""
LONGEST_LEAP: Final = 7200.0
"""Seconds of silence that are still filled with panes; retention keeps no more."""

_ROUNDING: Final = 1e-6


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What is the same in every pane of this process."""

    monitor_uid: str
    pod_uid: str
    revision: str
    boot_id: str


@dataclass(kw_only=True)
class _Span:
    """The open pane's time."""

    start: float
    """Wall seconds; so are the others but `end_monotonic`."""
    end: float
    end_monotonic: float
    gap: float


class PaneBook:
    """Keeps one pane open and closes it in time.

    Parameters
    ----------
    identity
        Who counts.
    clock
        Both clocks.
    closed
        Takes each pane that is over.
    configuration
        The one in force at the start, if any.
    replaces
        An observer before this one died: what it had counted in the current interval is lost, so
        the first pane has a gap.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        clock: Clock,
        closed: Callable[[Pane], None],
        configuration: CollectorConfiguration | None,
        replaces: bool,
    ) -> None:
        self._identity = identity
        self._clock = clock
        self._closed = closed
        self._sequence = 0
        self.ended = False
        """The final pane is closed; nothing is counted any more."""
        self.pending: CollectorConfiguration | None = None
        """A configuration that takes effect with the next pane."""
        self._configure(configuration)
        self.tally = Tally(configuration)
        self._span = self._open(clock.monotonic())
        if replaces:
            self._span.gap = self._wall(clock.monotonic()) - self._span.start

    @property
    def configuration(self) -> CollectorConfiguration | None:
        """The configuration in force."""
        return self._configuration

    @property
    def digest(self) -> str:
        """Its digest; empty: none."""
        return self._digest

    @property
    def boot_id(self) -> str:
        """The name of this process's panes."""
        return self._identity.boot_id

    @property
    def last_sequence(self) -> int:
        """The number of the pane that was closed last; 0: none."""
        return self._sequence

    @property
    def due(self) -> float:
        """When the open pane ends, in monotonic seconds; before, `advance` does nothing."""
        return math.inf if self.ended else self._span.end_monotonic

    def advance(self, monotonic: float) -> None:
        """Close every pane that has ended by this time, in monotonic seconds."""
        if self.ended or monotonic < self._span.end_monotonic:
            return
        if monotonic - self._span.end_monotonic > LONGEST_LEAP:
            self._close(end=self._span.end)
            self._take_pending()
            self._span = self._open(monotonic)
            return
        while monotonic >= self._span.end_monotonic:
            before = self._span
            self._close(end=before.end)
            self._take_pending()
            self._span = self._open(before.end_monotonic, after=before.end)

    def apply(self, configuration: CollectorConfiguration, monotonic: float) -> None:
        """Count under this configuration: from the next pane on, or at once.

        A pane never mixes two configurations. Waiting for the next pane loses nothing; where the
        interval itself changes, or nothing was configured, or copying stops or starts, the open
        pane ends now, and the next one has a gap for the time before it.
        """
        if configuration_digest(configuration) == self._digest:
            self.pending = None
            return
        current = self._configuration
        self.pending = configuration
        if (
            current is not None
            and current.interval == configuration.interval
            and current.suspended == configuration.suspended
        ):
            return
        self.advance(monotonic)
        if self.ended or self.digest == configuration_digest(configuration):
            return
        now = self._wall(monotonic)
        if not self.tally.empty:
            self._close(end=min(max(now, self._span.start), self._span.end))
        self._take_pending()
        self._span = self._open(monotonic)
        self._span.gap = max(0.0, now - self._span.start)

    def end(self, monotonic: float) -> None:
        """Close the open pane as the last one."""
        self.advance(monotonic)
        if not self.ended:
            now = self._wall(monotonic)
            self._close(end=min(max(now, self._span.start), self._span.end), final=True)
            self.ended = True

    def _wall(self, monotonic: float) -> float:
        return monotonic + self._clock.wall() - self._clock.monotonic()

    def _open(self, monotonic: float, after: float | None = None) -> _Span:
        """Return the span that begins now; `after` is the end of the one before it."""
        self.tally = Tally(self._configuration)
        interval = self._interval
        wall = self._wall(monotonic)
        start = math.floor(wall / interval + _ROUNDING) * interval
        if after is not None and start < after <= start + interval + _ROUNDING:
            # The wall clock went back a little: no interval gets two panes.
            start = math.floor(after / interval + _ROUNDING) * interval
        end = start + interval
        return _Span(start=start, end=end, end_monotonic=monotonic + end - wall, gap=0.0)

    def _configure(self, configuration: CollectorConfiguration | None) -> None:
        self._configuration = configuration
        self._digest = configuration_digest(configuration) if configuration else ""
        self._interval = configuration.interval if configuration else DEFAULT_INTERVAL

    def _take_pending(self) -> None:
        if self.pending is not None:
            self._configure(self.pending)
            self.pending = None

    def _close(self, *, end: float, final: bool = False) -> None:
        self._sequence += 1
        tally, configuration = self.tally, self._configuration
        unreadable = min(tally.unreadable, tally.copied)
        decodes = configuration is not None and bool(configuration.columns)
        self._closed(
            Pane(
                monitorUID=configuration.monitorUID
                if configuration
                else self._identity.monitor_uid,
                podUID=self._identity.pod_uid,
                bootID=self._identity.boot_id,
                seq=self._sequence,
                start=self._span.start,
                end=end,
                interval=self._interval,
                final=final,
                configDigest=self._digest,
                baselineDigest=configuration.baselineDigest if configuration and decodes else "",
                model=(configuration.model if configuration else "") or tally.model,
                modelVersion=tally.version,
                revision=self._identity.revision,
                forwardedBytes=tally.forwarded,
                copiedBytes=tally.copied - unreadable,
                droppedBytes=tally.dropped + unreadable,
                observerGapSeconds=self._span.gap,
                requests=tally.requests(),
                latency=tally.latency(),
                columns=tally.columns(),
                generation=tally.generation(),
                **tally.parts(),
            )
        )
