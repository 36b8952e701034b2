"""OpenInference v2 over gRPC: `ModelInfer`, and `ModelStreamInfer` with one answer a request.

A body is a sequence of messages, each behind a flag (compressed or not) and its length. Tensors
have their data either typed (`contents`) or raw, all of a message in one way.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Any, Final

from modelmonitor.collector.protocols.base import (
    Call,
    Column,
    Inputs,
    Rows,
    Schema,
    UndecodableError,
    columns_of,
)
from modelmonitor.collector.protocols.grpc_messages import messages
from modelmonitor.collector.protocols.tensors import (
    BYTES,
    MAX_DIMENSIONS,
    Tensor,
    inputs_of,
    outputs_of,
    raw_values,
    size_of,
    text_of,
)
from modelmonitor.core.wire.pane import Undecodable

MEDIA_TYPE: Final = b"application/grpc"
UNARY_PATH: Final = b"/inference.GRPCInferenceService/ModelInfer"
STREAM_PATH: Final = b"/inference.GRPCInferenceService/ModelStreamInfer"
MAX_PLAIN: Final = 4 * 1024 * 1024
"""Bytes of all messages of a body after decompression."""
MAX_MESSAGES: Final = 4096
"""Messages of one stream."""
MAX_FIELDS: Final = 4096
"""Fields of one message, its tensors among them. A tensor without content is two bytes on the wire
and a hundred in memory, so that large messages are counted before they are parsed."""
UNCOUNTED: Final = 64 * 1024
"""Bytes of a message that is too small to be counted."""

_PREFIX: Final = struct.Struct(">BI")
_GZIP_OR_ZLIB: Final = 47
_VARINT_BITS: Final = 70
_MORE: Final = 0x80
"""Bit of a byte of a variable-length integer that is not its last."""
_CONTENTS: Final = {
    "BOOL": "bool_contents",
    "INT8": "int_contents",
    "INT16": "int_contents",
    "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents",
    "UINT16": "uint_contents",
    "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    BYTES: "bytes_contents",
}


class OpenInferenceGRPCDecoder:
    """Reads `ModelInfer` and `ModelStreamInfer`."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the rows of all messages of a call, in their order."""
        requests = [
            _parsed(messages().request, message, Undecodable.REQUEST_SYNTAX)
            for message in split_messages(call.request)
        ]
        if not requests or (call.path != STREAM_PATH and len(requests) != 1):
            raise UndecodableError(Undecodable.REQUEST_SHAPE)
        inputs = [
            inputs_of(_tensors(request, Undecodable.REQUEST_SHAPE), schema) for request in requests
        ]
        last = requests[-1]
        model, version = last.model_name, last.model_version
        outputs: list[list[Column]] = []
        if schema.outputs:
            responses = _responses(call)
            if len(responses) != len(requests):
                raise UndecodableError(Undecodable.RESPONSE_SHAPE)
            outputs = [
                outputs_of(_tensors(response, Undecodable.RESPONSE_SHAPE), schema, found.rows)
                for response, found in zip(responses, inputs, strict=True)
            ]
            version = responses[-1].model_version or version
        return Rows(
            inputs=_joined_inputs(inputs, len(schema.inputs)),
            outputs=_joined(outputs, [found.rows for found in inputs]),
            model=model,
            version=version,
        )


def requested_model(content: bytes) -> str:
    """Return the model that a request's body names; empty if it cannot be read."""
    try:
        first = split_messages(content)[:1]
        return "".join(
            _parsed(messages().request, message, Undecodable.REQUEST_SYNTAX).model_name
            for message in first
        )
    except UndecodableError:
        return ""


def split_messages(content: bytes) -> list[bytes]:
    """Return the messages of a body, decompressed.

    Raises
    ------
    UndecodableError
        If a message is cut off or not compressed as it says, or there are too many.
    """
    found: list[bytes] = []
    position, budget = 0, MAX_PLAIN
    while position < len(content):
        start = position + _PREFIX.size
        if start > len(content):
            raise UndecodableError(Undecodable.ENCODING)
        compressed, length = _PREFIX.unpack_from(content, position)
        position = start + length
        if position > len(content) or compressed > 1:
            raise UndecodableError(Undecodable.ENCODING)
        message = content[start:position]
        if compressed:
            message = _inflated(message, budget)
        budget -= len(message)
        found.append(message)
        if len(found) > MAX_MESSAGES or budget < 0:
            raise UndecodableError(Undecodable.TOO_LARGE)
    return found


def _inflated(message: bytes, budget: int) -> bytes:
    """Return a compressed message; gzip and deflate tell by themselves which they are."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        plain = inflater.decompress(message, budget + 1)
    except zlib.error as error:
        raise UndecodableError(Undecodable.ENCODING) from error
    if len(plain) > budget:
        raise UndecodableError(Undecodable.TOO_LARGE)
    if not inflater.eof:
        raise UndecodableError(Undecodable.ENCODING)
    return plain


def _responses(call: Call) -> list[Any]:
    found = split_messages(call.response)
    if call.path != STREAM_PATH:
        kind = messages().response
        return [_parsed(kind, message, Undecodable.RESPONSE_SYNTAX) for message in found]
    kind = messages().streamed
    events = [_parsed(kind, message, Undecodable.RESPONSE_SYNTAX) for message in found]
    kind = messages().response
    return [
        _parsed(
            kind, message if event.outputs else event.infer_response, Undecodable.RESPONSE_SYNTAX
        )
        for message, event in zip(found, events, strict=True)
    ]


def _parsed(kind: Any, content: bytes, reason: Undecodable) -> Any:
    if len(content) > UNCOUNTED:
        _check_fields(content, reason)
    try:
        return kind.FromString(content)
    except messages().error as error:
        raise UndecodableError(reason) from error


def _check_fields(content: bytes, reason: Undecodable) -> None:
    """Refuse a message of too many fields; https://protobuf.dev/programming-guides/encoding."""
    position = 0
    for _ in range(MAX_FIELDS):
        if position >= len(content):
            return
        tag, position = _varint(content, position, reason)
        match tag & 7:
            case 0:
                _, position = _varint(content, position, reason)
            case 1:
                position += 8
            case 2:
                length, position = _varint(content, position, reason)
                position += length
            case 5:
                position += 4
            case _:
                raise UndecodableError(reason)
    if position < len(content):
        raise UndecodableError(Undecodable.TOO_LARGE)


def _varint(content: bytes, position: int, reason: Undecodable) -> tuple[int, int]:
    value = 0
    for shift in range(0, _VARINT_BITS, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & ~_MORE) << shift
        if not byte & _MORE:
            return value, position
    raise UndecodableError(reason)


def _tensors(message: Any, reason: Undecodable) -> list[Tensor]:
    tensors, raw = message.tensors, message.raw
    if not raw:
        return [_tensor(tensor, None, reason) for tensor in tensors]
    if len(raw) != len(tensors):
        raise UndecodableError(Undecodable.BINARY)
    pairs = zip(tensors, raw, strict=True)
    return [_tensor(tensor, buffer, reason) for tensor, buffer in pairs]


def _tensor(tensor: Any, raw: bytes | None, reason: Undecodable) -> Tensor:
    shape = tensor.shape[: MAX_DIMENSIONS + 1]
    size = size_of(shape, reason)
    if raw is None:
        return Tensor(tensor.name, shape, _typed(tensor, size, reason))
    return Tensor(tensor.name, shape, raw_values(tensor.datatype, size, raw))


def _typed(tensor: Any, size: int, reason: Undecodable) -> list[Any]:
    datatype = tensor.datatype
    member = _CONTENTS.get(datatype)
    if member is None:
        raise UndecodableError(reason)
    contents = getattr(tensor.contents, member)
    if len(contents) != size:
        raise UndecodableError(reason)
    if datatype == BYTES:
        return [text_of(value) for value in contents]
    values: list[Any] = contents[:]
    return values


def _joined_inputs(inputs: Sequence[Inputs], width: int) -> Inputs:
    if len(inputs) == 1:
        return inputs[0]
    rows = [found.rows for found in inputs]
    return Inputs(
        rows=sum(rows), columns=_joined([columns_of(found, width) for found in inputs], rows)
    )


def _joined(parts: Sequence[Sequence[Column]], rows: Sequence[int]) -> Sequence[Column]:
    """Return the columns of several messages as one; where one lacks a column, it is missing."""
    if len(parts) <= 1:
        return parts[0] if parts else ()
    return [_one(columns, rows) for columns in zip(*parts, strict=True)]


def _one(columns: Sequence[Column], rows: Sequence[int]) -> Column:
    if all(column is None for column in columns):
        return None
    values: list[Any] = []
    for column, count in zip(columns, rows, strict=True):
        if column is None:
            values.extend([None] * count)
        else:
            values.extend(column)
    return values
