"""OpenInference v2 over HTTP: tensors with names, shapes and row-major data.

Three layouts are in use for the same rows, and all are read: nested `data`, flat `data` with a
shape, and one tensor per named column. With the binary extension, the JSON is only the head of the
body, `Inference-Header-Content-Length` long, and the data of some or all tensors follows it raw.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar

import msgspec

from modelmonitor.collector.protocols.base import (
    Call,
    Rows,
    Schema,
    UndecodableError,
    flattened,
)
from modelmonitor.collector.protocols.documents import (
    JSON_MARKS,
    check_elements,
    read_json,
    text_of,
)
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


class _Tensor(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: Any = None
    data: Any = None
    parameters: Any = None


class _Request(msgspec.Struct):
    inputs: list[_Tensor]


class _Response(msgspec.Struct):
    outputs: list[_Tensor]
    model_name: Any = None
    model_version: Any = None


_Document = TypeVar("_Document", _Request, _Response)

_REQUESTS: Final = msgspec.json.Decoder(_Request)
_RESPONSES: Final = msgspec.json.Decoder(_Response)


class OpenInferenceDecoder:
    """Reads inference requests and responses of OpenInference v2 over HTTP."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the inputs, by name where names match and else by position, and the outputs."""
        syntax, shape = Undecodable.REQUEST_SYNTAX, Undecodable.REQUEST_SHAPE
        head, raw = _parted(call.request, call.request_headers)
        request = _read(head, _REQUESTS, syntax, shape)
        inputs = inputs_of([_tensor(one, raw, shape) for one in request.inputs], schema)
        if not schema.outputs:
            return Rows(inputs=inputs)
        syntax, shape = Undecodable.RESPONSE_SYNTAX, Undecodable.RESPONSE_SHAPE
        head, raw = _parted(call.response, call.response_headers)
        response = _read(head, _RESPONSES, syntax, shape)
        tensors = [_tensor(one, raw, shape) for one in response.outputs]
        return Rows(
            inputs=inputs,
            outputs=outputs_of(tensors, schema, inputs.rows),
            model=text_of(response.model_name),
            version=text_of(response.model_version),
        )


def _read(
    content: bytes,
    decoder: msgspec.json.Decoder[_Document],
    syntax: Undecodable,
    shape: Undecodable,
) -> _Document:
    """Return what is read of a JSON document; with its types known, most is checked on the way."""
    check_elements(content, JSON_MARKS)
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # NaN or Infinity, perhaps, which JSON does not know and Python writes.
        document = read_json(content, syntax)
    try:
        return msgspec.convert(document, decoder.type)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UndecodableError(shape) from error


def _parted(content: bytes, headers: Mapping[bytes, bytes]) -> tuple[bytes, "_Raw"]:
    """Return the JSON of a body, and what follows it."""
    announced = headers.get(HEAD_LENGTH)
    if announced is None:
        return content, _NO_RAW
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


_NO_RAW: Final = _Raw(b"")
"""Of a body without the extension; nothing but nothing can be taken of it."""


def _tensor(tensor: _Tensor, raw: _Raw, reason: Undecodable) -> Tensor:
    size = size_of(tensor.shape, reason)
    data = tensor.data
    if data is None:
        parameters = tensor.parameters
        if not isinstance(parameters, dict) or "binary_data_size" not in parameters:
            raise UndecodableError(reason)
        content = raw.take(parameters["binary_data_size"])
        return Tensor(tensor.name, tensor.shape, raw_values(tensor.datatype, size, content))
    try:
        values = flattened(data)
    except TypeError as error:
        raise UndecodableError(reason) from error
    if size != len(values):
        raise UndecodableError(reason)
    return Tensor(tensor.name, tensor.shape, values)
