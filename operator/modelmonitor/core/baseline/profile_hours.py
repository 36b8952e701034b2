"""Counts by hour of the week, packed: 168 rows of counts a column, small enough for a ConfigMap.

Every hour's counts are scaled to at most `most` rows and written as what is left after predicting
them from the hours before; what is left is small and deflates well. Scaling costs nothing that
matters: a share is then known to 1 / `most`, far below any tolerance, while the rows that an hour
really had are kept beside it. All arithmetic of the prediction is in whole numbers, so that every
machine reads back the same counts.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

HOURS_OF_DAY: Final = 24
HOURS_OF_WEEK: Final = 168
DAYS: Final = 7
MOST_SCALES: Final = tuple(2**power for power in range(14, 4, -1))
"""Rows that an hour's counts may be scaled to, finest first. They fit 16 bits with a sign."""
FORMAT: Final = 1
"""First byte of packed counts; another meaning gets another number."""
MOST_CELLS: Final = 257
"""Cells of a column beyond which it is not counted by hour."""


class InvalidHoursError(ValueError):
    """Packed counts that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class HourCounts:
    """Counts of one column by hour of the week, Monday 0:00 first.

    Attributes
    ----------
    rows
        Values of each hour, shape `(168,)`.
    cells
        Counts of each hour, scaled to the same sum for hours with many rows, shape
        `(168, n_cells)`.
    """

    rows: Counts
    cells: Counts

    @property
    def shares(self) -> Floats:
        """Share of each cell in each hour, shape `(168, n_cells)`; 0 in hours without rows."""
        found: Floats = self.cells / np.maximum(self.cells.sum(axis=1, keepdims=True), 1)
        return found

    @property
    def counts(self) -> Floats:
        """Rows of each cell in each hour, shape `(168, n_cells)`; exact where nothing was scaled.

        Rows of scaled hours need not be whole numbers.
        """
        return self.shares * self.rows[:, None]


def pack_hours(counts: Counts, budget: int, pooled: Sequence[int] | None = None) -> bytes | None:
    """Return counts by hour of the week as bytes.

    Parameters
    ----------
    counts
        Shape `(168, n_cells)`, whole numbers at least 0.
    budget
        Bytes that the result may have. The finest scale that fits is taken.
    pooled
        The counts over all hours that `unpack_hours` will be given, with as many rows; by default
        the sums of `counts`, which they are wherever those are exact.

    Returns
    -------
    bytes
        None if not even the coarsest scale fits, or there are too many cells.
    """
    if counts.shape[1] > MOST_CELLS:
        return None
    rows = counts.sum(axis=1)
    whole = counts.sum(axis=0) if pooled is None else np.array(pooled, np.int64)
    for most in MOST_SCALES:
        packed = _packed(rows, _scaled(counts, rows, most), whole, most)
        if len(packed) <= budget:
            return packed
    return None


def added(one: HourCounts, other: HourCounts) -> Counts:
    """Return the counts of two columns with the same cells together, shape `(168, n_cells)`.

    Exact where neither was scaled; else whole rows nearest to the truth, as many in every hour.
    """
    bounds = np.rint(np.cumsum(one.counts + other.counts, axis=1)).astype(np.int64)
    bounds[:, -1] = one.rows + other.rows
    counts: Counts = np.diff(np.minimum(bounds, bounds[:, -1:]), axis=1, prepend=0)
    return counts


def unpack_hours(packed: bytes, pooled: Sequence[int]) -> HourCounts:
    """Return counts by hour of the week from bytes.

    Parameters
    ----------
    packed
        As `pack_hours` wrote them. They are believed to be no counts until they are seen to be.
    pooled
        The same column's counts over all hours, at most 2**48 together.

    Raises
    ------
    InvalidHoursError
        If the bytes are not counts whose rows add up to the pooled ones.
    """
    n_cells = len(pooled)
    wide = HOURS_OF_WEEK * n_cells
    if n_cells > MOST_CELLS:
        raise InvalidHoursError(f"a column counted by hour has at most {MOST_CELLS} cells")
    size = 4 + 8 * HOURS_OF_WEEK + 2 * wide
    if packed[:1] != bytes([FORMAT]):
        raise InvalidHoursError("the counts by hour are of a format that is not known")
    try:
        # One byte more than wanted is enough to see that it is something else.
        plain = zlib.decompressobj().decompress(packed[1:], size + 1)
    except zlib.error as error:
        raise InvalidHoursError("the counts by hour are not readable") from error
    if len(plain) != size:
        raise InvalidHoursError(f"the counts by hour must be {HOURS_OF_WEEK} x {n_cells}")
    most = int.from_bytes(plain[:4], "little")
    rows = _from_planes(plain[4 : 4 + 8 * HOURS_OF_WEEK], 8).view("<i8").astype(np.int64)
    left = _from_planes(plain[4 + 8 * HOURS_OF_WEEK :], 2).view("<u2").astype(np.int64)
    _check_rows(rows, pooled, most)
    signed = np.where(left & 1, -((left + 1) >> 1), left >> 1)
    cells = _predictions(np.minimum(rows, most), np.array(pooled, np.int64), None, signed)
    if (cells < 0).any() or (cells.sum(axis=1) != np.minimum(rows, most)).any():
        raise InvalidHoursError("the counts by hour must be at least 0 and add up to the rows")
    return HourCounts(rows, cells)


def _check_rows(rows: Counts, pooled: Sequence[int], most: int) -> None:
    if most not in MOST_SCALES:
        raise InvalidHoursError("the counts by hour are scaled to an odd number of rows")
    total = sum(pooled)
    if ((rows < 0) | (rows > total)).any() or int(rows.sum()) != total:
        raise InvalidHoursError("the rows of the hours must add up to the rows of the column")


def _scaled(counts: Counts, rows: Counts, most: int) -> Counts:
    """Return counts with at most `most` rows an hour; cumulative ones are rounded, to the nearest.

    So no cumulative share is wrong by more than half a row.
    """
    scaled = np.minimum(rows, most)[:, None]
    total = np.maximum(rows, 1)[:, None]
    bounds = (2 * np.cumsum(counts, axis=1) * scaled + total) // (2 * total)
    cells: Counts = np.diff(bounds, axis=1, prepend=0)
    return cells


def _packed(rows: Counts, cells: Counts, pooled: Counts, most: int) -> bytes:
    left = _predictions(np.minimum(rows, most), pooled, cells, None)
    zigzag = np.where(left < 0, -2 * left - 1, 2 * left)
    plain = (
        most.to_bytes(4, "little")
        + _to_planes(rows.astype("<i8"), 8)
        + _to_planes(zigzag.astype("<u2"), 2)
    )
    return bytes([FORMAT]) + zlib.compress(plain, 9)


def _predictions(
    scaled: Counts, pooled: Counts, cells: Counts | None, left: Counts | None
) -> Counts:
    """Return what is left of `cells` after the prediction, or the cells for what was `left`.

    Day by day, an hour's shares are predicted as the mean of the pooled ones, as if they were a
    day, and those of the same hour of the days before: half of a daily cycle is known after one
    day, and six sevenths after six, while chance of the days before does little harm.
    """
    n_cells, unit = pooled.size, MOST_SCALES[0]
    base = np.cumsum(pooled) * unit // max(int(pooled.sum()), 1)
    known = np.tile(base, (HOURS_OF_DAY, 1))
    days = np.ones((HOURS_OF_DAY, 1), np.int64)
    found = np.empty((DAYS, HOURS_OF_DAY, n_cells), np.int64)
    by_day = scaled.reshape(DAYS, HOURS_OF_DAY, 1)
    for day in range(DAYS):
        bounds = known * by_day[day] // (days * unit)
        guess = np.diff(bounds, axis=1, prepend=0)
        if cells is not None:
            true = cells.reshape(found.shape)[day]
            found[day] = true - guess
        elif left is not None:
            true = found[day] = left.reshape(found.shape)[day] + guess
        else:
            raise ValueError("either cells or what is left of them must be given")
        filled = by_day[day] > 0
        known = known + np.where(
            filled, np.cumsum(true, axis=1) * unit // np.maximum(by_day[day], 1), 0
        )
        days = days + filled
    return found.reshape(HOURS_OF_WEEK, n_cells)


def _to_planes(
    values: NDArray[np.unsignedinteger] | NDArray[np.signedinteger], width: int
) -> bytes:
    """Return numbers as bytes, all first bytes first: the last ones are mostly 0."""
    return values.reshape(-1).view(np.uint8).reshape(-1, width).T.tobytes()


def _from_planes(plain: bytes, width: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.frombuffer(plain, np.uint8).reshape(width, -1).T).reshape(-1)
