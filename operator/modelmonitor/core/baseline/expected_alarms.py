"""How often drift would have alarmed on the baseline itself: known before a monitor is enabled.

The baseline is cut into weeks, or into days where it is shorter than two of them. Each part is
replayed, tick by tick, against a profile of all the other parts: with the detectors of
`core.drift`, the default tolerances and the whole false-alarm budget. What alarms is drift within
the baseline, or a dependence that phi did not see; either way it is what production will bring.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.metric_options import (
    ColumnGroup,
    ColumnSelector,
    DriftOptions,
    DriftTolerance,
)
from modelmonitor.api.v1alpha1.spec import DriftBudget
from modelmonitor.core.baseline.profile import ColumnProfile, ExpectedAlarms, Profile
from modelmonitor.core.baseline.profile_hours import DAYS, HOURS_OF_DAY, HOURS_OF_WEEK, pack_hours
from modelmonitor.core.baseline.seasons import hours_of_week
from modelmonitor.core.counting.columns import ColumnCells, RowCounter
from modelmonitor.core.drift.detection import apply, column_evidence
from modelmonitor.core.drift.drift_plan import envelope_for, plan_of, watched
from modelmonitor.core.drift.evidence import MetricEvidence
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.statistics.shares import shares
from modelmonitor.core.wire.pane import ColumnCounts, Pane, RequestCounts

DAY: Final = 86_400.0
WEEK: Final = 7 * DAY
INTERVALS: Final = (60.0, 300.0, 900.0, 3600.0)
"""Seconds of a tick: the shortest that times can tell, and that makes at most `MOST_TICKS`."""
MOST_TICKS: Final = 3000
"""Ticks that are replayed, give or take; each takes a millisecond or two."""
LEAST_PARTS: Final = 3
"""Parts below which the others are no baseline."""
OVER: Final = 0.01
"""An alarm is over when its evidence has fallen to this part of the alarm's level."""
DEFAULTS: Final = DriftOptions(
    columns=ColumnSelector(group=ColumnGroup.ALL),
    tolerance=DriftTolerance(warning="0.02", critical="0.05"),
)
REVISION: Final = "baseline"

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Values = NDArray[Any] | Sequence[Any]


@dataclass(frozen=True, slots=True)
class _Counted:
    """The baseline's rows by tick.

    Attributes
    ----------
    starts
        Seconds since the epoch of the ticks with rows, shape `(n_ticks,)`, increasing.
    part
        Part of each tick, shape `(n_ticks,)`.
    hour
        Hour of the week of each tick, shape `(n_ticks,)`.
    counts
        Of each tick by column.
    cells
        Column → cells of each tick, shape `(n_ticks, n_cells)`.
    """

    starts: Floats
    part: Ints
    hour: Ints
    counts: Sequence[Mapping[str, ColumnCounts]]
    cells: Mapping[str, Ints]


def expected_alarms(
    profile: Profile, table: Mapping[str, Values], times: Floats
) -> ExpectedAlarms | None:
    """Return the alarms a week that drift would have raised on the baseline's own rows.

    Parameters
    ----------
    profile
        As built of these rows.
    table
        Column → values, all of one length `n_rows`, as the profile was built of.
    times
        Seconds since the epoch of each row, shape `(n_rows,)`.

    Returns
    -------
    ExpectedAlarms
        None where the rows span less than three days, or no column can be watched.
    """
    length = WEEK if np.ptp(times) >= LEAST_PARTS * WEEK else DAY
    if np.ptp(times) < LEAST_PARTS * DAY or not watched(profile, DEFAULTS):
        return None
    interval = interval_of(times)
    counted = _count(profile, table, times, interval, length)
    alarms: Counter[Level] = Counter()
    culprits: Counter[str] = Counter()
    parts = np.unique(counted.part)
    for part in parts:
        for level, names in _alarms(profile, counted, int(part), interval):
            alarms[level] += 1
            culprits.update(names)
    span = float(counted.starts[-1] - counted.starts[0]) + interval
    return ExpectedAlarms(
        interval=interval,
        days=round(span / DAY, 2),
        warning=round(alarms[Level.WARNING] * WEEK / span, 3),
        critical=round(alarms[Level.CRITICAL] * WEEK / span, 3),
        columns=[name for name, _ in culprits.most_common()],
    )


def interval_of(times: Floats) -> float:
    """Return the seconds of the ticks by which a baseline is replayed."""
    steps = np.diff(np.unique(times))
    least = max(float(steps.min(initial=np.inf)), float(np.ptp(times)) / MOST_TICKS)
    return next((each for each in INTERVALS if each >= least), INTERVALS[-1])


def _count(
    profile: Profile, table: Mapping[str, Values], times: Floats, interval: float, length: float
) -> _Counted:
    columns = [column for column in profile.columns if column.name in table and column.cells]
    counted = [
        ColumnCells(kind=column.kind, cuts=column.cuts, categories=column.categories)
        for column in columns
    ]
    order = np.argsort(times, kind="stable")
    ordered = [_in_order(table[column.name], order) for column in columns]
    numbers = np.floor(times[order] / interval).astype(np.int64)
    first = np.flatnonzero(np.r_[True, np.diff(numbers) != 0])
    counts = []
    for start, end in pairwise([*first.tolist(), numbers.size]):
        counter = RowCounter(counted)
        counter.add([values[start:end] for values in ordered], end - start)
        counts.append({column.name: counter.counts(at) for at, column in enumerate(columns)})
    starts: Floats = numbers[first].astype(np.float64) * interval
    return _Counted(
        starts=starts,
        part=np.floor((starts - starts[0]) / length).astype(np.int64),
        hour=hours_of_week(starts, profile.timeZone),
        counts=counts,
        cells={
            column.name: np.array([each[column.name].cells for each in counts], np.int64)
            for column in columns
        },
    )


def _in_order(values: Values, order: Ints) -> Values:
    if isinstance(values, np.ndarray):
        return values[order]
    return [values[place] for place in order.tolist()]


def _alarms(
    profile: Profile, counted: _Counted, part: int, interval: float
) -> Iterator[tuple[Level, list[str]]]:
    """Yield the alarms of one part, replayed against the others: severity and columns."""
    others = _without(profile, counted, part, interval)
    if not watched(others, DEFAULTS):
        return
    seasonality = Seasonality(others.seasonality)
    mine = watched(others, DEFAULTS)
    plan = plan_of(others, DEFAULTS, DriftBudget(), interval, len(mine), seasonality)
    reference = Reference(others, REVISION, REVISION)
    evidence = MetricEvidence(key=REVISION)
    firing: set[Level] = set()
    for place in np.flatnonzero(counted.part == part).tolist():
        tick = _tick(counted, place, interval)
        evidence = apply(plan, reference, [tick], evidence)
        for level, found in column_evidence(plan, evidence).items():
            strength = found / plan.alarm[level]
            if level in firing and strength.max(initial=0.0) <= OVER:
                firing.remove(level)
            elif level not in firing and strength.max(initial=0.0) >= 1:
                firing.add(level)
                yield level, [mine[at].name for at in np.flatnonzero(strength >= 1)]


def _tick(counted: _Counted, place: int, interval: float) -> Tick:
    start, columns = float(counted.starts[place]), counted.counts[place]
    rows = max(each.rows for each in columns.values())
    pane = Pane(
        monitorUID=REVISION,
        podUID=REVISION,
        bootID=REVISION,
        seq=place + 1,
        start=start,
        end=start + interval,
        interval=interval,
        baselineDigest=REVISION,
        revision=REVISION,
        requests=RequestCounts(seen=rows, sampled=rows, decoded=rows),
        columns=dict(columns),
    )
    return Tick(
        start=start,
        interval=interval,
        panes=(pane,),
        expected=1,
        answered=1,
        replicas_wanted=1,
        judged_revision=REVISION,
    )


def _without(profile: Profile, counted: _Counted, part: int, interval: float) -> Profile:
    """Return the profile of all rows but one part's: counts, hours and envelopes; phi stays."""
    others = counted.part != part
    columns = [
        _column_without(column, counted, others, interval)
        if column.name in counted.cells
        else msgspec.structs.replace(
            column, cells=[0] * len(column.cells), hours=None, envelopes=[]
        )
        for column in profile.columns
    ]
    return msgspec.structs.replace(profile, columns=columns)


def _column_without(
    column: ColumnProfile, counted: _Counted, others: NDArray[np.bool_], interval: float
) -> ColumnProfile:
    cells = counted.cells[column.name][others]
    hours, envelope = column.hours, envelope_for(column, interval)
    if hours is not None:
        by_hour = np.zeros((HOURS_OF_WEEK, cells.shape[1]), np.int64)
        np.add.at(by_hour, counted.hour[others], cells)
        packed = pack_hours(by_hour, 2 * by_hour.size + HOURS_OF_DAY * DAYS * 8 + 1024)
        hours = None if packed is None else msgspec.structs.replace(hours, packed=packed)
    filled = cells[cells.sum(axis=1) > 0]
    if envelope is not None and filled.size:
        seen = shares(column.kind, filled)
        envelope = msgspec.structs.replace(
            envelope,
            seconds=interval,
            low=seen.min(axis=0).tolist(),
            high=seen.max(axis=0).tolist(),
        )
    return msgspec.structs.replace(
        column,
        rows=sum(counted.counts[at][column.name].rows for at in np.flatnonzero(others).tolist()),
        cells=cells.sum(axis=0).tolist(),
        hours=hours,
        envelopes=[] if envelope is None else [envelope],
    )
