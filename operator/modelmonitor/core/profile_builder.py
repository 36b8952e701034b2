"""Building the baseline profile from the rows that the model should see: arrays in, profile out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.columns import ColumnCounter, category_text, cells_of
from modelmonitor.core.profile import (
    MAX_NAME,
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    Envelope,
    OutputLocator,
    Profile,
)
from modelmonitor.core.statistics.dependence import (
    LEAST_ENVELOPE_BLOCKS,
    Blocks,
    BlockShares,
    blocks_of,
    curve_of,
    inflation,
)
from modelmonitor.core.times import format_time

EDGES: Final = 20
"""Quantile edges between minimum and maximum of a numeric column."""
CATEGORY_LIMIT: Final = 200
"""Categories that are listed; what is rarer goes into the rest class."""
FEW_ROWS: Final = 1000
"""Values below which a column's shares are known too badly to see small shifts."""
DAY: Final = 86_400.0
ENVELOPE_SECONDS: Final = (5.0, 60.0, 3600.0)
"""Block lengths of the envelopes; a monitor takes the longest that is not above its interval."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Values = NDArray[Any] | Sequence[Any]


class BaselineDataError(ValueError):
    """Rows from which no profile can be built; the message says what to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """A column of the table that the model answers with.

    Attributes
    ----------
    column
        Name of the column.
    role
        Label (the predicted class or value) or Score.
    locator
        Where it stands in the response; the output of the same name if not given.
    """

    column: str
    role: ColumnRole
    locator: OutputLocator | None = None


def build_profile(
    table: Mapping[str, Values],
    *,
    inputs: Sequence[str] | None = None,
    categorical: Collection[str] = (),
    outputs: Sequence[OutputColumn] = (),
    times: Floats | None = None,
    envelope_seconds: Sequence[float] = ENVELOPE_SECONDS,
) -> Profile:
    """Return the profile of a table of rows.

    Parameters
    ----------
    table
        Column name → values, all of one length `n_rows`. None and NaN are missing. Numbers become
        numeric columns, everything else categorical ones.
    inputs
        The model's inputs in serving order; every column that is no output if not given.
    categorical
        Columns of numbers that are codes, not quantities.
    outputs
        The columns that the model answers with.
    times
        Seconds since the epoch of each row, shape `(n_rows,)`, in any order. Without times nothing
        is known about the rows' dependence.
    envelope_seconds
        Lengths of the blocks whose extremes are kept, increasing.

    Raises
    ------
    BaselineDataError
        If there are no rows, a column is missing, or lengths differ.
    """
    answered = [output.column for output in outputs]
    named = [name for name in table if name not in answered] if inputs is None else list(inputs)
    rows = _check_table(table, [*named, *answered], times)
    parts = _time_blocks(times, envelope_seconds)
    # The label comes before the score, in whichever order they are named.
    answers = sorted(outputs, key=lambda output: output.role is ColumnRole.SCORE)
    wishes = [
        *(_Wish(name=name, categorical=name in categorical) for name in named),
        *(_output_wish(output, table[output.column], categorical) for output in answers),
    ]
    columns = [_column(table[wish.name], wish, parts) for wish in wishes]
    first, last = (float(times.min()), float(times.max())) if times is not None else (0.0, 0.0)
    return Profile(
        rows=rows,
        columns=columns,
        firstTime=format_time(first) if parts else "",
        lastTime=format_time(last) if parts else "",
        ordered=bool(parts),
        warnings=_weaknesses(rows, last - first, ordered=bool(parts)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wish:
    """What the caller asked of a column, before its values are seen."""

    name: str
    role: ColumnRole = ColumnRole.INPUT
    locator: OutputLocator | None = None
    categorical: bool = False


def _output_wish(output: OutputColumn, values: Values, categorical: Collection[str]) -> _Wish:
    classes = output.role is ColumnRole.LABEL and _few_whole_numbers(values)
    return _Wish(
        name=output.column,
        role=output.role,
        locator=output.locator or OutputLocator(output=output.column),
        categorical=classes or output.column in categorical,
    )


def _check_table(table: Mapping[str, Values], names: Sequence[str], times: Floats | None) -> int:
    if not names:
        raise BaselineDataError("there is no column: name the model's inputs")
    for name in names:
        if name not in table:
            known = ", ".join(list(table)[:20])
            raise BaselineDataError(f"there is no column {name}: the columns are {known}")
        if not name or len(name) > MAX_NAME:
            raise BaselineDataError(f"column names have 1 to {MAX_NAME} characters: {name[:50]!r}")
    if len(set(names)) != len(names):
        raise BaselineDataError("a column is named twice: an output cannot be an input as well")
    lengths = {name: len(table[name]) for name in names}
    rows = lengths[names[0]]
    for name, length in lengths.items():
        if length != rows:
            raise BaselineDataError(f"column {name} has {length} values, {names[0]} has {rows}")
    if rows == 0:
        raise BaselineDataError("the table has no rows")
    if times is not None and (len(times) != rows or not np.all(np.isfinite(times))):
        raise BaselineDataError(
            "times must be one finite number a row: drop or repair the rows without a time"
        )
    return rows


def _time_blocks(times: Floats | None, seconds: Sequence[float]) -> list[Blocks]:
    """Return the blocks of each length; none if there is no time to order rows by."""
    if times is None or float(np.ptp(times)) == 0:
        return []
    # Times that are coarse make the shortest blocks alike; once is enough.
    parts = {
        blocks.seconds: blocks
        for blocks in (blocks_of(np.asarray(times, np.float64), each) for each in sorted(seconds))
    }
    return list(parts.values())


def _weaknesses(rows: int, span: float, *, ordered: bool) -> list[str]:
    found = []
    if rows < FEW_ROWS:
        found.append(f"the baseline has only {rows} rows; {FEW_ROWS} or more are needed")
    if not ordered:
        found.append(
            "the rows have no times, so they are taken for independent: drift of values that "
            "wander by themselves, such as weather, will be reported; build with --time"
        )
    elif span < DAY:
        found.append("the rows span less than a day: hours that they do not hold will be reported")
    return found


def _column(values: Values, wish: _Wish, parts: Sequence[Blocks]) -> ColumnProfile:
    numbers = None if wish.categorical else _numbers(values)
    if numbers is not None:
        return _numeric(numbers, wish, parts)
    try:
        texts = [category_text(value) for value in values]
    except TypeError as error:
        raise BaselineDataError(
            f"column {wish.name} holds lists or objects: split it into columns or leave it out"
        ) from error
    return _categorical(texts, wish, parts)


def _numbers(values: Values) -> Floats | None:
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


def _few_whole_numbers(values: Values) -> bool:
    """Return whether a predicted label is a class: whole numbers, not too many different ones."""
    numbers = _numbers(values)
    if numbers is None:
        return True
    distinct = np.unique(numbers[np.isfinite(numbers)])
    return distinct.size <= CATEGORY_LIMIT and bool(np.all(distinct == np.round(distinct)))


def _numeric(values: Floats, wish: _Wish, parts: Sequence[Blocks]) -> ColumnProfile:
    column = _ordered(ColumnKind.NUMERIC, values, wish, parts)
    finite = values[np.isfinite(values)]
    return msgspec.structs.replace(column, warnings=_numeric_warnings(finite))


def _text(texts: Sequence[str | None], wish: _Wish, parts: Sequence[Blocks]) -> ColumnProfile:
    """Return the profile of text: of its lengths, and of nothing else."""
    lengths = np.array([np.nan if text is None else len(text) for text in texts], np.float64)
    column = _ordered(ColumnKind.TEXT, lengths, wish, parts)
    warnings = ["most values differ: of this text or identifier only the length is watched"]
    if len(column.cuts) == 1:
        warnings.append("every value has the same length: any other one will be reported")
    return msgspec.structs.replace(column, warnings=warnings)


def _ordered(
    kind: ColumnKind, values: Floats, wish: _Wish, parts: Sequence[Blocks]
) -> ColumnProfile:
    """Return the profile of numbers, or of the lengths of text, counted as collectors do."""
    present = ~np.isnan(values)
    cuts = [float(cut) for cut in _cuts(values[np.isfinite(values)])]
    cells = np.full(values.shape, -1, np.int64)
    cells[present] = cells_of(values[present], cuts)
    counter = ColumnCounter(ColumnKind.NUMERIC, cuts=cuts)
    counter.add(values)
    counts = counter.counts()
    phi, envelopes = _dependence(kind, cells, len(cuts) + 1, parts)
    return ColumnProfile(
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
        phi=phi,
        envelopes=envelopes,
    )


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


def _categorical(
    texts: Sequence[str | None], wish: _Wish, parts: Sequence[Blocks]
) -> ColumnProfile:
    present = np.array([text is not None for text in texts], bool)
    distinct, index, counts = np.unique(
        np.array([text for text in texts if text is not None], object).astype(str),
        return_inverse=True,
        return_counts=True,
    )
    if distinct.size > CATEGORY_LIMIT and 2 * distinct.size > index.size:
        return _text(texts, wish, parts)
    # Most frequent first, equally frequent ones by name, so that equal data gives equal profiles.
    order = np.lexsort((distinct, -counts))
    listed = [place for place in order if len(distinct[place]) <= MAX_NAME][:CATEGORY_LIMIT]
    rank = np.full(distinct.size, len(listed), np.int64)
    rank[listed] = np.arange(len(listed))
    cells = np.full(len(texts), -1, np.int64)
    cells[present] = rank[index]
    phi, envelopes = _dependence(ColumnKind.CATEGORICAL, cells, len(listed) + 1, parts)
    return ColumnProfile(
        name=wish.name,
        kind=ColumnKind.CATEGORICAL,
        role=wish.role,
        locator=wish.locator,
        rows=len(texts),
        missing=int((~present).sum()),
        categories=[str(distinct[place]) for place in listed],
        complete=len(listed) == distinct.size,
        cells=[int(count) for count in np.bincount(rank[index], minlength=len(listed) + 1)],
        phi=phi,
        envelopes=envelopes,
        warnings=_categorical_warnings(int(present.sum()), distinct.size, len(listed)),
    )


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


def _dependence(
    kind: ColumnKind, cells: Ints, n_cells: int, parts: Sequence[Blocks]
) -> tuple[float, list[Envelope]]:
    """Return phi and the envelopes of one column."""
    if not parts or not np.any(cells >= 0):
        return 1.0, []
    curves = [curve_of(kind, cells, n_cells, blocks) for blocks in parts]
    phi = inflation(curves[0])
    shortest = [curve[0] for curve in curves if curve]
    envelopes = [_envelope(point) for point in shortest if point.blocks >= LEAST_ENVELOPE_BLOCKS]
    return round(phi, 3), envelopes


def _envelope(point: BlockShares) -> Envelope:
    """Return what is kept of the blocks of one length; rounding widens, never narrows."""
    return Envelope(
        seconds=point.seconds,
        phi=round(inflation([point]), 3),
        low=[float(share) for share in np.floor(point.low * 1000) / 1000],
        high=[float(share) for share in np.ceil(point.high * 1000) / 1000],
    )
