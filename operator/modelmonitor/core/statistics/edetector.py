"""The tolerance e-detector: evidence that a share has moved further than is tolerated.

For every share and both sides there is a null hypothesis "the share is at most m". A pane with c
hits among n rows multiplies the evidence of an alternative q > m by the likelihood ratio
(q/m)^c ((1-q)/(1-m))^(n-c), whose mean is at most 1 as long as the null holds. Shiryaev-Roberts
adds the evidence up over every possible onset: M <- L (1 + M); the mean of M grows by at most 1 a
pane, so that an alarm at M >= A comes, under the null, at most once in A panes on average
(Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532). Means of such detectors are such detectors, so
nothing is paid for looking at many shares, both sides and several alternatives of one column.

Where the rows of a pane are not to be trusted to be more than one observation together, the bet is
the mean of its rows' likelihood ratios instead of their product: 1 + lambda (c/n - m) with lambda =
(q - m) / (m (1 - m)). That is a bet on the bounded mean c/n (Waudby-Smith and Ramdas 2024,
arXiv 2010.09686, section 4), valid however the rows of one pane depend on each other.

Evidence is kept in one byte, as the number of a level; levels are a factor e^(1/7) apart. Between
two levels the higher one is taken with the probability that keeps the mean (stochastic rounding),
so that the mean of M still grows by at most 1. The draw is a fixed sequence that begins at a place
which the tick's number decides: judging a tick again gives the same bytes.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.statistics.shares import Floats

State = NDArray[np.uint8]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

AHEAD: Final = (0.015, 0.06, 0.24)
"""Alternatives: how far from the null. A bet of d against a truth of t (both counted from m) gains
1 - (1 - d/t)^2 of what the best one would: 64 % at worst between alternatives a factor 4 apart, and
so down to shifts of 0.01 beyond the null."""
PARTS: Final = (0.3, 0.8)
"""No alternative is further than a part of the way to 1: the nearest and the furthest."""
PANE_PARTS: Final = (0.1, 0.3, 0.9)
"""Alternatives of bets on a pane's mean, as parts of the way from the null to 1. It varies less
than a row: larger bets pay sooner."""
LARGEST_NULL: Final = 0.98
"""A side whose null allows more than this can hardly be left; nothing is bet on it."""
STEP: Final = 1 / 7
"""Logarithm of the ratio of two neighbouring levels."""
LEAST_KEPT: Final = 0.5
"""The lowest level; evidence below it is forgotten, which the next pane hardly notices."""
TOP: Final = 255
"""The highest level: e^35.6, above every alarm that an API accepts."""
HEADROOM: Final = 20.0
"""How far above the alarm evidence is kept: factor of the alarm's level (3 nats)."""
STARTS: Final = 65_536
"""Places at which the sequence of draws may begin."""
GOLDEN: Final = 0.6180339887498949
"""Fractional parts of its multiples are spread evenly (Weyl)."""


def _levels() -> Floats:
    numbers = np.arange(TOP + 1, dtype=np.float64)
    return np.where(numbers > 0, LEAST_KEPT * np.exp(STEP * (numbers - 1)), 0.0)


LEVELS: Final = _levels()
"""Evidence by number of its level, shape `(256,)`."""
_ONE_MORE: Final = (np.log1p(LEVELS) - np.log(LEAST_KEPT)) / STEP + 1
"""Number of the level, as a fraction, of one more than each level's evidence."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where sides stand: what does not change with what they are compared with.

    Attributes
    ----------
    share
        Index into a flat vector of shares, shape `(n_sides,)`.
    upward
        True where a larger share is a breach, False where a smaller one is, shape `(n_sides,)`.
    owner
        Number of the column, shape `(n_sides,)`.
    group
        Number of the group of sides that are one detector, shape `(n_sides,)`, not decreasing.
    groups
        Number of groups; some may have no sides.
    filled, starts, sizes
        Groups that have sides, the first side of each, and how many, shape `(n_filled,)`.
    """

    share: Indices
    upward: Flags
    owner: Indices
    group: Indices
    groups: int
    filled: Indices
    starts: Indices
    sizes: Indices

    @property
    def size(self) -> int:
        """Number of sides."""
        return int(self.share.size)

    def toward(self, shares: Floats) -> Floats:
        """Return the share on each side's own direction, shape `(n_sides,)`, of flat shares."""
        part = shares[self.share]
        return np.where(self.upward, part, 1 - part)


def places_of(share: Indices, upward: Flags, owner: Indices, group: Indices, groups: int) -> Places:
    """Return where sides stand; `group` must not decrease."""
    filled, starts, sizes = np.unique(group, return_index=True, return_counts=True)
    return Places(share, upward, owner, group, groups, filled, starts, sizes)


@dataclass(frozen=True, slots=True)
class Bets:
    """What the sides bet, in steps of levels.

    Attributes
    ----------
    null
        The largest share that a side may have, counted in its direction, shape `(n_sides,)`.
    goal
        The alternatives, shape `(n_sides, n_gains)`.
    rise, fall
        Of one row that is a hit, or not, shape `(n_sides, n_gains)`.
    live
        Sides that can be left, shape `(n_sides,)`; the others keep what evidence they have.
    means
        Numbers of the sides that bet on the mean of a pane, shape `(n_means,)`.
    """

    null: Floats
    goal: Floats
    rise: Floats
    fall: Floats
    live: Flags
    means: Indices


def bets_of(null: Floats, ahead: Floats, means: Flags) -> Bets:
    """Return the bets against some nulls.

    Parameters
    ----------
    null
        Above 0, shape `(n_sides,)`; above `LARGEST_NULL` nothing is bet.
    ahead
        Alternatives, as `AHEAD`, or as `PANE_PARTS` where a side bets on the mean of a pane, shape
        `(n_sides, n_gains)`.
    means
        Sides that bet on the mean of a pane, shape `(n_sides,)`.
    """
    live = null <= LARGEST_NULL
    m = np.minimum(null, LARGEST_NULL)[:, None]
    way = 1 - m
    most = np.linspace(*PARTS, ahead.shape[1]) * way
    q = m + np.where(means[:, None], ahead * way, np.minimum(ahead, most))
    return Bets(
        null=m[:, 0],
        goal=q,
        rise=np.log(q / m) / STEP,
        fall=(np.log1p(-q) - np.log1p(-m)) / STEP,
        live=live,
        means=np.flatnonzero(means & live),
    )


def levels_of(places: Places, evidence: Floats, gains: int) -> Floats:
    """Return the level at which one bet alone gives its group some evidence, `(n_sides, 1)`.

    Parameters
    ----------
    places
        The sides.
    evidence
        Of each group, shape `(n_groups,)`.
    gains
        Number of alternatives.
    """
    sides = np.repeat(places.sizes, places.sizes)
    found = np.log(evidence[places.group] * gains * sides / LEAST_KEPT) / STEP + 1
    levels: Floats = np.minimum(found, TOP)[:, None]
    return levels


def nothing_seen(places: Places, gains: int) -> State:
    """Return the state before the first pane, shape `(n_sides, n_gains)`."""
    return np.zeros((places.size, gains), np.uint8)


def gain_of(bets: Bets, hits: Floats, rows: Floats, worth: Floats) -> Floats:
    """Return what a pane does to evidence, in steps of levels, shape `(…, n_sides, n_gains)`.

    Parameters
    ----------
    bets
        What is bet.
    hits, rows
        Rows on each side's own direction, and all of its column, shape `(…, n_sides)`.
    worth
        Rows that are worth one independent row, shape `(…, n_sides)`.
    """
    c = (hits / worth)[..., None]
    gain: Floats = c * bets.rise + ((rows / worth)[..., None] - c) * bets.fall
    some = bets.means
    if some.size:
        m = bets.null[some][:, None]
        mean = (hits[..., some] / np.maximum(rows[..., some], 1.0))[..., None]
        stake = (bets.goal[some] - m) / (m * (1 - m))
        gain[..., some, :] = np.log1p(stake * (mean - m)) / STEP
    return gain


def advance(state: State, gain: Floats, betting: Flags, ceiling: Floats, place: int = 0) -> State:
    """Return the state after one pane.

    Parameters
    ----------
    state
        Levels, shape `(…, n_sides, n_gains)`.
    gain
        Of the pane, in steps of levels, of the same shape.
    betting
        Sides that bet this time, shape `(…, n_sides)`.
    ceiling
        The highest level of each side, shape `(n_sides, 1)`.
    place
        Where the sequence of draws begins, as `place_of` says.
    """
    drawn = draws(state.size)[place : place + state.size].reshape(state.shape)
    reached = np.take(_ONE_MORE, state)
    reached += gain
    reached += drawn
    np.minimum(reached, ceiling, out=reached)
    np.maximum(reached, 0.0, out=reached)
    after: State = reached.astype(np.uint8)
    return after if betting.all() else np.where(betting[..., None], after, state)


def place_of(number: int) -> int:
    """Return where the draws of a tick begin, evenly spread over ticks (splitmix64, Steele 2014).

    Parameters
    ----------
    number
        Of the tick, or of the tick and a replica; any whole number.
    """
    mask = 2**64 - 1
    mixed = (number + 0x9E3779B97F4A7C15) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & mask
    return (mixed ^ (mixed >> 31)) % STARTS


def by_group(state: State, places: Places) -> Floats:
    """Return the evidence of each group, the mean over its sides and alternatives.

    Returns
    -------
    NDArray
        Shape `(…, n_groups)`; 0 for a group without sides.
    """
    found = np.zeros((*state.shape[:-2], places.groups))
    if state.size:
        gains = state.shape[-1]
        means = np.take(LEVELS, state) @ np.full(gains, 1 / gains)
        found[..., places.filled] = np.add.reduceat(means, places.starts, axis=-1) / places.sizes
    return found


def draws(size: int) -> Floats:
    """Return the draws of all ticks, at least `STARTS + size` numbers from 0 to below 1."""
    return _sequence(1 << max(0, size - 1).bit_length())


@lru_cache(maxsize=4)
def _sequence(size: int) -> Floats:
    """Return numbers w in [0, 1) such that rounding down a level's number plus w keeps the mean.

    Of evidence a part f of the way (in logarithms) between two levels a ratio r apart, the part
    (r^f - 1) / (r - 1) has to go up: w >= 1 - f must have that probability. So a uniform u becomes
    w = 1 - log_r(r - u (r - 1)).
    """
    uniform = np.mod((np.arange(STARTS + size) + 0.5) * GOLDEN, 1.0)
    ratio = np.exp(STEP)
    drawn: Floats = 1 - np.log(ratio - uniform * (ratio - 1)) / STEP
    return np.clip(drawn, 0.0, np.nextafter(1.0, 0.0))
