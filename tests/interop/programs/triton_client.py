"""Asks a server with Triton's client, once; prints what came back as JSON.

    triton_client.py HOW PORT OUTPUT…

HOW is one of the functions of `WAYS`.
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
from tritonclient.utils import triton_to_np_dtype

from tests.interop.flowers import ROWS

MODEL = "iris"
TENSOR = np.array(ROWS, dtype=np.float64)
Answer = dict[str, list[Any]]
"""Output → its values, row by row."""


def raw(port: int, outputs: Sequence[str], **options: Any) -> Answer:
    """Send tensors as bytes over gRPC, the client's only way."""
    tensor = triton_grpc.InferInput("x", list(TENSOR.shape), "FP64")
    tensor.set_data_from_numpy(TENSOR)
    with triton_grpc.InferenceServerClient(f"127.0.0.1:{port}") as client:
        result = client.infer(
            MODEL,
            [tensor],
            request_id="flowers",
            outputs=[triton_grpc.InferRequestedOutput(name) for name in outputs],
            **options,
        )
        return {name: result.as_numpy(name).ravel().tolist() for name in outputs}


def compressed(port: int, outputs: Sequence[str]) -> Answer:
    """Send tensors as bytes over gRPC, compressed."""
    return raw(port, outputs, compression_algorithm="gzip")


def typed(port: int, outputs: Sequence[str]) -> Answer:
    """Send tensors as typed values over gRPC, with the client's own messages."""
    tensor = service_pb2.ModelInferRequest.InferInputTensor(
        name="x",
        shape=TENSOR.shape,
        datatype="FP64",
        contents=service_pb2.InferTensorContents(fp64_contents=TENSOR.ravel().tolist()),
    )
    asked = [service_pb2.ModelInferRequest.InferRequestedOutputTensor(name=one) for one in outputs]
    question = service_pb2.ModelInferRequest(
        model_name=MODEL, id="flowers", inputs=[tensor], outputs=asked
    )
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(question)
    return {one.name: _values(answer, place) for place, one in enumerate(answer.outputs)}


def _values(answer: Any, place: int) -> list[Any]:
    """Return an output's values: servers answer as bytes too when they were asked in values."""
    output = answer.outputs[place]
    if answer.raw_output_contents:
        kind = triton_to_np_dtype(output.datatype)
        return list(np.frombuffer(answer.raw_output_contents[place], dtype=kind).tolist())
    return list(output.contents.int64_contents) or list(output.contents.fp64_contents)


def unknown(port: int, outputs: Sequence[str]) -> Answer:
    """Ask for a model that is not there; answer the code by its name."""
    question = service_pb2.ModelInferRequest(model_name="no-such-model", id="flowers")
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(question)
        except grpc.RpcError as error:
            return {"code": [error.code().value[0]]}
    return {}


def rest(port: int, outputs: Sequence[str]) -> Answer:
    """Send tensors as bytes behind JSON, over HTTP."""
    tensor = triton_http.InferInput("x", list(TENSOR.shape), "FP64")
    tensor.set_data_from_numpy(TENSOR, binary_data=True)
    with triton_http.InferenceServerClient(f"127.0.0.1:{port}") as client:
        result = client.infer(
            MODEL,
            [tensor],
            request_id="flowers",
            outputs=[triton_http.InferRequestedOutput(name, binary_data=True) for name in outputs],
        )
        return {name: result.as_numpy(name).ravel().tolist() for name in outputs}


WAYS: dict[str, Callable[[int, Sequence[str]], Answer]] = {
    "raw": raw,
    "compressed": compressed,
    "typed": typed,
    "unknown": unknown,
    "rest": rest,
}


if __name__ == "__main__":
    print(json.dumps(WAYS[sys.argv[1]](int(sys.argv[2]), sys.argv[3:])))
