"""The values of a column to its part of the profile: cut points or categories, counts, warnings."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import (
    MAX_NAME,
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    OutputLocator,
)
from modelmonitor.core.counting.categories import is_blank
from modelmonitor.core.counting.columns import ColumnCounter, category_text, cells_of

EDGES: Final = 20
"""Quantile edges between minimum and maximum of a numeric column."""
CATEGORY_LIMIT: Final = 200
"""Categories that are listed; what is rarer goes into the rest class."""
FEW_ROWS: Final = 1000
"""Values below which a column's shares are known too badly to see small shifts."""
PAYLOAD: Final = (
    "the column holds lists, objects or bytes, which are not counted: watch numbers computed of it "
    "(--derive), or it as an embedding (--embedding)"
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Values = NDArray[Any] | Sequence[Any]


class BaselineDataError(ValueError):
    """Rows from which no profile can be built; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the caller asked of a column, before its values are seen."""

    name: str
    role: ColumnRole = ColumnRole.INPUT
    locator: OutputLocator | None = None
    categorical: bool = False


@dataclass(frozen=True, slots=True)
class CountedColumn:
    """A column's part of the profile, and the cells of its rows.

    Attributes
    ----------
    profile
        Without anything that depends on the rows' times.
    cells
        Cell of each row's value, shape `(n_rows,)`; -1 where the row has no value.
    """

    profile: ColumnProfile
    cells: Ints


def count_column(values: Values, wish: Wish) -> CountedColumn:
    """Return the profile of a column's values, counted as collectors do.

    Lists, objects and bytes (pictures, embeddings) are not counted as what they are.
    """
    numbers = None if wish.categorical else numbers_of(values)
    if numbers is not None:
        return _numeric(numbers, wish)
    try:
        texts = [category_text(value) for value in values if not isinstance(value, bytes)]
    except TypeError:
        texts = []
    if len(texts) < len(values):
        return _opaque(len(values), wish)
    return _categorical(texts, wish)


def _opaque(rows: int, wish: Wish) -> CountedColumn:
    """Return the profile of payloads: the column has its place in the schema, and no counts."""
    profile = ColumnProfile(
        name=wish.name,
        kind=ColumnKind.IGNORED,
        role=wish.role,
        locator=wish.locator,
        rows=rows,
        warnings=[PAYLOAD],
    )
    return CountedColumn(profile, np.full(rows, -1, np.int64))


def numbers_of(values: Values) -> Floats | None:
    """Return the values as numbers with NaN for missing ones, None if they are not all numbers."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        plain = values.ndim == 1 and values.dtype.kind in "iuf"
        return values.astype(np.float64) if plain else None
    present = [value for value in values if value is not None]
    if not all(
        isinstance(value, int | float | np.number) and not isinstance(value, bool)
        for value in present
    ):
        return None
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)


def few_whole_numbers(values: Values) -> bool:
    """Return whether a predicted label is a class: whole numbers, not too many different ones."""
    numbers = numbers_of(values)
    if numbers is None:
        return True
    distinct = np.unique(numbers[np.isfinite(numbers)])
    return distinct.size <= CATEGORY_LIMIT and bool(np.all(distinct == np.round(distinct)))


def _numeric(values: Floats, wish: Wish) -> CountedColumn:
    finite = values[np.isfinite(values)]
    return _ordered(ColumnKind.NUMERIC, values, wish, _numeric_warnings(finite))


def _text(texts: Sequence[str | None], wish: Wish) -> CountedColumn:
    """Return the profile of text: of its lengths, and of nothing else."""
    lengths = np.array([np.nan if text is None else len(text) for text in texts], np.float64)
    warnings = ["most values differ: of this text or identifier only the length is watched"]
    if np.unique(lengths[~np.isnan(lengths)]).size == 1:
        warnings.append("every value has the same length: any other one will be reported")
    counted = _ordered(ColumnKind.TEXT, lengths, wish, warnings)
    empty = sum(text is not None and is_blank(text) for text in texts)
    return replace(counted, profile=msgspec.structs.replace(counted.profile, empty=empty))


def _ordered(kind: ColumnKind, values: Floats, wish: Wish, warnings: list[str]) -> CountedColumn:
    """Return the profile of numbers, or of the lengths of text."""
    present = ~np.isnan(values)
    cuts = [float(cut) for cut in _cuts(values[np.isfinite(values)])]
    cells = np.full(values.shape, -1, np.int64)
    cells[present] = cells_of(values[present], cuts)
    counter = ColumnCounter(ColumnKind.NUMERIC, cuts=cuts)
    counter.add(values)
    counts = counter.counts()
    profile = ColumnProfile(
        name=wish.name,
        kind=kind,
        role=wish.role,
        locator=wish.locator,
        rows=counts.rows,
        missing=counts.missing,
        cuts=cuts,
        cells=counts.cells,
        total=counts.total,
        squares=counts.squares,
        warnings=warnings,
    )
    return CountedColumn(profile, cells)


def _cuts(finite: Floats) -> Floats:
    """Return minimum, quantile edges and maximum, equal ones merged."""
    if not finite.size:
        return np.zeros(0)
    levels = np.arange(1, EDGES + 1) / (EDGES + 1)
    edges = np.quantile(finite, levels, method="inverted_cdf")
    return np.unique(np.concatenate([[finite.min()], edges, [finite.max()]]))


def _numeric_warnings(finite: Floats) -> list[str]:
    if not finite.size:
        return ["the column has no values: it cannot be watched"]
    distinct = np.unique(finite).size
    found = []
    if distinct == 1:
        found.append("the column has one value only: any other one will be reported")
    elif distinct == finite.size > FEW_ROWS and bool(np.all(finite == np.round(finite))):
        found.append("every value is another whole number: it looks like an identifier")
    if finite.size < FEW_ROWS:
        found.append(f"the column has only {finite.size} values; {FEW_ROWS} or more are needed")
    return found


def _categorical(texts: Sequence[str | None], wish: Wish) -> CountedColumn:
    present = np.array([text is not None for text in texts], bool)
    distinct, index, counts = np.unique(
        np.array([text for text in texts if text is not None], object).astype(str),
        return_inverse=True,
        return_counts=True,
    )
    if distinct.size > CATEGORY_LIMIT and 2 * distinct.size > index.size:
        return _text(texts, wish)
    # Most frequent first, equally frequent ones by name, so that equal data gives equal profiles.
    order = np.lexsort((distinct, -counts))
    listed = [place for place in order if len(distinct[place]) <= MAX_NAME][:CATEGORY_LIMIT]
    rank = np.full(distinct.size, len(listed), np.int64)
    rank[listed] = np.arange(len(listed))
    cells = np.full(len(texts), -1, np.int64)
    cells[present] = rank[index]
    profile = ColumnProfile(
        name=wish.name,
        kind=ColumnKind.CATEGORICAL,
        role=wish.role,
        locator=wish.locator,
        rows=len(texts),
        missing=int((~present).sum()),
        empty=int(counts[[is_blank(text) for text in distinct]].sum()),
        categories=[str(distinct[place]) for place in listed],
        complete=len(listed) == distinct.size,
        cells=[int(count) for count in np.bincount(rank[index], minlength=len(listed) + 1)],
        warnings=_categorical_warnings(int(present.sum()), distinct.size, len(listed)),
    )
    return CountedColumn(profile, cells)


def _categorical_warnings(values: int, distinct: int, listed: int) -> list[str]:
    if not values:
        return ["the column has no values: it cannot be watched"]
    found = []
    if distinct == 1:
        found.append("the column has one value only: any other one will be reported")
    if listed < distinct:
        found.append(
            f"the column has {distinct} different values: the {listed} most frequent ones are "
            "told apart, the others are counted together, and new ones are not noticed"
        )
    if values < FEW_ROWS:
        found.append(f"the column has only {values} values; {FEW_ROWS} or more are needed")
    return found
