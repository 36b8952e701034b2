"""Values to counts: one column's values, as numbers or as category text, at the baseline's cells.

Observer and profile builder both count through this module, so that a value of the training data
and the same value on the wire always fall into the same cell.

Category text: text as it is; `true` and `false`; numbers without a fractional part as integers
(3.0 is `3`), other numbers in Python's shortest form (`2.5`); bytes as UTF-8. None and NaN are
missing. Lists and objects are of the wrong type.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from datasketches import kll_floats_sketch
from numpy.typing import NDArray

from modelmonitor.core.profile import ColumnKind
from modelmonitor.core.wire.pane import ColumnCounts

Values: TypeAlias = "Sequence[Any] | NDArray[Any]"
"""A column's values: as decoded from the wire, or an array of numbers, shape (n,)."""

SKETCH_K: Final = 200
"""Size of the KLL sketch: 1.1 kB, rank error 1.33 %."""
LARGEST_SUMMED: Final = 1e100
"""Numbers beyond are counted in their cell but left out of the sums: one 1e300 from a caller would
make the sum of squares infinite, and a pane with it is not believed."""

_EXACT_INTEGERS: Final = 1e15
"""Floats below this are written as integers; above, not every integer is a float."""
_NUMBER_TYPES: Final = frozenset({float, int, bool, type(None)})
_SCALAR_TYPES: Final = frozenset({str, bytes, bool, int, float})


def category_text(value: object) -> str | None:
    """Return the text that names a value's category.

    Returns
    -------
    str or None
        None for a missing value (None or NaN).

    Raises
    ------
    TypeError
        If the value is not a scalar.
    """
    match value:
        case None:
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _float_text(value)
        case bytes():
            return value.decode("utf-8", errors="replace")
        case np.generic():
            return category_text(value.item())
        case _:
            raise TypeError(f"a category is text, a number or a truth value, not {type(value)}")


def _float_text(value: float) -> str | None:
    if math.isnan(value):
        return None
    if value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return str(int(value))
    return repr(value)


def count_cells(
    values: NDArray[np.float64], cuts: Sequence[float] | NDArray[np.float64]
) -> NDArray[np.int64]:
    """Return how many numbers fall into each cell of a column.

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
        Shape (len(cuts) + 1,).
    """
    cells = np.searchsorted(np.asarray(cuts, dtype=np.float64), values, side="left")
    return np.bincount(cells, minlength=len(cuts) + 1).astype(np.int64)


class ColumnCounter:
    """Counts one column's values, batch by batch.

    Parameters
    ----------
    kind
        Numeric and Categorical columns get cells; Text columns rows and missing values only.
    cuts
        Numeric: the baseline's cut points.
    categories
        Categorical: the baseline's categories, in its order.
    """

    def __init__(
        self, kind: ColumnKind, *, cuts: Sequence[float] = (), categories: Sequence[str] = ()
    ) -> None:
        self._kind = kind
        self._cuts = np.asarray(cuts, dtype=np.float64)
        self._positions = {name: position for position, name in enumerate(categories)}
        cells = len(cuts) if kind is ColumnKind.NUMERIC else len(categories)
        self._cells = np.zeros(cells + 1, dtype=np.int64)
        self._sketch = kll_floats_sketch(SKETCH_K)
        self._rows = self._missing = self._mismatched = 0
        self._infinite = self._below = self._above = self._unknown = 0
        self._total = self._squares = 0.0

    def add_missing(self, rows: int) -> None:
        """Count rows in which the column was absent."""
        self._rows += rows
        self._missing += rows

    def add(self, values: Values) -> None:
        """Count values as they were decoded from the wire or read from a file.

        Any value is accepted; what does not belong in the column is counted as mismatched.
        """
        self._rows += len(values)
        if self._kind is ColumnKind.NUMERIC:
            self._add_numbers(self._numbers(values))
        elif self._kind is ColumnKind.CATEGORICAL:
            self._add_categories(values)
        else:
            self._missing += sum(1 for value in values if _is_missing(value))

    def counts(self) -> ColumnCounts:
        """Return what was counted so far; cells are empty for text columns."""
        counted = self._kind in {ColumnKind.NUMERIC, ColumnKind.CATEGORICAL}
        return ColumnCounts(
            rows=self._rows,
            missing=self._missing,
            mismatched=self._mismatched,
            infinite=self._infinite,
            below=self._below,
            above=self._above,
            unknown=self._unknown,
            cells=self._cells.tolist() if counted else [],
            total=self._total,
            squares=self._squares,
            sketch=b"" if self._sketch.is_empty() else bytes(self._sketch.serialize()),
        )

    def _numbers(self, values: Values) -> NDArray[np.float64]:
        if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
            return values.astype(np.float64).ravel()
        if not set(map(type, values)) <= _NUMBER_TYPES:
            kept = [value for value in values if _is_number(value)]
            self._mismatched += len(values) - len(kept)
            values = kept
        return _to_floats(values)

    def _add_numbers(self, numbers: NDArray[np.float64]) -> None:
        missing = np.isnan(numbers)
        absent = int(missing.sum())
        if absent:
            self._missing += absent
            numbers = numbers[~missing]
        if not numbers.size:
            return
        self._cells += count_cells(numbers, self._cuts)
        if self._cuts.size:
            self._below += int((numbers < self._cuts[0]).sum())
            self._above += int((numbers > self._cuts[-1]).sum())
        finite = numbers[np.isfinite(numbers)]
        self._infinite += numbers.size - finite.size
        summed = finite[np.abs(finite) <= LARGEST_SUMMED]
        self._total += float(summed.sum())
        self._squares += float(np.square(summed).sum())
        with np.errstate(over="ignore"):
            self._sketch.update(finite.astype(np.float32))

    def _add_categories(self, values: Values) -> None:
        for value, times in _tally(values):
            try:
                text = category_text(value)
            except TypeError:
                self._mismatched += times
                continue
            if text is None:
                self._missing += times
                continue
            position = self._positions.get(text)
            if position is None:
                self._unknown += times
                position = len(self._positions)
            self._cells[position] += times


def _tally(values: Values) -> Iterable[tuple[Any, int]]:
    """Count equal values; True, 1 and 1.0 are equal to Python, but not the same category."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    types = set(map(type, values))
    if len(types) == 1 and types <= _SCALAR_TYPES:
        return Counter(values).items()
    tally: Counter[tuple[type, Any]] = Counter()
    rest: list[tuple[Any, int]] = []
    for value in values:
        if type(value) in _SCALAR_TYPES:
            tally[type(value), value] += 1
        else:
            rest.append((value, 1))
    return [*((value, times) for (_, value), times in tally.items()), *rest]


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float | np.floating) and math.isnan(value))


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, float | int | np.floating | np.integer | np.bool_)


def _to_floats(values: Values) -> NDArray[np.float64]:
    try:
        return np.array(values, dtype=np.float64)
    except OverflowError:  # an integer of hundreds of digits
        return np.array([_to_float(value) for value in values], dtype=np.float64)


def _to_float(value: Any) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
