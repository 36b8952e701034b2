"""Values to counts: rows of several columns, each by its kind and the baseline's cells.

Observer and profile builder both count through this module, so that a value of the training data
and the same value on the wire always fall into the same cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.counting.categories import CategoryCounter, category_text
from modelmonitor.core.counting.novel import Naming
from modelmonitor.core.counting.numeric import Floats, NumberCounter, Values, to_numbers
from modelmonitor.core.counting.texts import TextCounter
from modelmonitor.core.wire.pane import ColumnCounts

__all__ = [
    "ColumnCells",
    "ColumnCounter",
    "RowCounter",
    "Values",
    "category_text",
    "cells_of",
    "count_cells",
]

MOST_VALUES: Final = 256 * 1024
"""Values that are counted in one go; more would take memory for no speed."""

_Counter: TypeAlias = CategoryCounter | TextCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCells:
    """How one column is counted.

    Attributes
    ----------
    kind
        Numeric columns get cells between cut points, categorical ones one cell a category, text
        columns cells of lengths where they have cut points; ignored columns are not counted.
    cuts
        The baseline's cut points: of numbers, or of lengths in characters.
    categories
        The baseline's categories, in its order.
    naming
        Says what may be said of other categories; None: they are only counted.
    key
        Of the hashes by which different texts are told apart.
    marks
        Numbers, or lengths in characters, about which is counted, too.
    """

    kind: ColumnKind
    cuts: Sequence[float] = ()
    categories: Sequence[str] = ()
    naming: Naming | None = None
    key: bytes = b""
    marks: Sequence[float] = ()


def cells_of(values: Floats, cuts: Sequence[float] | Floats) -> NDArray[np.int64]:
    """Return the cell of each number.

    Cell i is (cuts[i-1], cuts[i]]; the first is open below, the last above. Infinities are in the
    outermost cells.

    Parameters
    ----------
    values
        Shape (n,), without NaN.
    cuts
        Strictly increasing.

    Returns
    -------
    numpy.ndarray
        Shape (n,), 0 to len(cuts).
    """
    found = np.searchsorted(np.asarray(cuts, dtype=np.float64), values, side="left")
    return found.astype(np.int64)


def count_cells(values: Floats, cuts: Sequence[float] | Floats) -> NDArray[np.int64]:
    """Return how many numbers fall into each cell of a column, shape (len(cuts) + 1,)."""
    return np.bincount(cells_of(values, cuts), minlength=len(cuts) + 1).astype(np.int64)


class RowCounter:
    """Counts rows of several columns, many rows at once."""

    def __init__(self, columns: Sequence[ColumnCells]) -> None:
        numeric = [
            index for index, column in enumerate(columns) if column.kind is ColumnKind.NUMERIC
        ]
        self._numeric = {index: place for place, index in enumerate(numeric)}
        self._numbers = NumberCounter(
            [columns[index].cuts for index in numeric], [columns[index].marks for index in numeric]
        )
        self._others: dict[int, _Counter] = {}
        for index, column in enumerate(columns):
            if column.kind is ColumnKind.CATEGORICAL:
                self._others[index] = CategoryCounter(column.categories, column.naming)
            elif column.kind is ColumnKind.TEXT:
                self._others[index] = TextCounter(column.cuts, column.key, column.marks)
        self._most_rows = max(1, MOST_VALUES // max(1, len(columns)))
        self._mismatched = [0] * len(columns)
        self._absent = [0] * len(columns)
        self._rows = 0

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Count rows.

        Any value is accepted; what does not belong in its column is counted as mismatched.

        Parameters
        ----------
        columns
            The values of each column. Where there are fewer than `rows`, they are missing.
        rows
            How many there are.
        """
        for start in range(0, rows, self._most_rows):
            end = min(start + self._most_rows, rows)
            part = columns if rows <= self._most_rows else [each[start:end] for each in columns]
            self._add(part, end - start)

    def add_matrix(self, values: Values) -> None:
        """Count rows, given one after the other, each with a value for every column."""
        width = len(self._mismatched)
        size = max(1, width * self._most_rows)
        for start in range(0, len(values), size):
            part = values if len(values) <= size else values[start : start + size]
            self._add([part[index::width] for index in range(width)], len(part) // width)

    def counts(self, index: int) -> ColumnCounts:
        """Return what was counted of a column; nothing of an ignored one."""
        place = self._numeric.get(index)
        if place is not None:
            counts, mismatched = self._numbers.counts(place), self._mismatched[index]
            missing = self._rows - mismatched - self._numbers.valued(place)
        elif index in self._others:
            counts = self._others[index].counts()
            missing, mismatched = counts.missing + self._absent[index], counts.mismatched
        else:
            return ColumnCounts()
        return msgspec.structs.replace(
            counts, rows=self._rows, missing=missing, mismatched=mismatched
        )

    def _add(self, columns: Sequence[Values], rows: int) -> None:
        self._rows += rows
        if self._numeric:
            self._add_numbers(columns, rows)
        for index, counter in self._others.items():
            counter.add(columns[index])
            self._absent[index] += rows - len(columns[index])

    def _add_numbers(self, columns: Sequence[Values], rows: int) -> None:
        numbers = np.full((len(self._numeric), rows), np.nan)
        for index, place in self._numeric.items():
            found = to_numbers(columns[index])
            numbers[place, : found.floats.size] = found.floats
            self._mismatched[index] += found.mismatched
        self._numbers.add(numbers)


class ColumnCounter:
    """Counts one column's values, batch by batch."""

    def __init__(
        self, kind: ColumnKind, *, cuts: Sequence[float] = (), categories: Sequence[str] = ()
    ) -> None:
        self._rows = RowCounter([ColumnCells(kind=kind, cuts=cuts, categories=categories)])

    def add_missing(self, rows: int) -> None:
        """Count rows in which the column was absent."""
        self._rows.add([()], rows)

    def add(self, values: Values) -> None:
        """Count values as they were decoded from the wire or read from a file.

        Any value is accepted; what does not belong in the column is counted as mismatched.
        """
        self._rows.add([values], len(values))

    def counts(self) -> ColumnCounts:
        """Return what was counted so far."""
        return self._rows.counts(0)
