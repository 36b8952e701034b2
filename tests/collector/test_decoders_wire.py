"""What real servers were asked and answered, byte for byte, and the columns that are read of it."""

import struct
from collections.abc import Mapping
from typing import Any

import pytest

from modelmonitor.collector.protocols.base import Call, Schema, UndecodableError
from modelmonitor.collector.protocols.grpc_messages import messages
from modelmonitor.core.baseline.profile import OutputLocator
from modelmonitor.core.wire.pane import Undecodable
from tests.collector.layouts import (
    GRPC_PATH,
    GRPC_STREAM_PATH,
    GRPC_TYPE,
    INVOCATIONS,
    JSON_TYPE,
    V1_PATH,
    V2_PATH,
    binary,
    call_of,
    columns,
    decoded,
    framed,
    grpc_request,
    lists,
    tensor,
)

IRIS = ("sepal length", "sepal width", "petal length", "petal width")
COLUMNS = [[5.1, 6.2], [3.5, 3.4], [1.4, 5.4], [0.2, 2.3]]
PREDICT = OutputLocator(output="predict")
PROBA = OutputLocator(output="predict_proba", index=2)
FIRST = OutputLocator()

MLSERVER_ANSWER = (
    b'{"model_name":"iris","model_version":"v1","id":"abc","parameters":{},"outputs":['
    b'{"name":"predict","shape":[2,1],"datatype":"INT64","parameters":{"content_type":"np"},'
    b'"data":[0,2]},'
    b'{"name":"predict_proba","shape":[2,3],"datatype":"FP64","parameters":{"content_type":"np"},'
    b'"data":[0.98,0.02,0.0,0.0,0.1,0.9]}]}'
)
MLSERVER_NESTED = (
    b'{"id":"abc","inputs":[{"name":"x","shape":[2,4],"datatype":"FP64","data":'
    b'[[5.1,3.5,1.4,0.2],[6.2,3.4,5.4,2.3]]}],"outputs":[{"name":"predict"},'
    b'{"name":"predict_proba"}]}'
)
KSERVE_ANSWER = (
    b'{"model_name":"iris","model_version":null,"id":"abc","parameters":null,"outputs":['
    b'{"name":"output-0","shape":[2],"datatype":"INT64","parameters":null,"data":[0,2]}]}'
)
ROWS = b"[[5.1,3.5,1.4,0.2],[6.2,3.4,5.4,2.3]]"
NAMED = (
    b'{"input":{"sepal length":[5.1,6.2],"sepal width":[3.5,3.4],"petal length":[1.4,5.4],'
    b'"petal width":[0.2,2.3]}}'
)
SPLIT = (
    b'{"dataframe_split":{"columns":["petal length","petal width","sepal length","sepal width",'
    b'"note"],"data":[[1.4,0.2,5.1,3.5,"a"],[5.4,2.3,6.2,3.4,"b"]]}}'
)
CSV = (
    b'sepal length,sepal width,petal length,petal width\r\n"5.1",3.5,1.4,0.2\r\n6.2,3.4,5.4,2.3\r\n'
)


@pytest.mark.parametrize(
    ("path", "request_body", "response", "outputs", "expected"),
    [
        (V2_PATH, MLSERVER_NESTED, MLSERVER_ANSWER, (PREDICT, PROBA), [[0, 2], [0.0, 0.9]]),
        (b"/v2/models/iris/versions/v1/infer", MLSERVER_NESTED, MLSERVER_ANSWER, (FIRST,),
         [[0, 2]]),
        (V2_PATH, MLSERVER_NESTED, KSERVE_ANSWER, (FIRST, PREDICT), [[0, 2], None]),
        (V1_PATH, b'{"instances":' + ROWS + b"}", b'{"predictions":[0,2]}', (FIRST,), [[0, 2]]),
        (b"/v1/models/iris/versions/3:predict", b'{"signature_name":"s","instances":' + ROWS + b"}",
         b'{"predictions":[[0.98,0.02,0.0],[0.0,0.1,0.9]]}', (OutputLocator(index=2),),
         [[0.0, 0.9]]),
        (INVOCATIONS, SPLIT, b'{"predictions":[0,2]}', (FIRST,), [[0, 2]]),
        (INVOCATIONS, SPLIT, b'{"predictions":[{"predict":0},{"predict":2}]}', (PREDICT,),
         [[0, 2]]),
        (INVOCATIONS, SPLIT, b'{"predictions":{"predict":[0,2]}}', (PREDICT,), [[0, 2]]),
        (INVOCATIONS, b'{"instances":' + ROWS + b',"params":{"t":1}}', b'{"predictions":[[0],[2]]}',
         (FIRST,), [[0, 2]]),
        (INVOCATIONS, b'{"dataframe_split":{"data":' + ROWS + b"}}", b"[0,2]", (FIRST,), [[0, 2]]),
        (b"/predict", b'{"x":' + ROWS + b"}", b"[0,2]", (FIRST,), [[0, 2]]),
        (b"/predict", NAMED, b"[0,2]", (FIRST,), [[0, 2]]),
    ],
)  # fmt: skip
def test_rows_and_results_are_found(
    path: bytes,
    request_body: bytes,
    response: bytes,
    outputs: tuple[OutputLocator, ...],
    expected: list[Any],
) -> None:
    schema = Schema(inputs=IRIS, outputs=outputs)
    found = decoded(call_of(path, request_body, response), schema)
    assert found.inputs.rows == 2
    assert columns(found, schema) == COLUMNS
    assert lists(found.outputs) == expected


def test_an_answer_names_its_model_and_version() -> None:
    schema = Schema(inputs=IRIS, outputs=(PREDICT,))
    found = decoded(call_of(V2_PATH, MLSERVER_NESTED, MLSERVER_ANSWER), schema)
    assert (found.model, found.version) == ("iris", "v1")
    found = decoded(call_of(V2_PATH, MLSERVER_NESTED, KSERVE_ANSWER), schema)
    assert (found.model, found.version) == ("iris", "")


def test_csv_is_read_as_pandas_would() -> None:
    schema = Schema(inputs=IRIS, outputs=(FIRST,))
    csv_type = {b"content-type": b"text/csv"}
    call = call_of(INVOCATIONS, CSV, b'{"predictions":[0,2]}', headers=csv_type)
    assert columns(decoded(call, schema), schema) == COLUMNS
    text = b"a,b,c,d,e\n1,x,True,,1_0\nNaN,7,False,NA,2\n"
    schema = Schema(inputs=("a", "b", "c", "d", "e"), outputs=())
    found = decoded(call_of(INVOCATIONS, text, headers=csv_type), schema)
    assert columns(found, schema) == [
        [1, None], ["x", "7"], [True, False], [None, None], ["1_0", "2"],
    ]  # fmt: skip


def raw_call(datatype: str, shape: list[int], raw: bytes) -> Call:
    request = {"inputs": [tensor("x", shape, None, datatype)]}
    body, length = binary(request, "inputs", [raw])
    return call_of(V2_PATH, body, headers={b"inference-header-content-length": length})


RAW: Mapping[str, tuple[bytes, list[Any]]] = {
    "BOOL": (b"\x01\x00", [True, False]),
    "UINT8": (b"\x01\xff", [1, 255]),
    "UINT16": (struct.pack("<2H", 1, 65535), [1, 65535]),
    "UINT32": (struct.pack("<2I", 1, 2**32 - 1), [1, 2**32 - 1]),
    "UINT64": (struct.pack("<2Q", 1, 2**64 - 1), [1, 2**64 - 1]),
    "INT8": (b"\x01\xff", [1, -1]),
    "INT16": (struct.pack("<2h", 1, -2), [1, -2]),
    "INT32": (struct.pack("<2i", 1, -2), [1, -2]),
    "INT64": (struct.pack("<2q", 1, -2), [1, -2]),
    "FP16": (struct.pack("<2e", 0.5, -2.0), [0.5, -2.0]),
    "BF16": (struct.pack("<2f", 0.5, -2.0)[2:4] + struct.pack("<f", -2.0)[2:], [0.5, -2.0]),
    "FP32": (struct.pack("<2f", 0.5, -2.0), [0.5, -2.0]),
    "FP64": (struct.pack("<2d", 0.1, -2.0), [0.1, -2.0]),
    "BYTES": (b"\x02\0\0\0\xc3\xa9\0\0\0\0", ["é", ""]),
}


@pytest.mark.parametrize("datatype", RAW)
def test_raw_tensors_of_every_datatype(datatype: str) -> None:
    raw, values = RAW[datatype]
    schema = Schema(inputs=("a", "b"), outputs=())
    found = decoded(raw_call(datatype, [1, 2], raw), schema)
    assert found.inputs.rows == 1
    assert columns(found, schema) == [[value] for value in values]
    request = messages().request(model_name="m")
    request.tensors.add(name="x", datatype=datatype, shape=[1, 2])
    request.raw.append(raw)
    call = call_of(GRPC_PATH, framed(request.SerializeToString()), headers=GRPC_TYPE)
    assert columns(decoded(call, schema), schema) == [[value] for value in values]


def test_one_tensor_is_not_cut_into_columns() -> None:
    schema = Schema(inputs=("a", "b"), outputs=())
    inputs = decoded(raw_call("FP32", [2, 2], struct.pack("<4f", 1, 2, 3, 4)), schema).inputs
    assert inputs.columns == ()
    assert lists([inputs.matrix]) == [[1.0, 2.0, 3.0, 4.0]]


@pytest.mark.parametrize(
    ("datatype", "shape", "raw"),
    [
        ("FP32", [1, 2], bytes(7)),
        ("FP32", [1, 2], bytes(9)),
        ("FP32", [1000, 1000, 1000], bytes(8)),
        ("COMPLEX", [1, 2], bytes(8)),
        ("BYTES", [1, 2], b"\x01\0\0\0a"),
        ("BYTES", [1, 2], b"\xff\xff\xff\xffa"),
        ("BYTES", [1, 2], b"\x01\0\0"),
        ("BYTES", [1, 2], bytes(12)),
    ],
)
def test_raw_tensors_that_do_not_fit_say_so(datatype: str, shape: list[int], raw: bytes) -> None:
    with pytest.raises(UndecodableError, match="BinaryTensors"):
        decoded(raw_call(datatype, shape, raw), Schema(inputs=("a", "b"), outputs=()))


@pytest.mark.parametrize("length", [b"-1", b"x", b"", b"99999", b"9" * 5000])
def test_a_head_longer_than_its_body_says_so(length: bytes) -> None:
    call = call_of(V2_PATH, MLSERVER_NESTED, headers={b"inference-header-content-length": length})
    with pytest.raises(UndecodableError, match="BinaryTensors"):
        decoded(call, Schema(inputs=IRIS, outputs=()))


@pytest.mark.parametrize(
    ("size", "reason"),
    [(9, "BinaryTensors"), (-1, "BinaryTensors"), ("8", "BinaryTensors"), (True, "BinaryTensors")],
)
def test_raw_data_that_is_not_there_says_so(size: Any, reason: str) -> None:
    body, length = binary({"inputs": [tensor("x", [1, 2], None, "FP32")]}, "inputs", [bytes(8)])
    head = body[: int(length)].replace(b'"binary_data_size": 8', b'"binary_data_size": %s' % (
        str(size).lower() if isinstance(size, bool) else repr(size).replace("'", '"')
    ).encode())  # fmt: skip
    call = call_of(
        V2_PATH, head + bytes(8), headers={b"inference-header-content-length": b"%d" % len(head)}
    )
    with pytest.raises(UndecodableError, match=reason):
        decoded(call, Schema(inputs=("a", "b"), outputs=()))


GOOD = grpc_request(("a",), [(1.0,)], raw=True)


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (GRPC_PATH, b"", Undecodable.REQUEST_SHAPE),
        (GRPC_PATH, framed(GOOD, GOOD), Undecodable.REQUEST_SHAPE),
        (GRPC_PATH, framed(GOOD)[:-1], Undecodable.ENCODING),
        (GRPC_PATH, framed(GOOD)[:4], Undecodable.ENCODING),
        (GRPC_PATH, b"\x02" + framed(GOOD)[1:], Undecodable.ENCODING),
        (GRPC_PATH, b"\x01" + framed(GOOD)[1:], Undecodable.ENCODING),
        (GRPC_PATH, framed(bytes(5 << 20), compressed=True), Undecodable.TOO_LARGE),
        (GRPC_PATH, framed(b"\x0a\xff"), Undecodable.REQUEST_SYNTAX),
        (GRPC_PATH, framed(b"\x2a\x00" * 100_000), Undecodable.TOO_LARGE),
        (GRPC_PATH, framed(b"\x0b" * 100_000), Undecodable.REQUEST_SYNTAX),
        (GRPC_PATH, framed(b"\xff" * 100_000), Undecodable.REQUEST_SYNTAX),
        (GRPC_PATH, framed(GOOD + b"\x3a\x00"), Undecodable.BINARY),
        (GRPC_STREAM_PATH, framed(*[b""] * 5000), Undecodable.TOO_LARGE),
        (GRPC_STREAM_PATH, framed(b""), Undecodable.REQUEST_SHAPE),
    ],
)
def test_grpc_bodies_that_cannot_be_read_have_a_reason(
    path: bytes, body: bytes, reason: Undecodable
) -> None:
    with pytest.raises(UndecodableError) as undecodable:
        decoded(call_of(path, body, headers=GRPC_TYPE), Schema(inputs=("a",), outputs=()))
    assert undecodable.value.reason == reason


def test_a_stream_with_other_than_one_answer_a_request_says_so() -> None:
    call = call_of(
        GRPC_STREAM_PATH, framed(GOOD, GOOD), framed(b""), headers=GRPC_TYPE,
        response_headers=GRPC_TYPE,
    )  # fmt: skip
    with pytest.raises(UndecodableError, match="ResponseShape"):
        decoded(call, Schema(inputs=("a",), outputs=(FIRST,)))


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        (V1_PATH, b'{"instances":[1,2,3,4]}', Undecodable.REQUEST_SHAPE),
        (V1_PATH, b'{"instances":[{"b64":"AA=="}]}', Undecodable.REQUEST_SHAPE),
        (V1_PATH, b"[]", Undecodable.REQUEST_SHAPE),
        (V1_PATH, b"{}", Undecodable.REQUEST_SHAPE),
        (INVOCATIONS, b'{"data":[[1,2,3,4]]}', Undecodable.REQUEST_SHAPE),
        (INVOCATIONS, b'{"dataframe_split":{"columns":["x"],"data":[[1]]}}',
         Undecodable.REQUEST_SHAPE),
        (INVOCATIONS, b'{"dataframe_split":{"columns":["sepal width"],"data":[[1,2]]}}',
         Undecodable.REQUEST_SHAPE),
        (INVOCATIONS, b'{"dataframe_split":{"columns":[[1]],"data":7}}', Undecodable.REQUEST_SHAPE),
        (V2_PATH, b'{"inputs":[{"name":"x","shape":' + b"[" + b"1," * 20 + b'1],"data":[1]}]}',
         Undecodable.REQUEST_SHAPE),
        (b"/predict", b"[" * 600_000, Undecodable.TOO_LARGE),
        (b"/predict", b"[" * 2000 + b"]" * 2000, Undecodable.REQUEST_SYNTAX),
        (b"/predict", b'[[NaN,"\\ud800",1,1]]', Undecodable.REQUEST_SYNTAX),
    ],
)  # fmt: skip
def test_requests_that_cannot_be_read_have_a_reason(
    path: bytes, body: bytes, reason: Undecodable
) -> None:
    with pytest.raises(UndecodableError) as undecodable:
        decoded(call_of(path, body, headers=JSON_TYPE), Schema(inputs=IRIS, outputs=()))
    assert undecodable.value.reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Undecodable.REQUEST_SHAPE),
        (b"\xff", Undecodable.REQUEST_SYNTAX),
        (b"a,b\n1\n", Undecodable.REQUEST_SHAPE),
        (b"a,b\n1,2\n", Undecodable.REQUEST_SHAPE),
        (b'a,"' + b"b" * 200_000 + b'"\n', Undecodable.REQUEST_SYNTAX),
        (b"a," * 600_000, Undecodable.TOO_LARGE),
    ],
)
def test_csv_that_cannot_be_read_has_a_reason(body: bytes, reason: Undecodable) -> None:
    call = call_of(INVOCATIONS, body, headers={b"content-type": b"text/csv"})
    with pytest.raises(UndecodableError) as undecodable:
        decoded(call, Schema(inputs=IRIS, outputs=()))
    assert undecodable.value.reason == reason
