"""Asks a server with Triton's client; prints what came back as JSON.

    triton_client.py HOW MODEL PORTS OUTPUT…

HOW is one of the functions of `WAYS`, MODEL one of `TENSORS`; PORTS are separated by commas, and
there is one line of JSON for each.
"""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any

import grpc
import numpy as np
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from tests.interop import flowers, orders

Answer = dict[str, list[Any]]
"""Output → its values, row by row."""

_TYPES = {"colour": np.object_, "site": np.int64, "size": np.float32, "rush": np.bool_}
TENSORS: dict[str, dict[str, Any]] = {
    "iris": {"x": np.array(flowers.ROWS, dtype=np.float64)},
    "orders": {
        name: np.array(
            [value.encode() if isinstance(value, str) else value for value in values],
            dtype=_TYPES[name],
        )
        for name, values in orders.by_column().items()
    },
}
_CONTENTS = {
    "BYTES": "bytes_contents",
    "INT64": "int64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BOOL": "bool_contents",
}


def _inputs(module: Any, tensors: dict[str, Any]) -> list[Any]:
    found = []
    for name, values in tensors.items():
        tensor = module.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
        tensor.set_data_from_numpy(values)
        found.append(tensor)
    return found


def _parameters(model: str) -> dict[str, str]:
    """Return what tells MLServer that the tensors are columns of a table."""
    return {} if model == "iris" else {"content_type": "pd"}


def raw(model: str, port: int, outputs: Sequence[str], **options: Any) -> Answer:
    """Send tensors as bytes over gRPC, the client's only way."""
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        result = client.infer(
            model,
            _inputs(triton_grpc, TENSORS[model]),
            request_id="interop",
            outputs=[triton_grpc.InferRequestedOutput(name) for name in outputs],
            parameters=_parameters(model),
            **options,
        )
        return {name: result.as_numpy(name).ravel().tolist() for name in outputs}


def compressed(model: str, port: int, outputs: Sequence[str]) -> Answer:
    """Send tensors as bytes over gRPC, compressed."""
    return raw(model, port, outputs, compression_algorithm="gzip")


def many(model: str, port: int, outputs: Sequence[str]) -> Answer:
    """Send each row as a request of its own, all at once on one connection."""
    found: Answer = {name: [] for name in outputs}
    rows = len(next(iter(TENSORS[model].values())))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer
        calls = [infer.future(_typed(model, outputs, row, row + 1)) for row in range(rows)]
        for call in calls:
            answer = call.result()
            for place, one in enumerate(answer.outputs):
                found[one.name] += _values(answer, place)
    return found


def typed(model: str, port: int, outputs: Sequence[str]) -> Answer:
    """Send tensors as typed values over gRPC, with the client's own messages."""
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(
            _typed(model, outputs)
        )
    return {one.name: _values(answer, place) for place, one in enumerate(answer.outputs)}


def streamed(model: str, port: int, outputs: Sequence[str]) -> Answer:
    """Send each row as a message of one stream; answers are plain, as MLServer's are."""
    found: Answer = {name: [] for name in outputs}
    rows = len(next(iter(TENSORS[model].values())))
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        infer = channel.stream_stream(
            "/inference.GRPCInferenceService/ModelStreamInfer",
            request_serializer=service_pb2.ModelInferRequest.SerializeToString,
            response_deserializer=service_pb2.ModelInferResponse.FromString,
        )
        for answer in infer(_typed(model, outputs, row, row + 1) for row in range(rows)):
            for place, one in enumerate(answer.outputs):
                found[one.name] += _values(answer, place)
    return found


def _typed(model: str, outputs: Sequence[str], first: int = 0, last: int | None = None) -> Any:
    question = service_pb2.ModelInferRequest(model_name=model, id="interop")
    for name, values in TENSORS[model].items():
        part = values[first:last]
        kind = np_to_triton_dtype(part.dtype)
        tensor = question.inputs.add(name=name, shape=part.shape, datatype=kind)
        getattr(tensor.contents, _CONTENTS[kind]).extend(part.ravel().tolist())
    for name in outputs:
        question.outputs.add(name=name)
    for name, value in _parameters(model).items():
        question.parameters[name].string_param = value
    return question


def _values(answer: Any, place: int) -> list[Any]:
    """Return an output's values: servers may answer in bytes what they were asked in values."""
    output = answer.outputs[place]
    if answer.raw_output_contents:
        kind = triton_to_np_dtype(output.datatype)
        return list(np.frombuffer(answer.raw_output_contents[place], dtype=kind).tolist())
    return list(getattr(output.contents, _CONTENTS[output.datatype]))


def unknown(model: str, port: int, outputs: Sequence[str]) -> Answer:
    """Ask for a model that is not there; answer the code's number."""
    question = service_pb2.ModelInferRequest(model_name=f"no-{model}", id="interop")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(question)
        except grpc.RpcError as error:
            return {"code": [error.code().value[0]]}
    return {}


def rest(model: str, port: int, outputs: Sequence[str]) -> Answer:
    """Send tensors as bytes behind JSON, over HTTP."""
    with triton_http.InferenceServerClient(f"127.0.0.1:{port}") as client:
        result = client.infer(
            model,
            _inputs(triton_http, TENSORS[model]),
            request_id="interop",
            outputs=[triton_http.InferRequestedOutput(name, binary_data=True) for name in outputs],
        )
        return {name: result.as_numpy(name).ravel().tolist() for name in outputs}


WAYS: dict[str, Callable[[str, int, Sequence[str]], Answer]] = {
    "raw": raw,
    "compressed": compressed,
    "many": many,
    "streamed": streamed,
    "typed": typed,
    "unknown": unknown,
    "rest": rest,
}


if __name__ == "__main__":
    for port in sys.argv[3].split(","):
        print(json.dumps(WAYS[sys.argv[1]](sys.argv[2], int(port), sys.argv[4:])))
