"""How dependent rows are, learned from a stream of panes that is not kept.

Two neighbouring blocks of panes with shares f1 of n1 rows and f2 of n2 differ by chance with the
variance p (1 - p) (1/n1 + 1/n2); what their squared difference is more than that, on average, is
the inflation of shares over blocks of that length (the Haar wavelet variance, Percival 1995,
Biometrika 82:619). Each pair of blocks becomes one block of twice the length, so that what has to
be remembered grows with the logarithm of the stream: a pyramid.

The inflation is the largest over lengths with enough pairs. Correlation over times longer than a
sixteenth of what was seen does not show; it does later. Of each length the largest difference is
left out, and the mean corrected for that: a shift, which should be found, is one large difference
and must not pass for what the column does all the time.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.statistics.shares import Floats

LEVELS: Final = 14
"""Lengths of blocks: 1, 2, 4, … panes."""
LEAST_PAIRS: Final = 8
"""Pairs of a length below which it says nothing."""
FIRST: Final = 64
"""Panes after which something is said for the first time; then at twice as many, and so on."""
LAST: Final = FIRST * 2**8
"""Panes after which nothing more is learned: 11 days of minutes."""
GATE_LEVEL: Final = 0.03
"""Probability with which independent rows of a monitor are taken for dependent ones."""

QUANTILES: Final = 64
"""Points at which the law of a maximum is averaged."""

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Pyramid:
    """What is remembered of the panes so far.

    Attributes
    ----------
    panes
        How many there were.
    hits, rows
        Of the block that waits for its pair, if there is one: shapes
        `(LEVELS, n_columns, n_shares)` and `(LEVELS, n_columns)`.
    squares, largest, pairs
        Sum of squared differences over their variance by chance, the largest of them, and how many
        pairs had any, shape `(LEVELS, n_columns)`.
    phi
        The inflation as it was last said, at least 1, shape `(n_columns,)`.
    """

    panes: int
    hits: Singles
    rows: Singles
    squares: Singles
    largest: Singles
    pairs: Singles
    phi: Singles

    def to_bytes(self) -> bytes:
        """Return it as bytes."""
        flat = (self.squares, self.largest, self.pairs, self.phi)
        arrays = (self.hits, self.rows, *flat)
        return self.panes.to_bytes(4, "little") + b"".join(
            each.astype("<f4").tobytes() for each in arrays
        )


def size_of(columns: int, shares: int) -> int:
    """Return the bytes of a pyramid."""
    return 4 + 4 * (LEVELS * columns * (shares + 4) + columns)


def nothing_learned(columns: int, shares: int) -> Pyramid:
    """Return the pyramid before the first pane."""
    flat = np.zeros((LEVELS, columns), np.float32)
    hits = np.zeros((LEVELS, columns, shares), np.float32)
    return Pyramid(0, hits, flat, flat, flat, flat, np.ones(columns, np.float32))


def from_bytes(payload: bytes, columns: int, shares: int) -> Pyramid | None:
    """Return the pyramid of some bytes; None if they are not one, or hold what is no number."""
    if len(payload) != size_of(columns, shares):
        return None
    numbers = np.frombuffer(payload, "<f4", offset=4).astype(np.float32)
    if not (np.isfinite(numbers) & (numbers >= 0)).all():
        return None
    flat = LEVELS * columns
    ends = np.cumsum([flat * shares, flat, flat, flat, flat])
    hits, rows, squares, largest, pairs, phi = np.split(numbers, ends)
    return Pyramid(
        panes=int.from_bytes(payload[:4], "little"),
        hits=hits.reshape(LEVELS, columns, shares),
        rows=rows.reshape(LEVELS, columns),
        squares=squares.reshape(LEVELS, columns),
        largest=largest.reshape(LEVELS, columns),
        pairs=pairs.reshape(LEVELS, columns),
        phi=np.maximum(phi, 1),
    )


def learned(before: Pyramid, hits: Floats, rows: Floats) -> Pyramid:
    """Return the pyramid after one more pane.

    Parameters
    ----------
    before
        The pyramid so far.
    hits
        Rows of some shares of each column, shape `(n_columns, n_shares)`.
    rows
        Values of each column, shape `(n_columns,)`.
    """
    if before.panes >= LAST:
        return before
    waiting, sizes = before.hits.copy(), before.rows.copy()
    squares, pairs = before.squares.copy(), before.pairs.copy()
    largest = before.largest.copy()
    number, level = before.panes, 0
    # The bits of the number of panes say at which lengths a block waits for its pair.
    while number & 1 and level < LEVELS:
        square, known = _squared(waiting[level], sizes[level], hits, rows)
        squares[level] += square
        largest[level] = np.maximum(largest[level], square)
        pairs[level] += known
        hits, rows = waiting[level] + hits, sizes[level] + rows
        number, level = number >> 1, level + 1
    if level < LEVELS:
        waiting[level], sizes[level] = hits, rows
    panes = before.panes + 1
    due = panes >= FIRST and panes & (panes - 1) == 0
    phi = inflation(squares, largest, pairs) if due else before.phi
    return Pyramid(panes, waiting, sizes, squares, largest, pairs, phi)


def inflation(squares: Singles, largest: Singles, pairs: Singles) -> Singles:
    """Return the inflation of each column, shape `(n_columns,)`; 1 unless chance hardly does it.

    Parameters
    ----------
    squares, largest, pairs
        As in `Pyramid`.
    """
    enough = pairs >= LEAST_PAIRS
    number = np.maximum(pairs.astype(np.float64), 2.0)
    mean = np.where(enough, squares / number, 1.0)
    # One degree of freedom a pair, although it is a mean over shares: rather too few.
    part = 2 / (9 * number)
    z = NormalDist().inv_cdf(1 - GATE_LEVEL / max(1, int(enough.sum())))
    sure = (enough & (mean > (1 - part + z * np.sqrt(part)) ** 3)).any(axis=0)
    others = np.where(enough, (squares - largest) / _without_largest(number), 1.0)
    found: Singles = np.where(sure, np.maximum(others.max(axis=0), 1.0), 1.0).astype(np.float32)
    return found


def _without_largest(number: Floats) -> Floats:
    """Return the mean of a sum of squares of normal variables without the largest of them."""
    found = np.empty(number.shape)
    for one in np.unique(number).tolist():
        middles = (np.arange(QUANTILES) + 0.5) / QUANTILES
        law = NormalDist()
        quantiles = [law.inv_cdf((1 + u ** (1 / one)) / 2) ** 2 for u in middles.tolist()]
        found[number == one] = one - sum(quantiles) / QUANTILES
    return found


def _squared(
    hits: Singles, rows: Singles, others: Floats, other_rows: Floats
) -> tuple[Floats, Floats]:
    """Return the squared differences of two blocks over their variance by chance.

    Returns
    -------
    tuple
        The mean over the shares that vary at all, and 1.0 where there was one, else 0.0; shape
        `(n_columns,)`.
    """
    n, m = rows.astype(np.float64)[:, None], np.asarray(other_rows, np.float64)[:, None]
    k, h = hits.astype(np.float64), np.asarray(others, np.float64)
    both = np.maximum(n + m, 1.0)
    p = (k + h) / both
    usable = (n > 0) & (m > 0) & (p > 0) & (p < 1)
    n, m = np.maximum(n, 1.0), np.maximum(m, 1.0)
    chance = np.where(usable, p * (1 - p) * (1 / n + 1 / m), 1.0)
    square = np.where(usable, (k / n - h / m) ** 2 / chance, 0.0)
    some = usable.sum(axis=1)
    return square.sum(axis=1) / np.maximum(some, 1), (some > 0).astype(np.float64)
