"""Rows in blocks of time, and blocks of twice the length, as long as there are enough of them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WEEK: Final = 7 * 86_400.0
"""Seconds of the longest block."""
LEAST_BLOCKS: Final = 8.0
"""Blocks of a length below which that length says nothing."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Blocks of one length.

    Attributes
    ----------
    counts
        Rows of each share in each block, shape `(n_shares, n_blocks)`.
    residual
        The same, less what the strata's shares make of the block, shape `(n_shares, n_blocks)`.
    size
        Rows with a value in each block, shape `(n_blocks,)`.
    number
        Position of each block in time, shape `(n_blocks,)`.
    cells
        Rows of each stratum in each block, where there are any: block, stratum and rows, shape
        `(3, n)`, by block.
    shares
        Of each stratum, shape `(n_shares, n_strata)`.
    rows
        Of each stratum, shape `(n_strata,)`.
    seconds
        Length of a block.
    """

    counts: Ints
    residual: Floats
    size: Ints
    number: Ints
    cells: Ints
    shares: Floats
    rows: Floats
    seconds: float

    @property
    def blocks(self) -> float:
        """Effective number of blocks."""
        rows = float(self.size.sum())
        return rows**2 / max(float((self.size.astype(np.float64) ** 2).sum()), 1.0)


def shortest(counts: Ints, size: Ints, blocks: Blocks, strata: Ints | None) -> Level:
    """Return the shortest blocks.

    Parameters
    ----------
    counts
        Rows of each share in each block, shape `(n_shares, n_blocks)`.
    size
        Rows with a value in each block, shape `(n_blocks,)`.
    blocks
        Of these, `number` and `seconds` are used.
    strata
        Stratum of each block, shape `(n_blocks,)`, from 0; None: there is one.
    """
    if strata is None:
        strata = np.zeros(size.size, np.int64)
    n_strata = int(strata.max(initial=0)) + 1
    rows = np.bincount(strata, size.astype(np.float64), minlength=n_strata).astype(np.float64)
    hits = np.array([np.bincount(strata, weights=each, minlength=n_strata) for each in counts])
    shares = hits.reshape(-1, n_strata) / np.maximum(rows, 1.0)
    return Level(
        counts=counts,
        residual=counts - shares[:, strata] * size,
        size=size,
        number=blocks.number,
        seconds=blocks.seconds,
        cells=np.array([np.arange(size.size), strata, size]),
        shares=shares,
        rows=rows,
    )


def paired(blocks: Blocks) -> Blocks:
    """Return blocks of twice the length."""
    number, index = np.unique(blocks.number >> 1, return_inverse=True)
    return Blocks(index.astype(np.int64)[blocks.index], number, 2 * blocks.seconds)


def doubled(level: Level) -> Iterator[Level]:
    """Yield blocks and blocks of doubling length, up to a week, while there are enough of them."""
    while level.blocks >= LEAST_BLOCKS:
        yield level
        if 2 * level.seconds > WEEK:
            return
        number = level.number >> 1
        starts = np.flatnonzero(np.r_[True, number[1:] != number[:-1]])
        index = np.cumsum(np.r_[0, number[1:] != number[:-1]])
        level = replace(
            level,
            counts=np.add.reduceat(level.counts, starts, axis=1),
            residual=np.add.reduceat(level.residual, starts, axis=1),
            size=np.add.reduceat(level.size, starts),
            number=number[starts],
            cells=_merged(np.array([index[level.cells[0]], *level.cells[1:]]), level.rows.size),
            seconds=2 * level.seconds,
        )


def _merged(cells: Ints, n_strata: int) -> Ints:
    """Return the rows of strata in blocks with one entry for each pair."""
    if n_strata == 1:
        starts = np.flatnonzero(np.r_[True, cells[0, 1:] != cells[0, :-1]])
        return np.array([cells[0, starts], cells[1, starts], np.add.reduceat(cells[2], starts)])
    key, index = np.unique(cells[0] * n_strata + cells[1], return_inverse=True)
    rows = np.bincount(index, weights=cells[2]).astype(np.int64)
    return np.array([key // n_strata, key % n_strata, rows])
