"""Counting the rows of a history as collectors would have: one pane for every tick with rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from modelmonitor.cli.simulate_rows import Batch
from modelmonitor.collector.observer.derived import DerivedCounter
from modelmonitor.collector.observer.rows import cells_for
from modelmonitor.collector.observer.watching import input_watchers, output_watchers
from modelmonitor.core.baseline.profile import ColumnRole, Profile
from modelmonitor.core.counting.columns import RowCounter, Values
from modelmonitor.core.pane.panes import without_details
from modelmonitor.core.replay.playback import COLLECTOR, REVISION
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration
from modelmonitor.core.wire.pane import ColumnCounts, Pane, RequestCounts

ODD_SHARE: Final = 0.5
"""Share of a column's values that do not fit the profile from which the user is told."""
_ROUNDING: Final = 1e-6
"""Part of an interval by which a time may be off and still be the start of a tick."""


@dataclass(slots=True)
class _Seen:
    """What was counted of one column so far."""

    values: int = 0
    mismatched: int = 0
    unknown: int = 0


class PaneMaker:
    """Makes panes of rows.

    Parameters
    ----------
    configuration
        What a collector would have been told to count.
    present
        Names of the columns that the rows have; of the others nothing is counted.
    """

    def __init__(self, configuration: CollectorConfiguration, present: Sequence[str]) -> None:
        known = set(present)
        self._configuration = configuration
        served = [each for each in configuration.columns if each.derived is None]
        self._columns = [each for each in served if each.name in known]
        self._cells = [cells_for(each, configuration) for each in self._columns]
        self._seen = {each.name: _Seen() for each in self._columns}
        inputs = [each for each in served if each.role is ColumnRole.INPUT]
        outputs = [each for each in served if each.role.is_output]
        # Who looks at whole rows needs all of their columns.
        self._inputs = _names(inputs, known)
        self._outputs = _names(outputs, known)
        self._number: int | None = None
        self._begin()

    @property
    def names(self) -> list[str]:
        """The columns that are counted."""
        return [each.name for each in self._columns]

    def panes(self, batches: Iterator[Batch]) -> Iterator[tuple[Pane, int]]:
        """Yield the pane of every tick with rows, and the rows that were counted until then.

        Parameters
        ----------
        batches
            Rows in the order of time.
        """
        done = 0
        for batch in batches:
            for number, first, last in _stretches(batch, self._configuration.interval):
                if self._number is not None and number != self._number:
                    yield self._pane(), done
                self._number = number
                self._add({name: part[first:last] for name, part in batch.columns.items()})
                done += last - first
        if self._number is not None:
            yield self._pane(), done

    def misfits(self, profile: Profile) -> list[str]:
        """Return sentences about columns whose values are hardly ever what the profile expects."""
        listed = {column.name for column in profile.columns if column.complete}
        found = []
        for column in self._columns:
            seen = self._seen[column.name]
            if seen.mismatched > ODD_SHARE * seen.values:
                found.append(
                    f"column {column.name}: {seen.mismatched / seen.values:.0%} of the values are "
                    f"of another type than the baseline's, which is {column.kind.value}"
                )
            elif column.name in listed and seen.unknown > ODD_SHARE * seen.values:
                found.append(
                    f"column {column.name}: {seen.unknown / seen.values:.0%} of the values are "
                    "none of the baseline's categories"
                )
        return found

    def _begin(self) -> None:
        self._counter = RowCounter(self._cells)
        self._rows = 0
        self._input_watchers = input_watchers(self._configuration) if self._inputs else []
        self._output_watchers = output_watchers(self._configuration) if self._outputs else []
        self._derived = DerivedCounter(self._configuration if self._inputs else None)

    def _add(self, part: Mapping[str, Values]) -> None:
        rows = len(next(iter(part.values()))) if part else 0
        self._rows += rows
        self._counter.add([part[each.name] for each in self._columns], rows)
        inputs = [part[name] for name in self._inputs]
        self._derived.add(inputs, rows)
        for watcher in self._input_watchers:
            watcher.add(inputs, rows)
        for watcher in self._output_watchers:
            watcher.add([part[name] for name in self._outputs], rows)

    def _pane(self) -> Pane:
        interval, number = self._configuration.interval, self._number or 0
        counts = {
            each.name: without_details(self._counter.counts(place))
            for place, each in enumerate(self._columns)
        }
        self._note(counts)
        counts |= self._derived.counts()
        parts: dict[str, Any] = {}
        for watcher in (*self._input_watchers, *self._output_watchers):
            parts |= watcher.parts()
        pane = Pane(
            monitorUID=self._configuration.monitorUID,
            podUID=COLLECTOR,
            bootID=COLLECTOR,
            seq=number + 1,
            start=number * interval,
            end=(number + 1) * interval,
            interval=interval,
            baselineDigest=self._configuration.baselineDigest,
            revision=REVISION,
            requests=RequestCounts(seen=self._rows, sampled=self._rows, decoded=self._rows),
            columns=counts,
            **parts,
        )
        self._begin()
        return pane

    def _note(self, counts: Mapping[str, ColumnCounts]) -> None:
        for name, each in counts.items():
            seen = self._seen[name]
            seen.values += each.rows - each.missing
            seen.mismatched += each.mismatched
            seen.unknown += each.unknown


def _names(columns: Sequence[ColumnConfiguration], known: set[str]) -> list[str]:
    names = [each.name for each in columns]
    return names if known.issuperset(names) else []


def _stretches(batch: Batch, interval: float) -> Iterator[tuple[int, int, int]]:
    """Yield number of the tick, first row and end of every run of rows of one tick."""
    if not batch.times.size:
        return
    numbers = np.floor(batch.times / interval + _ROUNDING).astype(np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(numbers) != 0])
    ends = np.r_[starts[1:], numbers.size]
    for first, last in zip(starts.tolist(), ends.tolist(), strict=True):
        yield int(numbers[first]), first, last
