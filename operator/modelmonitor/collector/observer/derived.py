"""Counting derived columns: numbers that are computed of inputs whose values are not counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole
from modelmonitor.core.counting.columns import ColumnCells, RowCounter, Values
from modelmonitor.core.counting.derivation import Derivation
from modelmonitor.core.counting.derived import derive
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration
from modelmonitor.core.wire.pane import ColumnCounts

MOST_PAYLOADS: Final = 200
"""Pictures or sounds that are looked at for one column in one pane: some milliseconds each. Of the
others nothing is known; they are no rows of the column."""


@dataclass(slots=True)
class _Counted:
    """One derived column."""

    name: str
    source: int
    """Position of the input."""
    derivation: Derivation
    counter: RowCounter
    left: int = field(default=MOST_PAYLOADS)


class DerivedCounter:
    """Counts the derived columns of a configuration.

    Parameters
    ----------
    configuration
        None: there are none.
    """

    def __init__(self, configuration: CollectorConfiguration | None) -> None:
        columns = configuration.columns if configuration else []
        inputs = [column.name for column in columns if column.role is ColumnRole.INPUT]
        self._columns = [_counted(column, inputs) for column in columns if column.derived]

    @property
    def wanted(self) -> bool:
        """Whether there is any."""
        return bool(self._columns)

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows: the values of each input; of fewer, the rest is missing."""
        for each in self._columns:
            taken = rows
            if not each.derivation.is_cheap:
                taken = min(rows, each.left)
                each.left -= taken
            if taken:
                values = columns[each.source][:taken]
                each.counter.add([derive(each.derivation, values)], taken)

    def counts(self) -> dict[str, ColumnCounts]:
        """Return what was counted so far, by column."""
        return {each.name: each.counter.counts(0) for each in self._columns}


def _counted(column: ColumnConfiguration, inputs: Sequence[str]) -> _Counted:
    if column.derived is None:
        raise ValueError(f"column {column.name} is not derived")
    cells = ColumnCells(kind=ColumnKind.NUMERIC, cuts=column.cuts, marks=column.marks)
    return _Counted(
        name=column.name,
        source=inputs.index(column.derived.source),
        derivation=column.derived.derivation,
        counter=RowCounter([cells]),
    )
