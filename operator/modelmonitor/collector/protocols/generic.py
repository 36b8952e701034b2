"""Generic JSON: what prediction servers without a standard send and answer.

Requests: a list of objects or of lists, an object of named values or named lists, or one of these
under `instances`, `inputs` or `data`. Lists without names are read in the schema's order.
Responses: a list, or an object of named outputs, or one of these under `predictions`, `outputs`,
`instances`, `inputs` or `data`.
"""

from typing import Any, Final

from modelmonitor.collector.protocols.base import (
    Call,
    Column,
    Inputs,
    Rows,
    Schema,
    UndecodableError,
    flattened,
    strided,
)
from modelmonitor.collector.protocols.documents import read_json
from modelmonitor.core.profile import OutputLocator
from modelmonitor.core.wire.pane import Undecodable

REQUEST_ENVELOPES: Final = ("instances", "inputs", "data")
RESPONSE_ENVELOPES: Final = ("predictions", "outputs", "data")


class GenericDecoder:
    """Reads requests and responses that are plain JSON."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the inputs, by name from objects and by position from lists, and the outputs."""
        inputs = _inputs(read_json(call.request, Undecodable.REQUEST_SYNTAX), schema)
        if not schema.outputs:
            return Rows(inputs=inputs)
        answer = read_json(call.response, Undecodable.RESPONSE_SYNTAX)
        return Rows(inputs=inputs, outputs=_outputs(answer, schema, inputs.rows))


def _inputs(document: Any, schema: Schema) -> Inputs:
    content = _opened(document, schema)
    if isinstance(content, dict):
        return _from_object(content, schema)
    if not isinstance(content, list):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    if not content:
        return Inputs(rows=0, columns=[[] for _ in schema.inputs])
    if all(isinstance(row, dict) for row in content):
        return _from_records(content, schema)
    return _from_lists(content, schema)


def _outputs(document: Any, schema: Schema, rows: int) -> list[Column]:
    name, content = "", document
    if isinstance(document, dict):
        for envelope in RESPONSE_ENVELOPES:
            if envelope in document:
                name, content = envelope, document[envelope]
                break
    return [_output(name, content, locator, rows) for locator in schema.outputs]


def _opened(document: Any, schema: Schema) -> Any:
    """Take the rows out of their envelope, unless the envelope's name is a column's."""
    if isinstance(document, dict) and not any(name in document for name in schema.inputs):
        for envelope in REQUEST_ENVELOPES:
            if envelope in document:
                return document[envelope]
    return document


def _from_object(content: dict[str, Any], schema: Schema) -> Inputs:
    found = [content.get(name) if name in content else None for name in schema.inputs]
    present = [name in content for name in schema.inputs]
    lists = [value for value in found if isinstance(value, list)]
    if not any(present):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    if not lists:
        return Inputs(
            rows=1,
            columns=[
                [value] if there else None for value, there in zip(found, present, strict=True)
            ],
        )
    rows = len(lists[0])
    columns: list[Column] = []
    for value, there in zip(found, present, strict=True):
        if there and (not isinstance(value, list) or len(value) != rows):
            raise UndecodableError(Undecodable.REQUEST_SHAPE)
        columns.append([_only(item) for item in value] if isinstance(value, list) else None)
    return Inputs(rows=rows, columns=columns)


def _from_records(content: list[dict[str, Any]], schema: Schema) -> Inputs:
    if not any(name in row for row in content for name in schema.inputs):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(
        rows=len(content),
        columns=[[_only(row.get(name)) for row in content] for name in schema.inputs],
    )


def _from_lists(content: list[Any], schema: Schema) -> Inputs:
    width = len(schema.inputs)
    rows = content
    if not any(isinstance(row, list) for row in content):
        rows = [[value] for value in content] if width == 1 else [content]
    if any(not isinstance(row, list) or len(row) != width for row in rows):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(rows=len(rows), columns=list(zip(*rows, strict=True)))


def _only(value: Any) -> Any:
    """Return the value of a list of one: columns are sent as [n, 1] too."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _output(name: str, content: Any, locator: OutputLocator, rows: int) -> Column:
    if isinstance(content, dict):
        key = locator.output or next(iter(content), "")
        return _values(content[key], locator, rows) if key in content else None
    if isinstance(content, list) and content and all(isinstance(row, dict) for row in content):
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
