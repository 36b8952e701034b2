"""OpenInference v2 over HTTP: tensors with names, shapes and row-major data.

Three layouts are in use for the same rows, and all are read: nested `data`, flat `data` with a
shape, and one tensor per named column. With the binary extension, the JSON is only the head of the
body, `Inference-Header-Content-Length` long, and the data of some or all tensors follows it raw.
"""

from collections.abc import Mapping
from typing import Any, Final

from modelmonitor.collector.protocols.base import (
    Call,
    Rows,
    Schema,
    UndecodableError,
    flattened,
)
from modelmonitor.collector.protocols.documents import read_json, text_of
from modelmonitor.collector.protocols.tensors import (
    Tensor,
    inputs_of,
    outputs_of,
    raw_values,
    size_of,
)
from modelmonitor.core.wire.pane import Undecodable

HEAD_LENGTH: Final = b"inference-header-content-length"
_MAX_DIGITS: Final = 10


class OpenInferenceDecoder:
    """Reads inference requests and responses of OpenInference v2 over HTTP."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the inputs, by name where names match and else by position, and the outputs."""
        head, raw = _parted(call.request, call.request_headers)
        request = read_json(head, Undecodable.REQUEST_SYNTAX)
        inputs = inputs_of(_tensors(request, "inputs", raw, Undecodable.REQUEST_SHAPE), schema)
        if not schema.outputs:
            return Rows(inputs=inputs)
        head, raw = _parted(call.response, call.response_headers)
        response = read_json(head, Undecodable.RESPONSE_SYNTAX)
        tensors = _tensors(response, "outputs", raw, Undecodable.RESPONSE_SHAPE)
        return Rows(
            inputs=inputs,
            outputs=outputs_of(tensors, schema, inputs.rows),
            model=text_of(response.get("model_name")),
            version=text_of(response.get("model_version")),
        )


def _parted(content: bytes, headers: Mapping[bytes, bytes]) -> tuple[bytes, "_Raw"]:
    """Return the JSON of a body, and what follows it."""
    announced = headers.get(HEAD_LENGTH)
    if announced is None:
        return content, _Raw(b"")
    if not announced.isdigit() or len(announced) > _MAX_DIGITS or int(announced) > len(content):
        raise UndecodableError(Undecodable.BINARY)
    length = int(announced)
    return content[:length], _Raw(content[length:])


class _Raw:
    """The raw data behind the JSON, taken tensor by tensor."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._position = 0

    def take(self, size: Any) -> bytes:
        """Return the next bytes."""
        if type(size) is not int or not 0 <= size <= len(self._content) - self._position:
            raise UndecodableError(Undecodable.BINARY)
        start = self._position
        self._position += size
        return self._content[start : self._position]


def _tensors(document: Any, key: str, raw: _Raw, reason: Undecodable) -> list[Tensor]:
    tensors = document.get(key) if isinstance(document, dict) else None
    if not isinstance(tensors, list) or not tensors:
        raise UndecodableError(reason)
    return [_tensor(tensor, raw, reason) for tensor in tensors]


def _tensor(tensor: Any, raw: _Raw, reason: Undecodable) -> Tensor:
    if not isinstance(tensor, dict):
        raise UndecodableError(reason)
    name, shape, data = tensor.get("name"), tensor.get("shape"), tensor.get("data")
    if not isinstance(name, str) or not isinstance(shape, list):
        raise UndecodableError(reason)
    size = size_of(shape, reason)
    if data is None:
        parameters = tensor.get("parameters")
        if not isinstance(parameters, dict) or "binary_data_size" not in parameters:
            raise UndecodableError(reason)
        content = raw.take(parameters["binary_data_size"])
        return Tensor(name, shape, raw_values(tensor.get("datatype"), size, content))
    try:
        values = flattened(data)
    except TypeError as error:
        raise UndecodableError(reason) from error
    if size != len(values):
        raise UndecodableError(reason)
    return Tensor(name, shape, values)
