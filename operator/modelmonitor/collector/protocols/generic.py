"""Generic JSON: what prediction servers without a standard send and answer.

Where rows and results are may be declared by JSON Pointers. Where they are not, requests are a list
of objects or of lists, an object of named values or named lists, or one of these under
`instances`, `inputs` or `data`, or under the only name there is (an argument of the service's
function, as BentoML sends it). Lists without names are read in the schema's order; one
row may come without a list around it. Responses are a
list, an object of named outputs, or one of these under `predictions`, `outputs` or `data`.
"""

from typing import Any, Final

from modelmonitor.collector.protocols.base import Call, Inputs, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.documents import read_json
from modelmonitor.collector.protocols.pointers import parse_pointer, resolve
from modelmonitor.collector.protocols.rows import from_columns, from_rows, outputs_from
from modelmonitor.core.wire.configuration import JSONPaths
from modelmonitor.core.wire.pane import Undecodable

REQUEST_ENVELOPES: Final = ("instances", "inputs", "data")
RESPONSE_ENVELOPES: Final = ("predictions", "outputs", "data")


class GenericDecoder:
    """Reads requests and responses that are plain JSON.

    Parameters
    ----------
    paths
        Where rows and results are; an empty pointer: found as this module says.

    Raises
    ------
    PointerError
        If a path is not a JSON Pointer.
    """

    def __init__(self, paths: JSONPaths | None = None) -> None:
        self._rows = parse_pointer(paths.rows) if paths else ()
        self._results = parse_pointer(paths.results) if paths else ()

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the inputs, by name from objects and by position from lists, and the outputs."""
        request = read_json(call.request, Undecodable.REQUEST_SYNTAX)
        if self._rows:
            inputs = _inputs(_at(request, self._rows, Undecodable.REQUEST_SHAPE), schema)
        else:
            inputs = _inputs(_opened(request, schema), schema)
        if not schema.outputs:
            return Rows(inputs=inputs)
        name, results = "", read_json(call.response, Undecodable.RESPONSE_SYNTAX)
        if self._results:
            name = self._results[-1]
            results = _at(results, self._results, Undecodable.RESPONSE_SHAPE)
        else:
            name, results = opened_results(results)
        return Rows(inputs=inputs, outputs=outputs_from(name, results, schema, inputs.rows))


def opened_results(document: Any) -> tuple[str, Any]:
    """Return what is in a response's envelope, with the envelope's name."""
    if isinstance(document, dict):
        for envelope in RESPONSE_ENVELOPES:
            if envelope in document:
                return envelope, document[envelope]
    return "", document


def _at(document: Any, tokens: tuple[str, ...], reason: Undecodable) -> Any:
    try:
        return resolve(document, tokens)
    except LookupError as error:
        raise UndecodableError(reason) from error


def _opened(document: Any, schema: Schema) -> Any:
    """Take the rows out of their envelope, unless the envelope's name is a column's."""
    if isinstance(document, dict) and document.keys().isdisjoint(schema.inputs):
        for envelope in REQUEST_ENVELOPES:
            if envelope in document:
                return document[envelope]
        if len(document) == 1:
            return next(iter(document.values()))
    return document


def _inputs(content: Any, schema: Schema) -> Inputs:
    if isinstance(content, dict):
        return from_columns(content, schema)
    if isinstance(content, list) and content and len(schema.inputs) != 1:
        bare = not any(isinstance(value, list | dict) for value in content)
        return from_rows([content] if bare else content, schema)
    return from_rows(content, schema)
