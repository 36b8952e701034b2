"""How dependent rows are, from a baseline in time order.

Rows of one caller, one batch or one day's weather are not independent: a share then varies more
between blocks of time than it would between samples of independent rows. The ratio of the two
variances is the inflation phi; n rows are worth n / phi independent ones. Where the share wanders
for long, phi grows with the block, so it is the maximum over blocks from one pane to a week that
protects a detector which adds evidence up over time.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.profile import ColumnKind

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEEK: Final = 7 * 86_400.0
"""Seconds of the longest block."""
LEAST_BLOCKS: Final = 8.0
"""Blocks of a length below which that length says nothing."""
LEAST_ENVELOPE_BLOCKS: Final = 30.0
"""Blocks below which their extremes say nothing about what is usual."""
LEAST_HITS: Final = 50
"""Rows on either side of a cut below which its share's variance says nothing."""
MOST_COUNTS: Final = 20_000_000
"""Counts (cells × blocks) held at once; more blocks than that are paired first."""
GATE_LEVEL: Final = 0.03
"""Probability with which independent rows are taken for dependent ones. With it, phi is 1 for at
least 95 % of baselines with independent rows, however many cuts and block lengths are tried."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The rows of a baseline, cut into blocks of time.

    Attributes
    ----------
    index
        Block of each row, shape `(n_rows,)`, 0 … n_blocks - 1; blocks without rows are left out.
    number
        Position of each block in time, shape `(n_blocks,)`, increasing.
    seconds
        Length of a block, as far as the times can tell it.
    """

    index: Ints
    number: Ints
    seconds: float


@dataclass(frozen=True, slots=True)
class BlockShares:
    """What one column's shares did over blocks of one length.

    Attributes
    ----------
    seconds
        Length of a block.
    blocks
        Effective number of blocks with values.
    inflation
        Variance of the blocks' counts over that of independent rows, the largest share; shrunk for
        being a maximum where it could be chance.
    significant
        Independent rows would hardly ever show so much.
    low, high
        Smallest and largest share that any block showed, shape `(n_shares,)`.
    """

    seconds: float
    blocks: float
    inflation: float
    significant: bool
    low: Floats
    high: Floats


def blocks_of(times: Floats, seconds: float) -> Blocks:
    """Cut rows into blocks of `seconds`, counted from the first row.

    Times that are whole hours cannot tell blocks of a minute: a block then holds the rows of an
    hour, and is said to be that long.

    Parameters
    ----------
    times
        Seconds since any epoch, shape `(n_rows,)`, in any order, finite.
    seconds
        Length of a block.
    """
    seconds = max(seconds, _resolution(times))
    numbers = np.floor((times - times.min()) / seconds).astype(np.int64)
    number, index = np.unique(numbers, return_inverse=True)
    return Blocks(index.astype(np.int64), number, seconds)


def _resolution(times: Floats) -> float:
    """Return the smallest step between two different times; 0 if all are equal."""
    steps = np.diff(np.unique(times))
    return float(steps.min(initial=math.inf)) if steps.size else 0.0


def inflation(curve: list[BlockShares]) -> float:
    """Return the long-run variance inflation phi, at least 1: the maximum over block lengths.

    Nothing but chance is assumed, and 1 returned, unless some length shows significantly more.
    """
    if not any(point.significant for point in curve):
        return 1.0
    return max(1.0, *(point.inflation for point in curve))


def curve_of(kind: ColumnKind, cells: Ints, n_cells: int, blocks: Blocks) -> list[BlockShares]:
    """Return what a column's shares did over blocks of doubling length, up to a week.

    Parameters
    ----------
    kind
        Numeric or Text (shares are cumulative), or Categorical.
    cells
        Cell of each row's value, shape `(n_rows,)`; -1 where the row has no value.
    n_cells
        Number of cells.
    blocks
        The shortest blocks.

    Returns
    -------
    list
        One entry per length with at least `LEAST_BLOCKS` blocks, shortest first.
    """
    while blocks.number.size * n_cells > MOST_COUNTS:
        blocks = _paired(blocks)
    present = cells >= 0
    held = cells[present]
    index = blocks.index[present]
    size = np.bincount(index, minlength=blocks.number.size)
    counts = _share_counts_by_block(kind, held, index, n_cells, blocks.number.size)
    return curve_of_counts(counts, size, blocks)


def curve_of_counts(counts: Ints, size: Ints, blocks: Blocks) -> list[BlockShares]:
    """Return what shares did over blocks of doubling length, up to a week, from their counts.

    Parameters
    ----------
    counts
        Rows of each share in each block, shape `(n_shares, n_blocks)`.
    size
        Rows with a value in each block, shape `(n_blocks,)`.
    blocks
        The shortest blocks; of these, `number` and `seconds` are used.

    Returns
    -------
    list
        One entry per length with at least `LEAST_BLOCKS` blocks, shortest first.
    """
    levels = list(_doubled(counts, size, blocks))
    tests = max(1, sum(len(level.counts) for level in levels))
    return [_point(level, tests) for level in levels]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockSums:
    """What blocks of one length add up to, where their counts are not kept one by one.

    With k_b rows of a share among n_b rows in block b:

    Attributes
    ----------
    seconds
        Length of a block.
    rows, rows_squared
        The sums of n_b and of n_b².
    hits, crossed, hits_squared
        The sums of k_b, of k_b n_b and of k_b², shape `(n_shares,)`.
    low, high
        Smallest and largest share that any block showed, shape `(n_shares,)`.
    """

    seconds: float
    rows: float
    rows_squared: float
    hits: Floats
    crossed: Floats
    hits_squared: Floats
    low: Floats
    high: Floats


def shares_of_sums(sums: BlockSums) -> BlockShares | None:
    """Return what shares did over blocks of one length; None if there are too few blocks."""
    effective = sums.rows**2 / max(sums.rows_squared, 1.0)
    if effective < LEAST_BLOCKS:
        return None
    usable = np.minimum(sums.hits, sums.rows - sums.hits) >= LEAST_HITS
    hits = sums.hits[usable]
    p = hits / sums.rows
    pq = p * (1 - p)
    spread = sums.hits_squared[usable] - 2 * p * sums.crossed[usable] + p**2 * sums.rows_squared
    ratio = np.maximum(spread, 0.0) / (pq * (sums.rows - sums.rows_squared / sums.rows))
    variance = _chance(pq, sums.rows, sums.rows_squared)
    largest, significant = _largest(ratio, variance, max(1, sums.hits.size))
    return BlockShares(
        seconds=sums.seconds,
        blocks=effective,
        inflation=largest,
        significant=significant,
        low=sums.low,
        high=sums.high,
    )


@dataclass(frozen=True, slots=True)
class _Level:
    counts: Ints
    """Shape `(n_shares, n_blocks)`."""
    size: Ints
    """Rows with a value per block, shape `(n_blocks,)`."""
    seconds: float
    blocks: float


def _share_counts_by_block(
    kind: ColumnKind, held: Ints, index: Ints, n_cells: int, n_blocks: int
) -> Ints:
    """Return counts of each share in each block, shape `(n_shares, n_blocks)`."""
    flat = np.bincount(held * n_blocks + index, minlength=n_cells * n_blocks)
    counts: Ints = flat.reshape(n_cells, n_blocks).astype(np.int64)
    if kind.ordered:
        return np.cumsum(counts, axis=0)[:-1]
    return counts


def _paired(blocks: Blocks) -> Blocks:
    number, index = np.unique(blocks.number >> 1, return_inverse=True)
    return Blocks(index.astype(np.int64)[blocks.index], number, 2 * blocks.seconds)


def _doubled(counts: Ints, size: Ints, blocks: Blocks) -> Iterator[_Level]:
    number, seconds = blocks.number, blocks.seconds
    while size.size:
        effective = float(size.sum()) ** 2 / max(float((size.astype(np.float64) ** 2).sum()), 1.0)
        if effective < LEAST_BLOCKS:
            return
        yield _Level(counts, size, seconds, effective)
        seconds *= 2
        if seconds > WEEK:
            return
        number = number >> 1
        starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
        number = number[starts]
        size = np.add.reduceat(size, starts)
        counts = np.add.reduceat(counts, starts, axis=1)


def _point(level: _Level, tests: int) -> BlockShares:
    ratio, spread = _variance_ratio(level)
    filled = level.size > 0
    observed = level.counts[:, filled] / level.size[filled]
    largest, significant = _largest(ratio, spread, tests)
    return BlockShares(
        seconds=level.seconds,
        blocks=level.blocks,
        inflation=largest,
        significant=significant,
        low=observed.min(axis=1),
        high=observed.max(axis=1),
    )


def _largest(ratio: Floats, spread: Floats, tests: int) -> tuple[float, bool]:
    """Return the largest variance ratio of some shares, and whether chance hardly gives it."""
    if not ratio.size:
        return 1.0, False
    critical = _upper(spread, GATE_LEVEL / tests)
    excess = ratio / critical
    worst = int(np.argmax(excess))
    significant = bool(excess[worst] > 1)
    # A maximum over shares is above 1 by chance alone; its median under independence is
    # divided out unless the excess is certain. Where it is, a phi that is too large only
    # delays alarms, and one that is too small makes false ones.
    typical = _upper(spread, 1 - 0.5 ** (1 / ratio.size))
    return float(np.max(ratio if significant else ratio / typical)), significant


def _variance_ratio(level: _Level) -> tuple[Floats, Floats]:
    """Return the variance of block counts over the binomial one, and its own variance by chance.

    For blocks of n_b rows with k_b hits the ratio is
    sum (k_b - n_b p)^2 / (p (1 - p) sum n_b (1 - n_b / N)), whose mean is 1 for independent rows;
    its variance follows from the binomial's fourth moment.
    """
    size = level.size.astype(np.float64)
    rows = size.sum()
    hits = level.counts.sum(axis=1)
    usable = np.minimum(hits, rows - hits) >= LEAST_HITS
    counts = level.counts[usable].astype(np.float64)
    p = (counts.sum(axis=1) / rows)[:, None]
    pq = (p * (1 - p))[:, 0]
    ratio = ((counts - p * size) ** 2).sum(axis=1) / (pq * (size * (1 - size / rows)).sum())
    return ratio, _chance(pq, float(rows), float((size**2).sum()))


def _chance(pq: Floats, rows: float, rows_squared: float) -> Floats:
    """Return the variance that variance ratios of independent rows have."""
    fourth = (2 * rows_squared * pq**2 + rows * pq * (1 - 6 * pq)) / (pq * rows) ** 2
    return np.maximum(fourth, 1e-12)


def _upper(variance: Floats, level: float) -> Floats:
    """Return the upper quantile of a mean-1 gamma variable (Wilson and Hilferty 1931)."""
    degrees = 2 / variance
    z = NormalDist().inv_cdf(1 - level)
    part = 2 / (9 * degrees)
    return np.maximum(1 - part + z * np.sqrt(part), 0.0) ** 3
