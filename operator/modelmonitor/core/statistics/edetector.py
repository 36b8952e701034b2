"""The tolerance e-detector: evidence that a share has moved further than is tolerated.

For every share and both sides there is a null hypothesis "the share is at most m". A pane with c
hits among n rows multiplies the evidence of an alternative q > m by the likelihood ratio
(q/m)^c ((1-q)/(1-m))^(n-c), whose mean is at most 1 as long as the null holds. Shiryaev-Roberts
adds the evidence up over every possible onset: M <- L (1 + M); the mean of M grows by at most 1 a
pane, so that an alarm at M >= A comes, under the null, at most once in A panes on average
(Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532). Means of such detectors are such detectors, so
nothing is paid for looking at many shares, both sides and several alternatives of one column.

Evidence is kept up to a ceiling a little above the alarm: a smaller value is as valid, it cannot
overflow, and it ends as quickly after a long shift as after a short one.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.statistics.shares import Floats

State = NDArray[np.float32]
Indices = NDArray[np.int64]

GAINS: Final = np.array([0.02, 0.06, 0.2, 0.6])
"""Alternatives, as parts of the way from the null m to 1. A bet pays while the truth is more than
half way to it, and at least 5/9 of the best possible between neighbours a factor 3 apart."""
LARGEST_NULL: Final = 0.98
"""A side whose null allows more than this can hardly be left; it is not watched."""
FORGOTTEN: Final = 0.01
"""Evidence below this is kept as none: the next pane would hardly notice it (1 + 0.01)."""
KEPT_BITS: Final = np.int32(-256)
"""Mask of the bits of a float32 that are kept: sign, exponent and 15 bits after the point."""
HEADROOM: Final = 20.0
"""How far above the alarm evidence is kept: factor of the alarm's level (3 nats)."""


@dataclass(frozen=True, slots=True)
class Sides:
    """The watched sides of many shares, grouped by column.

    Attributes
    ----------
    share
        Index into a flat vector of shares, shape `(n_sides,)`.
    upward
        True where a larger share is a breach, False where a smaller one is, shape `(n_sides,)`.
    null
        The largest share that side may have, counted in its direction, shape `(n_sides,)`.
    owner
        Number of the column, shape `(n_sides,)`.
    rise, fall
        Logarithm of the likelihood ratio for one row that is a hit, or not, shape
        `(n_sides, n_gains)`.
    starts
        First side of each column that has any, shape `(n_watched,)`.
    column
        Number of each column that has any, shape `(n_watched,)`.
    columns
        Number of columns.
    """

    share: Indices
    upward: NDArray[np.bool_]
    null: Floats
    owner: Indices
    rise: Floats
    fall: Floats
    starts: Indices
    column: Indices
    columns: int

    @property
    def bets(self) -> Indices:
        """Number of alternatives that the side's column has in all, shape `(n_sides,)`."""
        sizes = np.diff(np.r_[self.starts, self.share.size])
        return np.repeat(sizes, sizes) * GAINS.size


def sides_of(low: list[Floats], high: list[Floats], slack: list[float]) -> Sides:
    """Return the sides to watch, for shares that may lie anywhere between `low` and `high`.

    Parameters
    ----------
    low, high
        Per column, the bounds of each share under the null, shape `(n_shares,)`.
    slack
        Per column, the smallest null, so that a single odd row is not infinite evidence.
    """
    nulls, share, upward, column = [], [], [], []
    offset = 0
    for number, (smallest, largest, least) in enumerate(zip(low, high, slack, strict=True)):
        null = np.maximum(np.concatenate([largest, 1 - smallest]), least)
        watched = np.flatnonzero(null <= LARGEST_NULL)
        nulls.append(null[watched])
        share.append(offset + watched % smallest.size)
        upward.append(watched < smallest.size)
        column.append(np.full(watched.size, number))
        offset += smallest.size
    m = np.concatenate([np.zeros(0), *nulls])[:, None]
    q = m + GAINS * (1 - m)
    owner = np.concatenate([np.zeros(0, np.int64), *column])
    watched_columns, starts = np.unique(owner, return_index=True)
    return Sides(
        share=np.concatenate([np.zeros(0, np.int64), *share]),
        upward=np.concatenate([np.zeros(0, bool), *upward]),
        null=m[:, 0],
        owner=owner,
        rise=np.log(q / m),
        fall=np.log1p(-q) - np.log1p(-m),
        starts=starts,
        column=watched_columns,
        columns=len(low),
    )


def nothing_seen(sides: Sides) -> State:
    """Return the state before the first pane, shape `(n_sides, n_gains)`."""
    return np.zeros(sides.rise.shape, np.float32)


def advance(state: State, sides: Sides, hits: Floats, rows: Floats, alarm: float) -> State:
    """Return the state after one pane.

    Parameters
    ----------
    state
        Shape `(n_sides, n_gains)`.
    sides
        What is watched.
    hits, rows
        Effective counts of each share and of its column's values, flat, shape `(n_shares,)`.
    alarm
        The level at which a column alarms.
    """
    n = rows[sides.share]
    c = hits[sides.share]
    c = np.where(sides.upward, c, n - c)
    ceiling = (alarm * HEADROOM * sides.bets)[:, None]
    gain = c[:, None] * sides.rise + (n - c)[:, None] * sides.fall
    grown = np.exp(np.minimum(gain, np.log(ceiling))) * (1.0 + state)
    grown = np.where(grown < FORGOTTEN, 0.0, np.minimum(grown, ceiling))
    # Rounded down to 16 bits: hardly less, still valid, and a quarter less to store.
    kept: State = (grown.astype(np.float32).view(np.int32) & KEPT_BITS).view(np.float32)
    return kept


def by_column(state: State, sides: Sides) -> Floats:
    """Return each column's evidence, the mean over its sides and alternatives.

    Returns
    -------
    NDArray
        Shape `(n_columns,)`; 0 for a column without watched sides.
    """
    evidence = np.zeros(sides.columns)
    if state.size:
        sums = np.add.reduceat(state.sum(axis=1, dtype=np.float64), sides.starts)
        counts = np.diff(np.r_[sides.starts, state.shape[0]]) * state.shape[1]
        evidence[sides.column] = sums / counts
    return evidence


def by_side(state: State) -> Floats:
    """Return each side's evidence, the mean over its alternatives, shape `(n_sides,)`."""
    means: Floats = state.mean(axis=1, dtype=np.float64)
    return means
