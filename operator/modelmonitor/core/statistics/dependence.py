"""How dependent rows are, from a baseline in time order.

Rows of one caller, one batch or one day's weather are not independent: a share then varies more
between blocks of time than it would between samples of independent rows. The ratio of the two
variances is the inflation phi; n rows are worth n / phi independent ones. Where the share wanders
for long, phi grows with the block, so it is the maximum over blocks from one pane to a week that
protects a detector which adds evidence up over time. A maximum is too large by chance; it is taken
only where longer blocks vary by certainly more than short ones do.

Where shares are compared with those of the same hour, they are counted from them here as well: the
rows of a stratum (an hour of the day, or of the week) are held against the stratum's own shares, so
that what the clock explains is no dependence. That takes degrees of freedom: with N_h rows in the
stratum, n_bh of them in block b, the variance of the block's counts is
sum_h n_bh (1 - n_bh / N_h) p_h (1 - p_h), and with a single block of each stratum nothing is left.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.statistics.blocks import (
    LEAST_BLOCKS,
    WEEK,
    Blocks,
    Floats,
    Ints,
    Level,
    blocks_of,
    doubled,
    paired,
    shortest,
)

__all__ = [
    "LEAST_BLOCKS",
    "LEAST_ENVELOPE_BLOCKS",
    "WEEK",
    "BlockShares",
    "BlockSums",
    "Blocks",
    "blocks_of",
    "curve_of",
    "curve_of_counts",
    "inflation",
    "shares_of_sums",
    "shortest_of",
]

STEADY_BLOCKS: Final = 16.0
"""Blocks of a length below which it is not extrapolated from: the error would be half of it."""
LEAST_FREEDOM: Final = 0.3
"""Part of the variance that strata must leave to be looked at; two blocks of each leave half."""
LEAST_ENVELOPE_BLOCKS: Final = 30.0
"""Blocks below which their extremes say nothing about what is usual."""
LEAST_HITS: Final = 50
"""Rows on either side of a cut below which its share's variance says nothing."""
MOST_COUNTS: Final = 10_000_000
"""Counts (cells × blocks) held at once; more blocks than that are paired first."""
GATE_LEVEL: Final = 0.001
"""Probability with which a column of independent rows is taken for dependent, however many cuts and
block lengths are tried. With it, phi is 1 for all of 25 columns in 95 % of such baselines."""


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
        Variance of the blocks' counts over that of independent rows, the largest share.
    least
        An inflation that is exceeded for certain: less than that hardly ever shows so much.
    low, high
        Smallest and largest share that any block showed, shape `(n_shares,)`.
    within
        Variance inflation within blocks alone: of the differences between a block and the next,
        in which what wanders more slowly cancels. At least 1.
    """

    seconds: float
    blocks: float
    inflation: float
    least: float
    low: Floats
    high: Floats
    within: float = 1.0


def inflation(curve: list[BlockShares]) -> float:
    """Return the long-run variance inflation phi, at least 1.

    Three cases. Nothing but chance is assumed, and 1 returned, unless some length shows certainly
    more. Where longer blocks show no certain growth, rows depend within the shortest ones only
    (callers, batches), whose inflation is known best. Otherwise the shares wander, and phi is the
    maximum over all lengths: one that is too large only delays alarms, one that is too small makes
    false ones.

    Where shares wander, blocks of a finite length L miss a part of phi in proportion to 1 / L.
    Two lengths tell it: (k r(kL) - r(L)) / (k - 1) has none of it (the lugsail of Vats and Flegal
    2022, Biometrika 109:735). To it comes one standard error, sqrt(2 / blocks), so that the truth
    lies below in most baselines.
    """
    if not any(point.least > 1 for point in curve):
        return 1.0
    first = max(1.0, curve[0].inflation)
    if all(point.least <= first for point in curve):
        return first
    return max(
        first,
        *(point.inflation for point in curve),
        *(
            _lugsail(shorter, longer) * (1 + math.sqrt(2 / longer.blocks))
            for shorter, longer in pairwise(curve)
            if longer.blocks >= STEADY_BLOCKS
        ),
    )


def _lugsail(shorter: BlockShares, longer: BlockShares) -> float:
    times = longer.seconds / shorter.seconds
    return (times * longer.inflation - shorter.inflation) / (times - 1)


def curve_of(
    kind: ColumnKind, cells: Ints, n_cells: int, blocks: Blocks, strata: Ints | None = None
) -> list[BlockShares]:
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
    strata
        Stratum of each row, shape `(n_rows,)`, from 0; shares are counted from its own.

    Returns
    -------
    list
        One entry per length with at least `LEAST_BLOCKS` blocks, shortest first.
    """
    counts, size, blocks = _counted(kind, cells, n_cells, blocks)
    if strata is None:
        return curve_of_counts(counts, size, blocks)
    # A block that reaches into the next hour belongs to the one in which it begins.
    first = np.full(blocks.number.size, np.iinfo(np.int64).max)
    np.minimum.at(first, blocks.index, np.arange(blocks.index.size))
    return curve_of_counts(counts, size, blocks, strata[first])


def shortest_of(kind: ColumnKind, cells: Ints, n_cells: int, blocks: Blocks) -> BlockShares | None:
    """Return what `curve_of` says of the shortest blocks; None if there are too few of them."""
    counts, size, blocks = _counted(kind, cells, n_cells, blocks)
    level = shortest(counts, size, blocks, None)
    if level.blocks < LEAST_BLOCKS:
        return None
    return _point(level, max(1, len(counts)), _within(level))


def _counted(
    kind: ColumnKind, cells: Ints, n_cells: int, blocks: Blocks
) -> tuple[Ints, Ints, Blocks]:
    """Return counts of shares and of values in each block, and the blocks, longer if need be."""
    while blocks.number.size * n_cells > MOST_COUNTS:
        blocks = paired(blocks)
    present = cells >= 0
    index, n_blocks = blocks.index[present], blocks.number.size
    size = np.bincount(index, minlength=n_blocks)
    return _share_counts_by_block(kind, cells[present], index, n_cells, n_blocks), size, blocks


def curve_of_counts(
    counts: Ints, size: Ints, blocks: Blocks, strata: Ints | None = None
) -> list[BlockShares]:
    """Return what shares did over blocks of doubling length, up to a week, from their counts.

    Parameters
    ----------
    counts
        Rows of each share in each block, shape `(n_shares, n_blocks)`.
    size
        Rows with a value in each block, shape `(n_blocks,)`.
    blocks
        The shortest blocks; of these, `number` and `seconds` are used.
    strata
        Stratum of each block, shape `(n_blocks,)`, from 0; shares are counted from its own.

    Returns
    -------
    list
        One entry per length with at least `LEAST_BLOCKS` blocks, shortest first.
    """
    level = shortest(counts, size, blocks, strata)
    lengths = 1 + math.log2(max(1.0, min(WEEK / level.seconds, level.blocks / LEAST_BLOCKS)))
    tests = max(1, int(lengths) * len(counts))
    within = _within(level)
    return [_point(each, tests, within if each is level else 1.0) for each in doubled(level)]


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
    largest, least = _largest(ratio, variance, max(1, sums.hits.size))
    return BlockShares(
        seconds=sums.seconds,
        blocks=effective,
        inflation=largest,
        least=least,
        low=sums.low,
        high=sums.high,
        within=max(1.0, largest) if least > 1 else 1.0,
    )


def _share_counts_by_block(
    kind: ColumnKind, held: Ints, index: Ints, n_cells: int, n_blocks: int
) -> Ints:
    """Return counts of each share in each block, shape `(n_shares, n_blocks)`."""
    flat = np.bincount(held * n_blocks + index, minlength=n_cells * n_blocks)
    counts: Ints = flat.reshape(n_cells, n_blocks).astype(np.int64)
    if kind.ordered:
        return np.cumsum(counts, axis=0)[:-1]
    return counts


def _point(level: Level, tests: int, within: float) -> BlockShares:
    largest, least = _largest(*_variance_ratio(level), tests)
    filled = level.size > 0
    observed = level.counts[:, filled] / level.size[filled]
    return BlockShares(
        seconds=level.seconds,
        blocks=level.blocks,
        inflation=largest,
        least=least,
        low=observed.min(axis=1),
        high=observed.max(axis=1),
        within=within,
    )


def _largest(ratio: Floats, spread: Floats, tests: int) -> tuple[float, float]:
    """Return the largest variance ratio of some shares, and what it certainly is."""
    if not ratio.size:
        return 1.0, 1.0
    return float(ratio.max()), float((ratio / _upper(spread, GATE_LEVEL / tests)).max())


def _usable(level: Level) -> NDArray[np.bool_]:
    hits = level.counts.sum(axis=1)
    found: NDArray[np.bool_] = np.minimum(hits, level.size.sum() - hits) >= LEAST_HITS
    return found


def _variance_ratio(level: Level) -> tuple[Floats, Floats]:
    """Return the variance of block counts over that of independent rows, and its own by chance.

    With k_b hits among n_b rows of block b the ratio is
    sum (k_b - n_b p)^2 / (p (1 - p) sum n_b (1 - n_b / N)), whose mean is 1 for independent rows,
    and likewise with strata; its variance follows from the binomial's fourth moment.
    """
    size = level.size.astype(np.float64)
    rows, squared = float(size.sum()), float((size**2).sum())
    _, stratum, part = level.cells
    squares = np.bincount(stratum, part.astype(np.float64) ** 2, minlength=level.rows.size)
    free = level.rows - squares / np.maximum(level.rows, 1.0)
    # Where strata were seen hardly more than once, such blocks say nothing.
    pq = level.shares * (1 - level.shares)
    variance = pq @ free
    usable = _usable(level) & (variance > LEAST_FREEDOM * (pq @ level.rows))
    ratio = (level.residual[usable] ** 2).sum(axis=1) / variance[usable]
    p = level.counts[usable].sum(axis=1) / rows
    return ratio, _chance(p * (1 - p), rows, squared)


def _within(level: Level) -> float:
    """Return the variance inflation of neighbouring blocks' differences, at least 1.

    Of blocks that follow each other, half the squared difference of their shares, in units of what
    independent rows give, weighted by rows (von Neumann 1941). What both have in common cancels.
    """
    usable = _usable(level)
    follows = np.diff(level.number) == 1
    left, right = level.size[:-1][follows], level.size[1:][follows]
    filled = (left > 0) & (right > 0)
    left, right = left[filled].astype(np.float64), right[filled].astype(np.float64)
    if left.size < LEAST_BLOCKS or not usable.any():
        return 1.0
    shares = level.residual[usable] / np.maximum(level.size, 1)
    steps = (shares[:, 1:] - shares[:, :-1])[:, follows][:, filled]
    weight = left * right / (left + right)
    p = level.counts[usable].sum(axis=1) / level.size.sum()
    ratio = (steps**2 * weight) @ weight / (p * (1 - p) * weight.sum())
    # Each block is in two differences, which leaves about two thirds of the freedom.
    spread = 1.5 * _chance(p * (1 - p), float(level.size.sum()), float((level.size**2).sum()))
    largest, least = _largest(ratio, spread, ratio.size)
    return max(1.0, largest) if least > 1 else 1.0


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
