"""MLflow's scoring server: `POST /invocations`.

Requests: `dataframe_split`, `dataframe_records`, `inputs` (named columns or rows), `instances`, or
CSV with a line of names. Responses: `predictions` as a list of values, of lists or of objects, or
as named columns.
"""

from typing import Any

from modelmonitor.collector.protocols.base import Call, Inputs, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.documents import read_json
from modelmonitor.collector.protocols.rows import (
    from_columns,
    from_named,
    from_rows,
    from_table,
    outputs_from,
)
from modelmonitor.collector.protocols.tables import read_csv
from modelmonitor.core.wire.pane import Undecodable


class MLflowDecoder:
    """Reads invocations."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return a row for each row of the data frame."""
        if b"csv" in call.request_headers.get(b"content-type", b"").lower():
            inputs = from_named(*read_csv(call.request), schema)
        else:
            inputs = _inputs(read_json(call.request, Undecodable.REQUEST_SYNTAX), schema)
        if not schema.outputs:
            return Rows(inputs=inputs)
        response = read_json(call.response, Undecodable.RESPONSE_SYNTAX)
        name, results = "", response
        if isinstance(response, dict):
            if "predictions" not in response:
                raise UndecodableError(Undecodable.RESPONSE_SHAPE)
            name, results = "predictions", response["predictions"]
        return Rows(inputs=inputs, outputs=outputs_from(name, results, schema, inputs.rows))


def _inputs(document: Any, schema: Schema) -> Inputs:
    if not isinstance(document, dict):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    split = document.get("dataframe_split")
    if isinstance(split, dict):
        if "columns" not in split:  # pandas numbers columns without names
            return from_rows(split.get("data"), schema)
        return from_table(split["columns"], split.get("data"), schema)
    for key in ("dataframe_records", "instances", "inputs"):
        if key in document:
            content = document[key]
            if isinstance(content, dict):
                return from_columns(content, schema)
            return from_rows(content, schema)
    raise UndecodableError(Undecodable.REQUEST_SHAPE)
