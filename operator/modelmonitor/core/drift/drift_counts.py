"""The counts behind all shares of a drift metric's columns, of one tick or one replica."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnProfile
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.windows import Tick
from modelmonitor.core.statistics.shares import Floats
from modelmonitor.core.wire.pane import Pane

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Seen:
    """The counts of some rows, flat.

    Attributes
    ----------
    hits
        Of every share, shape `(n_shares,)`.
    values
        Of every column, shape `(n_columns,)`.
    """

    hits: Floats
    values: Floats

    def __add__(self, other: "Seen") -> "Seen":
        """Return both together."""
        return Seen(self.hits + other.hits, self.values + other.values)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the counts of some columns are among all of them, one after the other.

    An ordered column has one share more than cuts: the part below the minimum, which the cell that
    ends at the minimum does not show where many values are the minimum itself.

    Attributes
    ----------
    names, cells
        Of the columns, and how many cells each has.
    first, last
        Cells that a share is the sum of: from `first` up to `last`, shape `(n_shares,)`.
    below
        Shares that are counted apart, of the ordered columns, in order.
    ordered
        Whether each column is.
    """

    names: tuple[str, ...]
    cells: tuple[int, ...]
    first: Indices
    last: Indices
    below: Indices
    ordered: tuple[bool, ...]


def layout_of(columns: Sequence[ColumnProfile]) -> Layout:
    """Return where the counts of some columns are."""
    first, last, below = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
    begun = shares = 0
    for column in columns:
        size = len(column.cells)
        ends = begun + np.arange(1, size + 1)
        if column.kind.ordered:
            below.append(shares)
            first.append(np.full(size, begun))
            last.append(np.r_[begun, ends[:-1]])
        else:
            first.append(ends - 1)
            last.append(ends)
        begun += size
        shares += last[-1].size
    return Layout(
        names=tuple(column.name for column in columns),
        cells=tuple(len(column.cells) for column in columns),
        first=np.concatenate(first),
        last=np.concatenate(last),
        below=np.array(below, np.int64),
        ordered=tuple(column.kind.ordered for column in columns),
    )


def seen(layout: Layout, reference: Reference, tick: Tick) -> Seen:
    """Return the counts of all rows of a tick."""
    totals = reference.rows_of(tick)
    each = [totals[name] for name in layout.names]
    return _seen(layout, [one.cells for one in each], [one.below for one in each])


def seen_by_replica(layout: Layout, reference: Reference, tick: Tick) -> dict[str, Seen]:
    """Return the counts of each replica of a tick that has any, by pod UID."""
    found: dict[str, Seen] = {}
    for pane in reference.panes(tick):
        one = _of_pane(layout, pane)
        if one.values.any():
            known = found.get(pane.podUID)
            found[pane.podUID] = one if known is None else known + one
    return found


def _of_pane(layout: Layout, pane: Pane) -> Seen:
    flat: list[int] = []
    below = []
    for name, size in zip(layout.names, layout.cells, strict=True):
        counts = pane.columns.get(name)
        known = counts is not None and len(counts.cells) == size
        flat += counts.cells if counts is not None and known else [0] * size
        below.append(counts.below if counts is not None and known else 0)
    return _seen(layout, [np.array(flat, np.int64)], below)


def _seen(layout: Layout, cells: Sequence[Indices], below: Sequence[int]) -> Seen:
    sums = np.concatenate([np.zeros(1, np.int64), *cells]).cumsum()
    hits = (sums[layout.last] - sums[layout.first]).astype(np.float64)
    hits[layout.below] = [
        one for one, ordered in zip(below, layout.ordered, strict=True) if ordered
    ]
    ends = np.cumsum((0, *layout.cells))
    return Seen(hits, (sums[ends[1:]] - sums[ends[:-1]]).astype(np.float64))
