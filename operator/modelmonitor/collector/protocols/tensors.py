"""Tensors of OpenInference v2, however they were written, to columns."""

import math
import struct
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from modelmonitor.collector.protocols.base import (
    Column,
    Inputs,
    Schema,
    UndecodableError,
    Values,
    strided,
    unexpected,
)
from modelmonitor.core.baseline.profile import OutputLocator
from modelmonitor.core.wire.pane import Undecodable

MAX_DIMENSIONS: Final = 16

BYTES: Final = "BYTES"
BF16: Final = "BF16"
FIXED: Final = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
    BF16: "H",
}
"""Datatypes of a fixed size, as `struct` and numpy call them; BF16 is the upper half of FP32."""

_DTYPES: Final = {datatype: np.dtype(f"<{code}") for datatype, code in FIXED.items()}
_FEW: Final = 32
"""Values up to which an array costs more than it saves."""
_LENGTH: Final = struct.Struct("<I")
_HALF: Final = 16
"""Bits of FP32 that BF16 leaves out."""


class Tensor(NamedTuple):
    """A tensor of a message."""

    name: str
    shape: Sequence[int]
    values: Values
    """Row-major; as many as the shape says."""

    def column(self) -> Values | None:
        """Return the values, if there is one for each row: shape [n] or [n, 1]."""
        rows = self.shape[0] if self.shape else 1
        one_each = len(self.values) == rows if rows else math.prod(self.shape[1:]) == 1
        return self.values if one_each else None

    def arrays(self) -> list[Any]:
        """Return each row's values, as an array of the shape without its first dimension."""
        return list(np.asarray(self.values).reshape(self.shape))


def size_of(shape: Sequence[Any], reason: Undecodable) -> int:
    """Return how many values a shape has.

    Raises
    ------
    UndecodableError
        With this reason, if it is not a shape of a believable number of dimensions.
    """
    if len(shape) > MAX_DIMENSIONS:
        raise UndecodableError(reason)
    size = 1
    for length in shape:
        if type(length) is not int or length < 0:
            raise UndecodableError(reason)
        size *= length
    return size


def raw_values(datatype: Any, size: int, raw: bytes) -> Values:
    """Return the values of a raw buffer, little-endian or, of BYTES, each after its length.

    They are a copy: they wait to be counted longer than the message is kept.

    Raises
    ------
    UndecodableError
        `BinaryTensors`, if the buffer does not hold that many values of the datatype.
    """
    if datatype == BYTES:
        return _texts(size, raw)
    kind = _DTYPES.get(datatype) if isinstance(datatype, str) else None
    if kind is None or len(raw) != size * kind.itemsize:
        raise UndecodableError(Undecodable.BINARY)
    if size <= _FEW and datatype != BF16:
        return struct.unpack(f"<{size}{FIXED[datatype]}", raw)
    values = np.frombuffer(raw, dtype=kind)
    if datatype == BF16:
        return (values.astype(np.uint32) << _HALF).view(np.float32)
    return values.copy()


def text_of(value: bytes) -> str | bytes:
    """Return a value of datatype BYTES as text, if it is: pictures and sound are not."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _texts(size: int, raw: bytes) -> list[str | bytes]:
    texts: list[str | bytes] = []
    position = 0
    while position < len(raw):
        start = position + _LENGTH.size
        if start > len(raw) or len(texts) == size:
            raise UndecodableError(Undecodable.BINARY)
        (length,) = _LENGTH.unpack_from(raw, position)
        position = start + length
        if position > len(raw):
            raise UndecodableError(Undecodable.BINARY)
        texts.append(text_of(raw[start:position]))
    if len(texts) != size:
        raise UndecodableError(Undecodable.BINARY)
    return texts


def inputs_of(tensors: Sequence[Tensor], schema: Schema) -> Inputs:
    """Return the inputs: by name where names match, else by position from the only tensor.

    Raises
    ------
    UndecodableError
        If the tensors do not have the schema's columns.
    """
    if not tensors or not schema.inputs:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    if len(tensors) == 1 and tensors[0].name not in schema.inputs:
        return _by_position(tensors[0], schema)
    by_name = {tensor.name: tensor for tensor in tensors}
    if not by_name.keys().isdisjoint(schema.inputs):
        found = [
            None if (tensor := by_name.get(name)) is None else _column(tensor, name, schema)
            for name in schema.inputs
        ]
        rows = {len(values) for values in found if values is not None}
        if len(rows) == 1:
            others = unexpected(by_name, schema)
            return Inputs(rows=rows.pop(), columns=found, unexpected=others)
        if rows:
            raise UndecodableError(Undecodable.REQUEST_SHAPE)
    if len(tensors) != 1:
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return _by_position(tensors[0], schema)


def outputs_of(tensors: Sequence[Tensor], schema: Schema, rows: int) -> list[Column]:
    """Return the outputs; None where the caller did not ask for them.

    Raises
    ------
    UndecodableError
        If there is no tensor at all, or one that does not have the request's rows.
    """
    if not tensors:
        raise UndecodableError(Undecodable.RESPONSE_SHAPE)
    return [_output(tensors, locator, rows) for locator in schema.outputs]


def _column(tensor: Tensor, name: str, schema: Schema) -> Values | None:
    one_each = tensor.column()
    if one_each is None and name in schema.arrays and tensor.shape:
        return tensor.arrays()
    return one_each


def _output(tensors: Sequence[Tensor], locator: OutputLocator, rows: int) -> Column:
    for tensor in tensors:
        if not locator.output or tensor.name == locator.output:
            return strided(tensor.values, rows, locator.index)
    return None


def _by_position(tensor: Tensor, schema: Schema) -> Inputs:
    width = len(schema.inputs)
    if width == 1 and schema.inputs[0] in schema.arrays and tensor.shape:
        return Inputs(rows=tensor.shape[0], columns=[_column(tensor, schema.inputs[0], schema)])
    single = width == 1 and tensor.column() is not None
    if not single and (not tensor.shape or tensor.shape[-1] != width):
        raise UndecodableError(Undecodable.REQUEST_SHAPE)
    return Inputs(rows=len(tensor.values) // width, matrix=tensor.values)
