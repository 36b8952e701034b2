"""The messages of OpenInference v2 over gRPC, declared as far as they are read.

Field numbers are those of the public `open_inference_grpc.proto`; fields that are not declared
(parameters, requested outputs) are skipped by the parser.
"""

import functools
import importlib
from typing import Any, Final, NamedTuple

_TEXT: Final = 9
_MESSAGE: Final = 11
_BYTES: Final = 12
_BOOL: Final = 8
_INT32: Final = 5
_INT64: Final = 3
_UINT32: Final = 13
_UINT64: Final = 4
_FLOAT: Final = 2
_DOUBLE: Final = 1
_ONE: Final = 1
_MANY: Final = 3
"""Numbers of types and labels in `google.protobuf.FieldDescriptorProto`."""

_FIELDS: Final[dict[str, list[tuple[str, int, int, int, str]]]] = {
    "InferTensorContents": [
        ("bool_contents", 1, _MANY, _BOOL, ""),
        ("int_contents", 2, _MANY, _INT32, ""),
        ("int64_contents", 3, _MANY, _INT64, ""),
        ("uint_contents", 4, _MANY, _UINT32, ""),
        ("uint64_contents", 5, _MANY, _UINT64, ""),
        ("fp32_contents", 6, _MANY, _FLOAT, ""),
        ("fp64_contents", 7, _MANY, _DOUBLE, ""),
        ("bytes_contents", 8, _MANY, _BYTES, ""),
    ],
    "Tensor": [
        ("name", 1, _ONE, _TEXT, ""),
        ("datatype", 2, _ONE, _TEXT, ""),
        ("shape", 3, _MANY, _INT64, ""),
        ("contents", 5, _ONE, _MESSAGE, "InferTensorContents"),
    ],
    "ModelInferRequest": [
        ("model_name", 1, _ONE, _TEXT, ""),
        ("model_version", 2, _ONE, _TEXT, ""),
        ("tensors", 5, _MANY, _MESSAGE, "Tensor"),
        ("raw", 7, _MANY, _BYTES, ""),
    ],
    "ModelInferResponse": [
        ("model_name", 1, _ONE, _TEXT, ""),
        ("model_version", 2, _ONE, _TEXT, ""),
        ("tensors", 5, _MANY, _MESSAGE, "Tensor"),
        ("raw", 6, _MANY, _BYTES, ""),
    ],
    "ModelStreamInferResponse": [
        ("error_message", 1, _ONE, _TEXT, ""),
        ("infer_response", 2, _ONE, _BYTES, ""),
        ("outputs", 5, _MANY, _BYTES, ""),
    ],
}
"""Message → fields: name, number, label, type, name of the message if it is one. Inputs and outputs
of requests and responses have the same shape, and here the same names. The response in an event
of a stream is taken as bytes, to be checked before it is parsed, too. `outputs` are only where an
event is a whole `ModelInferResponse`: MLServer's are, Triton's wrap it."""

_PACKAGE: Final = "inference"


class Messages(NamedTuple):
    """Classes of protobuf's own making."""

    request: Any
    response: Any
    streamed: Any
    error: type[Exception]
    """That a parser raises."""


@functools.cache
def messages() -> Messages:
    """Return the message classes.

    The library is loaded here, with the first gRPC message, since most models are never asked by
    gRPC. The declarations are given to it encoded: its own classes for declarations would take
    7 MiB beside the 2 MiB of the parser.
    """
    pools = importlib.import_module("google.protobuf.descriptor_pool")
    factory = importlib.import_module("google.protobuf.message_factory")
    errors = importlib.import_module("google.protobuf.message")
    pool = pools.DescriptorPool()
    pool.AddSerializedFile(_encoded_file())

    def class_of(name: str) -> Any:
        return factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))

    return Messages(
        request=class_of("ModelInferRequest"),
        response=class_of("ModelInferResponse"),
        streamed=class_of("ModelStreamInferResponse"),
        error=errors.DecodeError,
    )


def _encoded_file() -> bytes:
    """Return the declarations as a `google.protobuf.FileDescriptorProto`."""
    declared = b"".join(
        _encoded(4, _encoded(1, name.encode()) + b"".join(map(_encoded_field, fields)))
        for name, fields in _FIELDS.items()
    )
    head = _encoded(1, b"open_inference.proto") + _encoded(2, _PACKAGE.encode())
    return head + declared + _encoded(12, b"proto3")


def _encoded_field(field: tuple[str, int, int, int, str]) -> bytes:
    name, number, label, kind, type_name = field
    encoded = _encoded(1, name.encode()) + _encoded(3, number) + _encoded(4, label)
    encoded += _encoded(5, kind)
    return _encoded(2, encoded + (_encoded(6, _full(type_name)) if type_name else b""))


def _full(type_name: str) -> bytes:
    return f".{_PACKAGE}.{type_name}".encode()


def _encoded(number: int, value: bytes | int) -> bytes:
    """Return one field; https://protobuf.dev/programming-guides/encoding."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    digits = bytearray()
    while value >> 7:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
