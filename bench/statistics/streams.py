"""Real streams: what the shipped defaults say of them, and when.

Rows become panes, panes ticks, ticks verdicts, as in the controller. A verdict on drift needs 200
rows within an hour, which none of these sets has: time is made to pass faster, the order of rows
stays. Beside them stand drifts of four kinds that are injected into real data.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np

from bench.report import Bar, Bound, table
from bench.statistics import stream_data
from bench.statistics.injected import injected
from bench.statistics.laws import Ints
from bench.statistics.ours import Watch, spec_of
from bench.statistics.scale import Scale
from bench.statistics.stream_data import HOUR, Stream, hurried
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.counting.columns import ColumnCounter
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from modelmonitor.core.wire.pane import ColumnCounts

WEEK: Final = 7 * 24 * HOUR
RAINFALL_BASELINE: Final = 3000
RAINFALL_CHANGE: Final = 12_000
BIKESHARE_BASELINE: Final = 84 * 24
SHUTTLE_BASELINE: Final = 10_000
SHORTEST: Final = 2500
"""Points of an annotated series of which a fifth makes a baseline."""
NEAR: Final = 0.05
"""Part of an annotated series that an alarm may be away from a change point."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Told:
    """What was said of one stream.

    Attributes
    ----------
    verdicts
        One a tick.
    rows
        Place of each tick's first row in the stream.
    """

    verdicts: Sequence[Verdict]
    rows: Ints

    def ticks(self, *levels: Level) -> Ints:
        """Return the ticks that breach with one of these severities."""
        return np.array(
            [
                number
                for number, each in enumerate(self.verdicts)
                if each.outcome is Outcome.BREACH and each.level in levels
            ],
            np.int64,
        )

    def unknown(self) -> int:
        """Return how many ticks could not be judged."""
        return sum(each.outcome is Outcome.UNKNOWN for each in self.verdicts)


def measure(scale: Scale) -> Iterator[Bar]:
    """Yield a bar for every stream."""
    yield from _rainfall()
    yield from _bikeshare()
    yield from _shuttle()
    yield from _flights()
    yield from _annotated()
    yield from injected(scale)


def watched(baseline: Stream, live: Stream, interval: float) -> Told:
    """Return what the defaults say of a stream, tick by tick; the interval is in seconds."""
    profile = build_profile(baseline.table, times=baseline.times)
    begins = live.times[0] // interval * interval
    tick = ((live.times - begins) // interval).astype(np.int64)
    watch = Watch(spec_of(interval), profile, begins, interval)
    starts = np.searchsorted(tick, np.arange(tick[-1] + 2))
    verdicts = [
        watch.see([counts_of(profile, live, first, end)])
        for first, end in pairwise(starts.tolist())
    ]
    return Told(verdicts=verdicts, rows=starts[:-1].astype(np.int64))


def counts_of(profile: Profile, live: Stream, first: int, end: int) -> list[ColumnCounts]:
    """Return what a collector counts of some rows."""
    found = []
    for column in profile.columns:
        counter = ColumnCounter(column.kind, cuts=column.cuts, categories=column.categories)
        counter.add(np.asarray(live.table[column.name])[first:end].tolist())
        found.append(counter.counts())
    return found


def _rainfall() -> Iterator[Bar]:
    stream, interval = stream_data.rainfall(), HOUR / 5
    # What moves between the first rows and the change is real, too: weather of other years. So the
    # change is looked for against the rows right before it as well.
    for name, first in (("first-rows", 0), ("rows-before", RAINFALL_CHANGE - 6000)):
        begins = first + RAINFALL_BASELINE
        found = watched(
            stream.taken(slice(first, begins)), stream.taken(slice(begins, None)), interval
        )
        rows = found.rows + begins
        critical = rows[found.ticks(Level.CRITICAL)]
        before, after = critical[critical < RAINFALL_CHANGE], critical[critical >= RAINFALL_CHANGE]
        yield Bar(
            name=f"streams.rainfall.{name}.delay",
            unit="rows",
            ours=float(after[0] + 50 - RAINFALL_CHANGE) if after.size else math.inf,
            bound=Bound(of="ours", operator="<=", limit=500),
            notes=(
                f"ticks-critical-before={before.size}/{(rows < RAINFALL_CHANGE).sum()}",
                f"unknown={found.unknown()}/{rows.size}",
            ),
        )


def _bikeshare() -> Iterator[Bar]:
    stream = stream_data.bikeshare()
    baseline, live = (
        stream.taken(slice(0, BIKESHARE_BASELINE)),
        stream.taken(slice(BIKESHARE_BASELINE, None)),
    )
    found = watched(baseline, live, HOUR / 10)
    critical = found.ticks(Level.CRITICAL)
    yield Bar(
        name="streams.bikeshare.fires",
        unit="days",
        ours=float(critical[0] + 1) if critical.size else math.inf,
        bound=Bound(of="ours", operator="<=", limit=60),
        notes=(f"days-critical={critical.size}/{len(found.verdicts)}",),
    )
    last = int(critical[-1]) if critical.size else len(found.verdicts)
    yield Bar(
        name="streams.bikeshare.days-without-alarm-at-the-end",
        unit="days",
        ours=float(max(0, len(found.verdicts) - 1 - last)),
        bound=Bound(of="ours", operator=">=", limit=1),
        notes=(f"last-critical-day={last}/{len(found.verdicts)}",),
    )


def _shuttle() -> Iterator[Bar]:
    stream = stream_data.shuttle()
    found = watched(
        stream.taken(slice(0, SHUTTLE_BASELINE)), stream.taken(slice(SHUTTLE_BASELINE, None)), HOUR
    )
    yield Bar(
        name="streams.shuttle.alarms",
        ours=float(found.ticks(Level.CRITICAL, Level.WARNING).size),
        bound=Bound(of="ours", operator="<=", limit=0),
        notes=(f"ticks={len(found.verdicts)}", f"unknown={found.unknown()}"),
    )


def _flights() -> Iterator[Bar]:
    # A day of flights counts as an hour, and is a tick.
    stream = stream_data.flights()
    march, july, august = np.searchsorted(stream.times, [_month(number) for number in (3, 7, 8)])
    fast = hurried(stream, 24.0)
    winter, summer = fast.taken(slice(0, march)), fast.taken(slice(july, august))
    weeks = ((stream.times[:march] - stream.times[0]) // WEEK).astype(np.int64)
    told = [
        watched(winter.taken(weeks != week), winter.taken(weeks == week), HOUR)
        for week in np.unique(weeks)
    ]
    yield Bar(
        name="streams.nycflights.winter-against-itself",
        unit="days",
        ours=float(sum(each.ticks(Level.CRITICAL).size for each in told)),
        bound=Bound(of="ours", operator="<=", limit=0),
        notes=(
            f"days-warning={sum(each.ticks(Level.WARNING).size for each in told)}",
            f"days={sum(len(each.verdicts) for each in told)}",
        ),
    )
    found = watched(winter, summer, HOUR)
    alarms = found.ticks(Level.CRITICAL)
    yield Bar(
        name="streams.nycflights.july-delay",
        unit="days",
        ours=float(alarms[0] + 1) if alarms.size else math.inf,
        bound=Bound(of="ours", operator="<=", limit=2),
        notes=(
            f"days-critical={alarms.size}/{len(found.verdicts)}",
            f"says={_columns_named(found, alarms)}",
        ),
    )


def _columns_named(found: Told, alarms: Ints) -> str:
    """Return the columns that the first alarm is about, without blanks."""
    if not alarms.size:
        return "-"
    findings = found.verdicts[int(alarms[0])].findings
    return ",".join(each.column.replace(" ", "-") for each in findings[:3])


def _annotated() -> Iterator[Bar]:
    """Print what is found of change points that people marked; there is no bar to hold.

    A fifth of the series is the baseline, and alarms are counted where they begin. The series are
    prices, paces and passengers: not what a monitor of models is for, and most are too short.
    """
    lines = []
    for name in stream_data.ANNOTATED:
        series, marks = stream_data.annotated(name)
        size = len(series)
        if size < SHORTEST:
            lines.append((name, str(size), "too short", "-"))
            continue
        times = stream_data.BEGINS + np.arange(size, dtype=np.float64) * (HOUR / 250)
        columns = {f"c{place}": series[:, place] for place in range(series.shape[1])}
        stream, baseline = Stream(table=columns, times=times), size // 250 // 5 * 250
        found = watched(
            stream.taken(slice(0, baseline)), stream.taken(slice(baseline, None)), HOUR / 5
        )
        alarms = found.ticks(Level.CRITICAL, Level.WARNING)
        begins = alarms[np.diff(alarms, prepend=-2) > 1]
        scores = [
            agreement(
                found.rows[begins] + baseline, np.array(each)[np.array(each) >= baseline], size
            )
            if each
            else float(not begins.size)
            for each in marks.values()
        ]
        lines.append((name, str(size), str(begins.size), f"{np.mean(scores):.2f}"))
    head = ["series", "points", "episodes", "F1, mean of annotators"]
    print(table("change points that people marked", head, lines), flush=True)
    yield from ()


def agreement(found: Ints, marks: Ints, size: int) -> float:
    """Return F1 of episodes and marks; those that are not far apart in the series agree."""
    if not found.size or not marks.size:
        return float(found.size == marks.size)
    near = np.abs(found[:, None] - marks) <= NEAR * size
    precision, recall = near.any(axis=1).mean(), near.any(axis=0).mean()
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _month(number: int) -> float:
    return datetime(2013, number, 1, tzinfo=UTC).timestamp()
