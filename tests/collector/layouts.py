"""The same rows as every client would send them, and the answers as every server gives them."""

import gzip
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from modelmonitor.collector.observer.bodies import Body
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import Call, Rows, Schema, columns_of
from modelmonitor.collector.protocols.grpc_messages import messages
from modelmonitor.collector.protocols.recognition import AUTO, recognise, target_of
from modelmonitor.collector.protocols.registry import decoders
from modelmonitor.core.baseline.profile import OutputLocator

JSON_TYPE: Final = {b"content-type": b"application/json"}
GRPC_TYPE: Final = {b"content-type": b"application/grpc+proto"}
V2_PATH: Final = b"/v2/models/m/infer"
V1_PATH: Final = b"/v1/models/m:predict"
GRPC_PATH: Final = b"/inference.GRPCInferenceService/ModelInfer"
GRPC_STREAM_PATH: Final = b"/inference.GRPCInferenceService/ModelStreamInfer"
INVOCATIONS: Final = b"/invocations"
CHAT: Final = b"/v1/chat/completions"
LABEL: Final = "label"
PROBA: Final = "proba"
OUTPUTS: Final = (OutputLocator(output=LABEL), OutputLocator(output=PROBA, index=1))

Row = Sequence[Any]


def call_of(
    path: bytes,
    request: bytes,
    response: bytes = b"",
    *,
    headers: Mapping[bytes, bytes] = JSON_TYPE,
    response_headers: Mapping[bytes, bytes] = JSON_TYPE,
    times: Sequence[tuple[int, int]] = (),
) -> Call:
    return Call(
        path=path,
        request_headers=headers,
        request=request,
        response_headers=response_headers,
        response=response,
        times=times,
    )


def exchange_of(call: Call, *, number: int = 0) -> Exchange:
    """Return a call as the observer has it before it is decoded."""
    return Exchange(
        port=0,
        connection=1,
        number=number,
        method=b"POST",
        path=call.path,
        headers=dict(call.request_headers),
        started=1,
        request_end=1,
        request_complete=True,
        status=200,
        response_headers=dict(call.response_headers),
        request=Body(wanted=True, parts=[call.request], size=len(call.request)),
        response=Body(
            wanted=True, parts=[call.response], size=len(call.response), times=list(call.times)
        ),
    )


def decoded(call: Call, schema: Schema, protocol: str = AUTO) -> Rows:
    """Decode as the observer would; also of what is not worth decoding to it."""
    content_type = call.request_headers.get(b"content-type", b"")
    target = target_of(protocol, b"POST", call.path, content_type)
    recognition = target.recognition or recognise(call)
    return decoders()[recognition.protocol].decode(call, schema)


def lists(columns: Sequence[Any]) -> list[Any]:
    """Return columns as lists, whatever sequences they are."""
    return [None if column is None else _list(column) for column in columns]


def _list(column: Any) -> list[Any]:
    return list(column.tolist() if hasattr(column, "tolist") else column)


def columns(rows: Rows, schema: Schema) -> list[Any]:
    """Return the inputs as lists."""
    return lists(columns_of(rows.inputs, len(schema.inputs)))


# -- OpenInference v2 over HTTP ----------------------------------------------------------------


def tensor(name: str, shape: Sequence[int], data: Any, datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": list(shape), "datatype": datatype, "data": data}


def _flat(rows: Sequence[Row]) -> list[Any]:
    return [value for row in rows for value in row]


def _v2(request: Any, rows: Sequence[Row], headers: Mapping[bytes, bytes] = JSON_TYPE) -> Call:
    return call_of(V2_PATH, json.dumps(request).encode(), v2_answer(len(rows)), headers=headers)


def labels(rows: int) -> list[int]:
    return [row % 2 for row in range(rows)]


def probabilities(rows: int) -> list[list[float]]:
    return [[0.75, 0.25] if row % 2 else [0.5, 0.5] for row in range(rows)]


def v2_answer(rows: int) -> bytes:
    return json.dumps(
        {
            "model_name": "m",
            "model_version": "7",
            "id": "1",
            "parameters": {},
            "outputs": [
                tensor(LABEL, [rows, 1], labels(rows), "INT64"),
                tensor(PROBA, [rows, 2], _flat(probabilities(rows))),
            ],
        }
    ).encode()


def v2_nested(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _v2({"inputs": [tensor("x", [len(rows), len(names)], list(map(list, rows)))]}, rows)


def v2_flat(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _v2({"inputs": [tensor("x", [len(rows), len(names)], _flat(rows))]}, rows)


def v2_columns(names: Sequence[str], rows: Sequence[Row]) -> Call:
    inputs = [
        tensor(name, [len(rows), 1], [row[place] for row in rows])
        for place, name in enumerate(names)
    ]
    return _v2({"parameters": {"content_type": "pd"}, "inputs": inputs}, rows)


def binary(document: Any, key: str, buffers: Sequence[bytes | None]) -> tuple[bytes, bytes]:
    """Return a body with raw tensors behind its JSON, and the length of the JSON as a header."""
    for one, buffer in zip(document[key], buffers, strict=True):
        if buffer is not None:
            del one["data"]
            one["parameters"] = {"binary_data_size": len(buffer)}
    head = json.dumps(document).encode()
    raw = b"".join(buffer for buffer in buffers if buffer is not None)
    return head + raw, str(len(head)).encode()


def packed(values: Sequence[Any]) -> bytes:
    """Return doubles, or texts each behind its length, as a raw buffer."""
    if values and isinstance(values[0], str):
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return struct.pack(f"<{len(values)}d", *values)


def v2_binary(names: Sequence[str], rows: Sequence[Row]) -> Call:
    """Send a tensor for each column, the first in JSON and the others raw, and answer raw."""
    inputs, buffers = [], []
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        datatype = "BYTES" if values and isinstance(values[0], str) else "FP64"
        inputs.append(tensor(name, [len(rows), 1], values, datatype))
        buffers.append(packed(values) if place else None)
    request, length = binary({"inputs": inputs}, "inputs", buffers)
    answer = json.loads(v2_answer(len(rows)))
    response, response_length = binary(
        answer, "outputs", [None, packed(_flat(probabilities(len(rows))))]
    )
    return call_of(
        V2_PATH,
        request,
        response,
        headers={
            b"content-type": b"application/octet-stream",
            b"inference-header-content-length": length,
        },
        response_headers={b"inference-header-content-length": response_length},
    )


# -- OpenInference v2 over gRPC ----------------------------------------------------------------


def framed(*parts: bytes, compressed: bool = False) -> bytes:
    """Return messages behind their gRPC prefixes."""
    found = b""
    for part in parts:
        content = gzip.compress(part) if compressed else part
        found += struct.pack(">BI", compressed, len(content)) + content
    return found


def grpc_request(
    names: Sequence[str], rows: Sequence[Row], *, raw: bool, model: str = "m"
) -> bytes:
    request = messages().request(model_name=model, model_version="")
    for place, name in enumerate(names):
        values = [row[place] for row in rows]
        texts = bool(values) and isinstance(values[0], str)
        one = request.tensors.add(
            name=name, datatype="BYTES" if texts else "FP64", shape=[len(rows), 1]
        )
        if raw:
            request.raw.append(packed(values))
        elif texts:
            one.contents.bytes_contents.extend(value.encode() for value in values)
        else:
            one.contents.fp64_contents.extend(values)
    return bytes(request.SerializeToString())


def grpc_response(rows: int, *, raw: bool) -> bytes:
    response = messages().response(model_name="m", model_version="7")
    label = response.tensors.add(name=LABEL, datatype="INT64", shape=[rows, 1])
    proba = response.tensors.add(name=PROBA, datatype="FP64", shape=[rows, 2])
    if raw:
        response.raw.append(struct.pack(f"<{rows}q", *labels(rows)))
        response.raw.append(packed(_flat(probabilities(rows))))
    else:
        label.contents.int64_contents.extend(labels(rows))
        proba.contents.fp64_contents.extend(_flat(probabilities(rows)))
    return bytes(response.SerializeToString())


def _grpc(names: Sequence[str], rows: Sequence[Row], *, raw: bool, compressed: bool) -> Call:
    return call_of(
        GRPC_PATH,
        framed(grpc_request(names, rows, raw=raw), compressed=compressed),
        framed(grpc_response(len(rows), raw=raw), compressed=compressed),
        headers=GRPC_TYPE,
        response_headers=GRPC_TYPE,
    )


def grpc_raw(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _grpc(names, rows, raw=True, compressed=False)


def grpc_typed(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _grpc(names, rows, raw=False, compressed=False)


def grpc_gzip(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _grpc(names, rows, raw=True, compressed=True)


def grpc_stream(names: Sequence[str], rows: Sequence[Row], *, wrapped: bool = True) -> Call:
    """Send a message for each row; Triton wraps its answers, MLServer does not."""
    answer = grpc_response(1, raw=True)
    if wrapped:
        answer = messages().streamed(infer_response=answer).SerializeToString()
    return call_of(
        GRPC_STREAM_PATH,
        framed(*(grpc_request(names, [row], raw=True) for row in rows)),
        framed(*[answer for _ in rows]),
        headers=GRPC_TYPE,
        response_headers=GRPC_TYPE,
    )


# -- one raw tensor, which holds numbers only --------------------------------------------------


def v2_matrix(names: Sequence[str], rows: Sequence[Row]) -> Call:
    one = tensor("x", [len(rows), len(names)], None)
    request, length = binary({"inputs": [one]}, "inputs", [packed(_flat(rows))])
    return call_of(
        V2_PATH,
        request,
        v2_answer(len(rows)),
        headers={b"inference-header-content-length": length},
    )


def grpc_matrix(names: Sequence[str], rows: Sequence[Row]) -> Call:
    request = messages().request(model_name="m")
    request.tensors.add(name="x", datatype="FP64", shape=[len(rows), len(names)])
    request.raw.append(packed(_flat(rows)))
    return call_of(
        GRPC_PATH,
        framed(request.SerializeToString()),
        framed(grpc_response(len(rows), raw=True)),
        headers=GRPC_TYPE,
        response_headers=GRPC_TYPE,
    )


# -- JSON without tensors ----------------------------------------------------------------------


def records(names: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]


def by_column(names: Sequence[str], rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def _json(path: bytes, request: Any, answer: Any) -> Call:
    return call_of(path, json.dumps(request).encode(), json.dumps(answer).encode())


def _named(rows: int) -> dict[str, Any]:
    return {LABEL: labels(rows), PROBA: probabilities(rows)}


def _named_rows(rows: int) -> list[dict[str, Any]]:
    both = zip(labels(rows), probabilities(rows), strict=True)
    return [{LABEL: label, PROBA: proba} for label, proba in both]


def v1_lists(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(V1_PATH, {"instances": rows}, {"predictions": _named_rows(len(rows))})


def v1_objects(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(
        V1_PATH, {"instances": records(names, rows)}, {"predictions": _named_rows(len(rows))}
    )


def v1_columns(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(V1_PATH, {"inputs": by_column(names, rows)}, {"outputs": _named(len(rows))})


def mlflow_split(names: Sequence[str], rows: Sequence[Row]) -> Call:
    split = {"columns": names, "index": list(range(len(rows))), "data": rows}
    return _json(INVOCATIONS, {"dataframe_split": split}, {"predictions": _named_rows(len(rows))})


def mlflow_records(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(
        INVOCATIONS, {"dataframe_records": records(names, rows)}, {"predictions": _named(len(rows))}
    )


def mlflow_inputs(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(
        INVOCATIONS, {"inputs": by_column(names, rows)}, {"predictions": _named(len(rows))}
    )


def mlflow_csv(names: Sequence[str], rows: Sequence[Row]) -> Call:
    lines = [",".join(names), *(",".join(map(str, row)) for row in rows)]
    return call_of(
        INVOCATIONS,
        "\n".join(lines).encode(),
        json.dumps({"predictions": _named(len(rows))}).encode(),
        headers={b"content-type": b"text/csv; charset=utf-8"},
    )


def bento(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(b"/predict", {"x": rows}, _named_rows(len(rows)))


def plain_records(names: Sequence[str], rows: Sequence[Row]) -> Call:
    return _json(b"/predict", records(names, rows), _named(len(rows)))


Layout = Callable[[Sequence[str], Sequence[Row]], Call]

LAYOUTS: Final[tuple[Layout, ...]] = (
    v2_nested,
    v2_flat,
    v2_columns,
    v2_binary,
    grpc_raw,
    grpc_typed,
    grpc_gzip,
    v1_lists,
    v1_objects,
    v1_columns,
    mlflow_split,
    mlflow_records,
    mlflow_inputs,
    mlflow_csv,
    bento,
    plain_records,
)
MATRICES: Final[tuple[Layout, ...]] = (v2_matrix, grpc_matrix)
"""Layouts of numbers only."""


# -- OpenAI ------------------------------------------------------------------------------------


def sse(*documents: Any, done: bool = True) -> bytes:
    """Return a stream of events."""
    parts = [f"data: {json.dumps(document)}\n\n" for document in documents]
    return "".join([*parts, *(["data: [DONE]\n\n"] if done else [])]).encode()


def chunk(delta: Any, reason: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return {"object": "chat.completion.chunk", "model": "gpt-x", "choices": [choice], **more}
