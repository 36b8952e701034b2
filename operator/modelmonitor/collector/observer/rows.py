"""Decoded rows that wait to be counted together: one row alone costs as much as a hundred."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from modelmonitor.collector.observer.derived import DerivedCounter
from modelmonitor.collector.observer.names import NameTally
from modelmonitor.collector.observer.watching import input_watchers, output_watchers
from modelmonitor.collector.protocols.base import Column, Inputs, Rows
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole
from modelmonitor.core.counting.columns import ColumnCells, RowCounter, Values
from modelmonitor.core.counting.novel import hash_key, naming_of
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration
from modelmonitor.core.wire.pane import ColumnCounts

FLUSH_ROWS: Final = 512
"""Rows that wait before they are counted in one go; below 64 counting costs more per row."""
FLUSH_VALUES: Final = 64 * 1024
"""Values that wait: 2 MiB as Python's numbers."""
FLUSH_BYTES: Final = 1024 * 1024
"""Bytes of bodies whose values wait: text may be long."""


class RowBuffer:
    """Takes rows request by request, and counts them many at once.

    Parameters
    ----------
    configuration
        None: there are no columns.
    """

    def __init__(self, configuration: CollectorConfiguration | None) -> None:
        columns = configuration.columns if configuration else []
        inputs = [column for column in columns if column.role is ColumnRole.INPUT]
        outputs = [column for column in columns if column.role.is_output]
        self._inputs = inputs
        self._outputs = outputs
        self._input_rows = RowCounter([cells_for(column, configuration) for column in inputs])
        self._output_rows = [RowCounter([cells_for(column, configuration)]) for column in outputs]
        self._derived = DerivedCounter(configuration)
        self._input_watchers = input_watchers(configuration)
        self._output_watchers = output_watchers(configuration)
        self._names = NameTally() if configuration and configuration.checks.names else None
        self._most_waiting = max(1, min(FLUSH_ROWS, FLUSH_VALUES // max(1, len(inputs))))
        self._start_afresh()

    def add(self, rows: Rows, size: int) -> None:
        """Take the rows of a request.

        Parameters
        ----------
        rows
            As decoded.
        size
            Bytes that their values take about.

        Raises
        ------
        ValueError
            If they do not fit the configuration: the decoder is at fault. Nothing is counted.
        """
        inputs = rows.inputs
        matrix = inputs.matrix
        if rows.outputs and len(rows.outputs) != len(self._output_values):
            raise ValueError("a decoder's outputs are not the configured ones")
        if matrix is None:
            self._take_columns(inputs)
        elif len(matrix) != inputs.rows * len(self._inputs):
            raise ValueError("a decoder's rows do not have the configured columns")
        elif isinstance(matrix, np.ndarray):
            self._arrays.setdefault(matrix.dtype.str, []).append(matrix)
        else:
            self._matrix.extend(matrix)
        if self._names is not None and inputs.unexpected is not None:
            self._names.add(inputs.unexpected)
        if rows.outputs:
            _extend(self._output_values, rows.outputs)
            if self._output_watchers and all(each is not None for each in rows.outputs):
                _extend(self._answers, rows.outputs)
        self._waiting += inputs.rows
        self._size += size
        if self._waiting >= self._most_waiting or self._size >= FLUSH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Count the rows that wait."""
        if not self._waiting:
            return
        matrices: list[Values] = [self._matrix] if self._matrix else []
        matrices += [np.concatenate(arrays) for arrays in self._arrays.values()]
        for matrix in matrices:
            self._input_rows.add_matrix(matrix)
        self._input_rows.add(self._columns, self._column_rows)
        for counter, values in zip(self._output_rows, self._output_values, strict=True):
            counter.add([values], len(values))
        self._watch(matrices)
        self._start_afresh()

    def parts(self) -> dict[str, Any]:
        """Return what is known of whole rows: values of fields of `Pane`, by name."""
        self.flush()
        found: dict[str, Any] = {} if self._names is None else self._names.parts()
        for watcher in (*self._input_watchers, *self._output_watchers):
            for name, part in watcher.parts().items():
                # Watchers of inputs and of outputs tell of their columns in the same field.
                found[name] = found[name] | part if name in found else part
        return found

    def counts(self) -> dict[str, ColumnCounts]:
        """Return the counts of every column that is counted."""
        self.flush()
        found = {
            column.name: self._input_rows.counts(index)
            for index, column in enumerate(self._inputs)
            if column.kind is not ColumnKind.IGNORED
        }
        for column, counter in zip(self._outputs, self._output_rows, strict=True):
            if column.kind is not ColumnKind.IGNORED:
                found[column.name] = counter.counts(0)
        return found | self._derived.counts()

    def _start_afresh(self) -> None:
        self._waiting = self._size = self._column_rows = 0
        self._matrix: list[Any] = []
        self._arrays: dict[str, list[np.ndarray[Any, Any]]] = {}
        self._columns: list[list[Any]] = [[] for _ in self._inputs]
        self._output_values: list[list[Any]] = [[] for _ in self._outputs]
        self._answers: list[list[Any]] = [[] for _ in self._outputs]
        """Those of answers with all outputs, so that the outputs of one row stay together."""

    def _watch(self, matrices: Sequence[Values]) -> None:
        if self._input_watchers or self._derived.wanted:
            for columns, rows in self._batches(matrices):
                self._derived.add(columns, rows)
                for watcher in self._input_watchers:
                    watcher.add(columns, rows)
        for watcher in self._output_watchers:
            watcher.add(self._answers, len(self._answers[0]))

    def _batches(self, matrices: Sequence[Values]) -> Iterator[tuple[Sequence[Values], int]]:
        width = len(self._inputs)
        for matrix in matrices:
            yield [matrix[index::width] for index in range(width)], len(matrix) // width
        if self._column_rows:
            yield self._columns, self._column_rows

    def _take_columns(self, inputs: Inputs) -> None:
        columns, rows = inputs.columns, inputs.rows
        present = [values for values in columns if values is not None]
        if len(columns) != len(self._inputs) or not {rows}.issuperset(map(len, present)):
            raise ValueError("a decoder's columns are not the configured ones")
        if rows == 1 and len(present) == len(columns):
            # One row is the same in both forms, and this one waits at less cost.
            self._matrix.extend(itertools.chain.from_iterable(map(_plain, present)))
            return
        self._column_rows += rows
        _extend(self._columns, columns)


def _extend(buffers: list[list[Any]], columns: Sequence[Column]) -> None:
    for buffer, values in zip(buffers, columns, strict=True):
        if values is not None:
            buffer.extend(_plain(values))


def _plain(values: Values) -> Sequence[Any]:
    if type(values) is list:  # by far the most
        return values
    return values.ravel().tolist() if isinstance(values, np.ndarray) else values


def cells_for(
    column: ColumnConfiguration, configuration: CollectorConfiguration | None
) -> ColumnCells:
    """Return how a column of a configuration is counted."""
    return ColumnCells(
        kind=column.kind,
        cuts=column.cuts,
        categories=column.categories,
        naming=naming_of(configuration, column.name) if configuration else None,
        key=hash_key(configuration) if configuration else b"",
        marks=column.marks,
    )
