"""OpenInference v2 over JSON: tensors with names, shapes and row-major data.

Three layouts are in use for the same rows, and all are read: nested `data`, flat `data` with a
shape, and one tensor per named column. The binary extension is not: its bodies are counted.
"""

import math
from typing import Any, Final, NamedTuple

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

BINARY_HEADER: Final = b"inference-header-content-length"


class _Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    values: list[Any]

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def is_column(self) -> bool:
        """Whether it has one value a row: shape [n] or [n, 1]."""
        return math.prod(self.shape[1:]) == 1


class OpenInferenceDecoder:
    """Reads inference requests and responses of OpenInference v2."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        """Return the inputs, by name where names match and else by position, and the outputs."""
        if BINARY_HEADER in call.request_headers or BINARY_HEADER in call.response_headers:
            raise UndecodableError(Undecodable.BINARY)
        inputs = _inputs(read_json(call.request, Undecodable.REQUEST_SYNTAX), schema)
        if not schema.outputs:
            return Rows(inputs=inputs)
        answer = read_json(call.response, Undecodable.RESPONSE_SYNTAX)
        tensors = _tensors(answer, "outputs", Undecodable.RESPONSE_SHAPE)
        return Rows(
            inputs=inputs,
            outputs=[_output(tensors, locator, inputs.rows) for locator in schema.outputs],
            model=_text(answer.get("model_name")),
            version=_text(answer.get("model_version")),
        )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _inputs(document: Any, schema: Schema) -> Inputs:
    tensors = _tensors(document, "inputs", Undecodable.REQUEST_SHAPE)
    by_name = {tensor.name: tensor for tensor in tensors if tensor.is_column}
    if any(name in by_name for name in schema.inputs):
        return _by_name(by_name, schema)
    if len(tensors) != 1:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return _by_position(tensors[0], schema)


def looks_like_openinference(content: bytes) -> bool:
    """Return whether a request's body has tensors, whatever its path was."""
    if b'"shape"' not in content:
        return False
    try:
        document = read_json(content, Undecodable.REQUEST_SYNTAX)
    except UndecodableError:
        return False
    inputs = document.get("inputs") if isinstance(document, dict) else None
    return (
        isinstance(inputs, list)
        and bool(inputs)
        and all(isinstance(tensor, dict) and "shape" in tensor for tensor in inputs)
    )


def _by_name(tensors: dict[str, _Tensor], schema: Schema) -> Inputs:
    found = [tensors.get(name) for name in schema.inputs]
    counts = {tensor.rows for tensor in found if tensor is not None}
    if len(counts) != 1:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(
        rows=counts.pop(), columns=[None if tensor is None else tensor.values for tensor in found]
    )


def _by_position(tensor: _Tensor, schema: Schema) -> Inputs:
    width = len(schema.inputs)
    single = width == 1 and tensor.is_column
    if not single and (not tensor.shape or tensor.shape[-1] != width):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(rows=len(tensor.values) // width, matrix=tensor.values)


def _output(tensors: list[_Tensor], locator: OutputLocator, rows: int) -> Column:
    for tensor in tensors:
        if locator.output in {"", tensor.name}:
            return strided(tensor.values, rows, locator.index)
    return None


def _tensors(document: Any, key: str, reason: Undecodable) -> list[_Tensor]:
    tensors = document.get(key) if isinstance(document, dict) else None
    if not isinstance(tensors, list) or not tensors:
        raise UndecodableError(reason)
    return [_tensor(tensor, reason) for tensor in tensors]


def _tensor(tensor: Any, reason: Undecodable) -> _Tensor:
    if not isinstance(tensor, dict):
        raise UndecodableError(reason)
    name, shape, data = tensor.get("name"), tensor.get("shape"), tensor.get("data")
    if data is None and "binary_data_size" in (tensor.get("parameters") or {}):
        raise UndecodableError(Undecodable.BINARY)
    if not isinstance(name, str) or not isinstance(shape, list) or data is None:
        raise UndecodableError(reason)
    if not all(type(size) is int and size >= 0 for size in shape):
        raise UndecodableError(reason)
    try:
        values = flattened(data)
    except TypeError as error:
        raise UndecodableError(reason) from error
    if math.prod(shape) != len(values):
        raise UndecodableError(reason)
    return _Tensor(name, tuple(shape), values)
