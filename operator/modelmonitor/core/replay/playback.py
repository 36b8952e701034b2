"""Replaying history: panes of the past in, what the operator would have said of every tick out.

A replay judges with `evaluation.evaluate` and `alert.advance`, as the controller does, and keeps as
many ticks as the controller would; so what alarms here would have alarmed there. What rows of the
past cannot tell (how long answers took, which requests failed) is named and left out.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import msgspec

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.metrics import DATA_TYPES, Metric, MetricType
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.core.acting.alert import UNKNOWN_AFTER_TICKS, AlertRecord, Timing, advance
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.drift.evidence import NO_EVIDENCE, Evidence
from modelmonitor.core.judging.evaluation import evaluate, lookback
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.replay.track import Track, TrackKeeper
from modelmonitor.core.wire.pane import Pane, RequestCounts

REVISION: Final = "history"
"""Revision of every replayed pane: history is taken to be of one model."""
COLLECTOR: Final = "history"
"""The one collector that a replay imagines."""
MOST_TICKS: Final = 5_000_000
"""Ticks of one replay: nine years of minutes. What a user means has fewer."""

_WHY: Final = {
    MetricType.REQUEST_RATE: "rows do not say how many requests brought them",
    MetricType.LATENCY: "rows do not say how long answers took",
    MetricType.ERROR_RATIO: "rows do not say which requests failed",
}


class TooLongError(ValueError):
    """A history that spans more ticks than anybody means; the message says how many."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A metric that rows cannot tell, and why."""

    metric: Metric
    why: str


@dataclass(frozen=True, slots=True)
class History:
    """What a replay found.

    Attributes
    ----------
    interval
        Seconds of a tick.
    first, last
        Start of the first tick and end of the last, seconds since the epoch.
    ticks
        Ticks between them, those without rows included.
    filled
        Ticks with rows.
    tracks
        One per metric, in the order of the spec.
    """

    interval: float
    first: float
    last: float
    ticks: int
    filled: int
    tracks: tuple[Track, ...]

    @property
    def seconds(self) -> float:
        """Length of the history."""
        return self.last - self.first


def tellable(
    spec: ModelMonitorSpec, *, known: Collection[MetricType] = ()
) -> tuple[ModelMonitorSpec, tuple[LeftOut, ...]]:
    """Return a monitor's spec without the metrics that rows cannot tell, and what was left out.

    Parameters
    ----------
    spec
        The monitor's spec.
    known
        Types of software metrics that these rows tell nevertheless: RequestRate where every row
        was a request of its own.
    """
    told = DATA_TYPES | frozenset(known)
    kept = [metric for metric in spec.metrics if metric.type in told]
    left = [
        LeftOut(metric, _WHY.get(metric.type, "rows do not tell of it"))
        for metric in spec.metrics
        if metric.type not in told
    ]
    return spec.model_copy(update={"metrics": kept}), tuple(left)


def empty_pane(start: float, interval: float, digest: str, number: int) -> Pane:
    """Return the pane of a tick without any request."""
    return Pane(
        monitorUID=COLLECTOR,
        podUID=COLLECTOR,
        bootID=COLLECTOR,
        seq=number,
        start=start,
        end=start + interval,
        interval=interval,
        baselineDigest=digest,
        revision=REVISION,
        requests=RequestCounts(),
    )


class Replay:
    """Judges the ticks of the past one after the other.

    Parameters
    ----------
    spec
        The monitor's spec, without metrics that rows cannot tell: see `tellable`.
    profile
        The baseline.
    digest
        Its digest.
    """

    def __init__(self, spec: ModelMonitorSpec, profile: Profile, digest: str) -> None:
        self._spec = spec
        self._profile = profile
        self._digest = digest
        self._interval = parse_duration(spec.interval)
        self._kept = max(1, round(max(lookback(spec), self._interval) / self._interval))
        self._settled = self._kept + _settling(spec, self._interval)
        self._ticks: list[Tick] = []
        self._evidence: Evidence = NO_EVIDENCE
        self._records: dict[str, AlertRecord] = {}
        self._keepers = [
            TrackKeeper(metric, spec, profile, self._interval) for metric in spec.metrics
        ]
        self._first = self._number = -1
        self._filled = 0

    def add(self, pane: Pane) -> None:
        """Judge the tick of a pane, and before it those without rows since the last one.

        Parameters
        ----------
        pane
            Of `REVISION` and of this baseline; later than every pane before.

        Raises
        ------
        ValueError
            If it is not later.
        TooLongError
            If it is so much later than the first that the times cannot be meant.
        """
        number = round(pane.start / self._interval)
        if self._number < 0:
            self._first = number
        elif number <= self._number:
            raise ValueError("panes must come in the order of time, one of each tick")
        elif number - self._first > MOST_TICKS:
            raise TooLongError(
                f"from the first row to the last there are more than {MOST_TICKS:,} ticks of "
                f"{self._interval:g} s"
            )
        else:
            self._pass_silence(self._number + 1, number)
        self._judge(number, pane)
        self._filled += 1

    def history(self) -> History:
        """Return what was found so far."""
        return History(
            interval=self._interval,
            first=self._first * self._interval,
            last=(self._number + 1) * self._interval,
            ticks=self._number + 1 - self._first,
            filled=self._filled,
            tracks=tuple(keeper.track() for keeper in self._keepers),
        )

    def _pass_silence(self, begin: int, end: int) -> None:
        """Judge the ticks without rows from `begin` up to `end`.

        Once every window is empty and every alert has settled, one silent tick is as the next: of a
        long silence only the beginning is judged, and the rest is counted.
        """
        judged = min(end, begin + self._settled)
        for number in range(begin, judged):
            self._judge(number, self._silent(number))
        if judged == end:
            return
        self._records = {
            name: _later(record, end - judged) for name, record in self._records.items()
        }
        for keeper in self._keepers:
            keeper.skip(end - judged)
        first = max(judged, end - self._kept)
        self._ticks = [self._tick(each, self._silent(each)) for each in range(first, end)]
        self._number = end - 1

    def _judge(self, number: int, pane: Pane) -> None:
        self._ticks.append(self._tick(number, pane))
        del self._ticks[: -self._kept]
        found = evaluate(self._spec, self._profile, self._digest, self._ticks, self._evidence)
        self._evidence, self._number = found.evidence, number
        end = (number + 1) * self._interval
        for keeper, verdict in zip(self._keepers, found.verdicts, strict=True):
            before = self._records.get(keeper.metric.name)
            after = advance(before, verdict, keeper.metric, end)
            self._records[keeper.metric.name] = after
            keeper.add(verdict, before, after, end, self._evidence)

    def _tick(self, number: int, pane: Pane) -> Tick:
        return Tick(
            start=number * self._interval,
            interval=self._interval,
            panes=(pane,),
            expected=1,
            answered=1,
            replicas_wanted=1,
            judged_revision=REVISION,
        )

    def _silent(self, number: int) -> Pane:
        return empty_pane(number * self._interval, self._interval, self._digest, number + 1)


def _settling(spec: ModelMonitorSpec, interval: float) -> int:
    """Return how many ticks after its last window emptied a metric's alert may still change."""
    waits = [max(Timing.of(metric).pending_for, 0.0) for metric in spec.metrics]
    return UNKNOWN_AFTER_TICKS + 1 + math.ceil(max(waits, default=0.0) / interval)


def _later(record: AlertRecord, ticks: int) -> AlertRecord:
    """Return a settled record after more silent ticks."""
    return msgspec.structs.replace(record, unknown_ticks=record.unknown_ticks + ticks)
