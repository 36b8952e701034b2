"""Ticks and windows: which panes a metric looks at, and whether they show enough to judge by.

A tick is all panes of one start; a window is the last ticks. Coverage is the part of the traffic
that was really observed: collectors that answered, bytes that were copied, time with an observer.
Below the floor nothing is judged.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_decimal, parse_duration
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.quality_options import DataQualityCheck
from modelmonitor.core.judging.performance_scores import ScoreTotals
from modelmonitor.core.pane.panes import ColumnTotals, Sketched, Traffic, sum_traffic, traffic_of
from modelmonitor.core.pane.soundness import is_sound
from modelmonitor.core.wire.pane import Pane, Undecodable

COVERAGE_FLOOR: Final = 0.9
"""Share of the traffic that must be observed."""
EFFECT_TICKS: Final = 8
"""Ticks over which the size of a shift is measured."""
SAMPLES_REACH: Final = 3600.0
"""Seconds that a metric without window looks back for `minSamples`."""


@dataclass(frozen=True)
class Tick:
    """All panes of one start, and who should have sent one.

    Attributes
    ----------
    start
        Seconds since the epoch, a multiple of `interval`.
    interval
        Seconds.
    panes
        Panes of this start, of every replica, revision and baseline.
    expected
        Collectors that should have answered: those of ready pods.
    answered
        Collectors that did.
    replicas_wanted
        Replicas that the target asks for; None if not known.
    judged_revision
        The revision whose rows are judged.
    """

    start: float
    interval: float
    panes: tuple[Pane, ...]
    expected: int
    answered: int
    replicas_wanted: int | None
    judged_revision: str

    @property
    def end(self) -> float:
        """Seconds since the epoch."""
        return self.start + self.interval

    # A tick is looked at again and again as part of windows: what its panes add up to is kept.
    @cached_property
    def traffic(self) -> Traffic:
        """What its panes saw on the wire, over all revisions."""
        return sum_traffic(self.traffic_by_revision.values())

    @cached_property
    def traffic_by_revision(self) -> Mapping[str, Traffic]:
        """What the panes of each revision saw on the wire."""
        found: dict[str, list[Pane]] = {}
        for pane in self.distinct:
            found.setdefault(pane.revision, []).append(pane)
        return {revision: traffic_of(panes) for revision, panes in found.items()}

    @cached_property
    def distinct(self) -> tuple[Pane, ...]:
        """Its believable panes without repetitions: (bootID, seq) names one once and for all."""
        named = {(pane.bootID, pane.seq): pane for pane in self.panes}
        return tuple(pane for pane in named.values() if is_sound(pane))

    @cached_property
    def origins(self) -> Mapping[tuple[str, str], tuple[Pane, ...]]:
        """Its panes by revision and baseline digest, within which their columns add up."""
        found: dict[tuple[str, str], list[Pane]] = {}
        for pane in self.distinct:
            found.setdefault((pane.revision, pane.baselineDigest), []).append(pane)
        return {origin: tuple(panes) for origin, panes in found.items()}

    @cached_property
    def scores(self) -> dict[tuple[str, str], ScoreTotals]:
        """What scores add up to by origin, as far as anybody asked: see `performance_window`."""
        return {}

    @cached_property
    def sums(self) -> dict[tuple[str, str], Mapping[str, ColumnTotals]]:
        """What columns add up to by origin, as far as anybody asked: see `rows.Reference`."""
        return {}

    @cached_property
    def sketches(self) -> dict[tuple[str, str, str], Sketched]:
        """Sketches by origin and column, merged as far as anybody asked: see `repetition`."""
        return {}


@dataclass(frozen=True, slots=True)
class Window:
    """The last ticks that a metric looks at, oldest first; never empty.

    Attributes
    ----------
    ticks
        The ticks.
    full
        They reach as far back as the metric wants.
    """

    ticks: tuple[Tick, ...]
    full: bool

    @property
    def seconds(self) -> float:
        """Seconds from the start of the first tick to the end of the last."""
        return self.ticks[-1].end - self.ticks[0].start

    @property
    def traffic(self) -> Traffic:
        """What the panes of all ticks saw on the wire, over all revisions."""
        return sum_traffic(tick.traffic for tick in self.ticks)


def reach(metric: Metric, interval: float) -> float:
    """Return how many seconds of ticks a metric needs at most, those that it compares with too."""
    return span(metric, interval) + (metric.previous_offset or 0.0)


def span(metric: Metric, interval: float) -> float:
    """Return how many seconds of ticks a metric's own window has at most."""
    quality, threshold = metric.data_quality, metric.threshold
    if quality is not None and quality.check is DataQualityCheck.STALENESS and threshold:
        bounds = [parse_decimal(each) for each in (threshold.warning, threshold.critical) if each]
        return max(bounds, default=0.0) + 2 * interval
    if metric.window is not None:
        return max(parse_duration(metric.window), interval)
    if metric.drift is not None:
        return max(SAMPLES_REACH, EFFECT_TICKS * interval)
    wants_samples = metric.threshold is None or metric.threshold.min_samples > 1
    return max(SAMPLES_REACH, interval) if wants_samples else interval


def window_of(metric: Metric, ticks: Sequence[Tick], samples: Callable[[Tick], int]) -> Window:
    """Return the ticks that a metric looks at.

    Parameters
    ----------
    metric
        With `window` that long; without it, the last tick, or the fewest last ticks that hold
        `minSamples`, at most an hour of them.
    ticks
        Oldest first, not empty, ending with the tick that is judged.
    samples
        Samples of this metric in a tick.
    """
    last = ticks[-1]
    earliest = last.end - span(metric, last.interval)
    near = [tick for tick in ticks if tick.start >= earliest - _slack(tick)]
    complete = near[0].start <= earliest + _slack(last)
    if metric.window is not None:
        return Window(tuple(near), complete)
    wanted = metric.threshold.min_samples if metric.threshold is not None else 1
    taken, found = 0, 0
    for tick in reversed(near):
        taken += 1
        found += samples(tick)
        if found >= wanted:
            break
    return Window(tuple(near[-taken:]), found >= wanted or complete)


def window_before(metric: Metric, ticks: Sequence[Tick]) -> Window | None:
    """Return the ticks that a metric compares its window with; None if none are there.

    Parameters are those of `window_of`; the metric compares with its previous period.
    """
    last, offset = ticks[-1], metric.previous_offset
    if offset is None:
        return None
    end = last.end - offset
    start = end - span(metric, last.interval)
    near = [
        tick
        for tick in ticks
        if tick.start >= start - _slack(tick) and tick.end <= end + _slack(tick)
    ]
    return Window(tuple(near), near[0].start <= start + _slack(last)) if near else None


def _slack(tick: Tick) -> float:
    """Return what rounding of floats may take from a multiple of the interval."""
    return tick.interval / 1000


def coverage(ticks: Sequence[Tick]) -> float:
    """Return the share of the traffic that was observed, 0 to 1: the mean over ticks."""
    return math.fsum(_tick_coverage(tick) for tick in ticks) / len(ticks)


def covered_share(tick: Tick) -> float:
    """Return the share of a tick's traffic that was observed and decoded, 0 to 1.

    What is dropped on the way to the observer shows twice: as bytes, and as requests whose bodies
    are incomplete. The worse of the two counts, once.
    """
    traffic = tick.traffic
    if traffic.sampled <= 0:
        return _tick_coverage(tick)
    incomplete = min(traffic.undecodable.get(Undecodable.INCOMPLETE, 0), traffic.sampled)
    complete = traffic.sampled - incomplete
    copied = min(copied_share(traffic), complete / traffic.sampled)
    decoded = min(1.0, traffic.decoded / complete) if complete else 1.0
    return _heard_share(tick) * copied * watched_share(traffic) * decoded


def _tick_coverage(tick: Tick) -> float:
    traffic = tick.traffic
    return _heard_share(tick) * copied_share(traffic) * watched_share(traffic)


def _heard_share(tick: Tick) -> float:
    if tick.expected > 0:
        return min(1.0, tick.answered / tick.expected)
    return 1.0 if tick.panes else 0.0


def copied_share(traffic: Traffic) -> float:
    """Return which part of the forwarded bytes reached the observers; 1 if there were none."""
    if traffic.forwarded_bytes <= 0:
        return 1.0
    return min(1.0, traffic.copied_bytes / traffic.forwarded_bytes)


def watched_share(traffic: Traffic) -> float:
    """Return which part of the time an observer was attached; 1 if there is no time."""
    return max(0.0, 1.0 - traffic.gap / traffic.watched) if traffic.watched > 0 else 1.0


def decoded_share(traffic: Traffic) -> float:
    """Return which part of the sampled requests became rows; 1 if none was sampled.

    A request that sampling leaves out is not undecoded: it is counted all the same, and the others
    stand for it.
    """
    return min(1.0, traffic.decoded / traffic.sampled) if traffic.sampled > 0 else 1.0


def in_percent(share: float) -> str:
    """Return a share for people, rounded down: what is below the floor never looks like it."""
    return f"{math.floor(1000 * share + 1e-9) / 10:g}%"
