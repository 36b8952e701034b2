"""Rows of plain JSON to columns: from objects by name, from lists in the schema's order."""

from collections.abc import Sequence
from typing import Any, Final

from modelmonitor.collector.protocols.base import (
    Column,
    Inputs,
    Schema,
    UndecodableError,
    flattened,
    strided,
    unexpected,
)
from modelmonitor.core.baseline.profile import OutputLocator
from modelmonitor.core.wire.pane import Undecodable

_SCALARS: Final = frozenset({str, int, float, bool, type(None)})


def from_rows(rows: Any, schema: Schema) -> Inputs:
    """Return the inputs of a list of rows: objects, lists, or scalars where there is one input.

    Raises
    ------
    UndecodableError
        If the rows are not the schema's.
    """
    if not isinstance(rows, list) or not schema.inputs:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    if not rows:
        return Inputs(rows=0, columns=[[] for _ in schema.inputs])
    kinds = set(map(type, rows))
    if kinds == {dict}:
        return from_records(rows, schema)
    if kinds == {list} and len(schema.inputs) == 1 and schema.inputs[0] in schema.arrays:
        return Inputs(rows=len(rows), columns=[rows])
    if kinds == {list}:
        return from_lists(rows, schema)
    if len(schema.inputs) == 1 and kinds <= _SCALARS:
        return Inputs(rows=len(rows), columns=[rows])
    raise UndecodableError(Undecodable.REQUEST_SHAPE)


def from_records(records: list[dict[str, Any]], schema: Schema) -> Inputs:
    """Return the inputs of objects; a row may lack some, but not all rows all.

    Raises
    ------
    UndecodableError
        If no input is there.
    """
    if all(record.keys().isdisjoint(schema.inputs) for record in records):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(
        rows=len(records),
        columns=[[_only(record.get(name)) for record in records] for name in schema.inputs],
        unexpected=unexpected(records[0], schema),
    )


def from_lists(rows: Sequence[Sequence[Any]], schema: Schema) -> Inputs:
    """Return the inputs of lists without names, as wide as the schema.

    Raises
    ------
    UndecodableError
        If a row is not that wide.
    """
    width = len(schema.inputs)
    if not width or set(map(len, rows)) != {width}:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(rows=len(rows), columns=list(zip(*rows, strict=True)))


def from_columns(content: dict[str, Any], schema: Schema) -> Inputs:
    """Return the inputs of named columns; named scalars are one row.

    Raises
    ------
    UndecodableError
        If no input is there, or they are not of one length.
    """
    present = [name in content for name in schema.inputs]
    if not any(present):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    found = [content.get(name) for name in schema.inputs]
    lists = [value for value in found if isinstance(value, list)]
    columns: list[Column] = []
    if not lists:
        columns = [[value] if there else None for value, there in zip(found, present, strict=True)]
        return Inputs(rows=1, columns=columns, unexpected=unexpected(content, schema))
    rows = len(lists[0])
    for value, there in zip(found, present, strict=True):
        if there and (not isinstance(value, list) or len(value) != rows):
            raise UndecodableError(Undecodable.REQUEST_SHAPE)
        columns.append([_only(item) for item in value] if isinstance(value, list) else None)
    return Inputs(rows=rows, columns=columns, unexpected=unexpected(content, schema))


def from_table(names: Any, rows: Any, schema: Schema) -> Inputs:
    """Return the inputs of lists whose positions have names.

    Raises
    ------
    UndecodableError
        If no input is among the names, or a row is not as wide as they are.
    """
    if not isinstance(names, list) or not isinstance(rows, list):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return from_named(names, list(zip(*rows, strict=True)), schema)


def from_named(names: Sequence[Any], columns: Sequence[Sequence[Any]], schema: Schema) -> Inputs:
    """Return the inputs of columns and their names; no columns at all are no rows.

    Raises
    ------
    UndecodableError
        If no input is among the names.
    """
    places = {name: place for place, name in enumerate(names) if isinstance(name, str)}
    if places.keys().isdisjoint(schema.inputs):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    found = [places.get(name) for name in schema.inputs]
    if not columns:
        return Inputs(rows=0, columns=[[] for _ in found])
    return Inputs(
        rows=len(columns[0]),
        columns=[None if place is None else columns[place] for place in found],
        unexpected=unexpected(names, schema),
    )


def outputs_from(name: str, content: Any, schema: Schema, rows: int) -> list[Column]:
    """Return the outputs of a response; None where it does not have them.

    Parameters
    ----------
    name
        Of the envelope that the content was in: an output without a name of its own is found by
        this one, too.
    content
        Named outputs, records with named outputs, or values, with as many rows as the request.

    Raises
    ------
    UndecodableError
        If an output does not have the request's rows.
    """
    return [_output(name, content, locator, rows) for locator in schema.outputs]


def _output(name: str, content: Any, locator: OutputLocator, rows: int) -> Column:
    if isinstance(content, dict):
        key = locator.output or next(iter(content), "")
        return _values(content[key], locator, rows) if key in content else None
    if isinstance(content, list) and content and set(map(type, content)) == {dict}:
        key = locator.output or next(iter(content[0]), "")
        if not any(key in row for row in content):
            return None
        return _values([row.get(key) for row in content], locator, rows)
    if locator.output not in {"", name}:
        return None
    return _values(content, locator, rows)


def _values(content: Any, locator: OutputLocator, rows: int) -> Column:
    try:
        values = flattened(content)
    except TypeError as error:
        raise UndecodableError(Undecodable.RESPONSE_SHAPE) from error
    return strided(values, rows, locator.index)


def _only(value: Any) -> Any:
    """Return the value of a list of one: columns are sent as [n, 1] too."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
