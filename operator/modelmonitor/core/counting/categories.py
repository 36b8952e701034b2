"""Values to category text, and category text to counts.

Category text: text as it is; `true` and `false`; numbers without a fractional part as integers
(3.0 is `3`), other numbers in Python's shortest form (`2.5`); bytes as UTF-8. None and NaN are
missing. Lists and objects are of the wrong type.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import numpy as np

from modelmonitor.core.counting.novel import Naming, NovelTable
from modelmonitor.core.counting.numeric import Values
from modelmonitor.core.wire.pane import ColumnCounts

_EXACT_INTEGERS: Final = 1e15
"""Floats below this are written as integers; above, not every integer is a float."""
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


def is_blank(text: str) -> bool:
    """Return whether a text has no character that is no space."""
    return not text or text.isspace()


class CategoryCounter:
    """Counts one column's categories.

    Parameters
    ----------
    categories
        Those of the baseline, in its order.
    naming
        Says what may be said of values that are not among them; None: they are only counted.
    """

    def __init__(self, categories: Sequence[str], naming: Naming | None) -> None:
        self._positions = {name: position for position, name in enumerate(categories)}
        self._cells = [0] * (len(categories) + 1)
        self._missing = self._mismatched = self._empty = 0
        self._naming = naming
        self._novel: NovelTable | None = None

    def add(self, values: Values) -> None:
        """Count values."""
        for value, rows in tally(values):
            try:
                text = category_text(value)
            except TypeError:
                self._mismatched += rows
                continue
            if text is None:
                self._missing += rows
                continue
            if is_blank(text):
                self._empty += rows
            if (position := self._positions.get(text)) is not None:
                self._cells[position] += rows
            else:
                self._cells[-1] += rows
                self._add_novel(text, rows)

    def counts(self) -> ColumnCounts:
        """Return what was counted so far; rows are not."""
        return ColumnCounts(
            missing=self._missing,
            mismatched=self._mismatched,
            unknown=self._cells[-1],
            empty=self._empty,
            cells=list(self._cells),
            novel=self._novel.counts(self._naming) if self._novel and self._naming else {},
        )

    def _add_novel(self, text: str, rows: int) -> None:
        if self._naming is None:
            return
        if self._novel is None:
            self._novel = NovelTable()
        self._novel.add(text, rows)


def tally(values: Values) -> Iterable[tuple[Any, int]]:
    """Count equal values; True, 1 and 1.0 are equal to Python, but not the same category."""
    if isinstance(values, np.ndarray):
        values = values.ravel().tolist()
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
