"""KServe V1, which TensorFlow Serving speaks too: `instances` in, `predictions` out.

The columnar form, `inputs` in and `outputs` out, is read as well. The model is named by the path.
"""

from modelmonitor.collector.protocols.base import Call, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.documents import read_json
from modelmonitor.collector.protocols.rows import from_columns, from_rows, outputs_from
from modelmonitor.core.wire.pane import Undecodable


class KServeV1Decoder:
    """Reads `:predict` requests and their responses."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return a row for each instance."""
        request = read_json(call.request, Undecodable.REQUEST_SYNTAX)
        if not isinstance(request, dict):
            raise UndecodableError(Undecodable.REQUEST_SHAPE)
        if "instances" in request:
            inputs, results = from_rows(request["instances"], schema), "predictions"
        elif isinstance(request.get("inputs"), dict):
            inputs, results = from_columns(request["inputs"], schema), "outputs"
        else:
            inputs, results = from_rows(request.get("inputs"), schema), "outputs"
        if not schema.outputs:
            return Rows(inputs=inputs)
        response = read_json(call.response, Undecodable.RESPONSE_SYNTAX)
        if not isinstance(response, dict) or results not in response:
            raise UndecodableError(Undecodable.RESPONSE_SHAPE)
        return Rows(
            inputs=inputs, outputs=outputs_from(results, response[results], schema, inputs.rows)
        )
