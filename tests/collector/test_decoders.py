"""Bodies to columns: every layout gives the same rows, and nothing but UndecodableError raises."""

import gzip
import json
import math
import random
import zlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.collector.observer.bodies import MAX_MESSAGE, Body
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import (
    Call,
    Decoder,
    Schema,
    UndecodableError,
    columns_of,
)
from modelmonitor.collector.protocols.generic import GenericDecoder
from modelmonitor.collector.protocols.openinference import OpenInferenceDecoder
from modelmonitor.collector.protocols.recognition import AUTO, JSON, OPEN_INFERENCE, target_of
from modelmonitor.collector.protocols.registry import decoders
from modelmonitor.core.baseline.profile import OutputLocator
from modelmonitor.core.wire.configuration import CollectorConfiguration
from modelmonitor.core.wire.pane import Undecodable
from tests.collector.harness import categorical, configuration_for, label, numeric, score

V2 = OpenInferenceDecoder()
GENERIC = GenericDecoder()
SCHEMA = Schema(
    inputs=("a", "b", "c"),
    outputs=(
        OutputLocator(output="label"),
        OutputLocator(output="proba", index=1),
        OutputLocator(output="absent"),
    ),
)
ROWS: list[list[Any]] = [[1.0, "x", None], [2.5, "y", True]]
COLUMNS: list[list[Any]] = [[1.0, 2.5], ["x", "y"], [None, True]]


def tensor(name: str, shape: list[Any], data: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": "FP64", "data": data}


def call_of(request: Any, response: Any = None) -> Call:
    return Call(
        path=b"/any",
        request_headers={},
        request=json.dumps(request).encode(),
        response_headers={},
        response=json.dumps(response).encode(),
    )


def inputs_of(decoder: Decoder, document: Any, schema: Schema = SCHEMA) -> tuple[int, list[Any]]:
    """Return how many rows a request has, and its columns."""
    inputs = decoder.decode(call_of(document), Schema(inputs=schema.inputs, outputs=())).inputs
    return inputs.rows, lists(columns_of(inputs, len(schema.inputs)))


def outputs_of(document: Any, decoder: Decoder, rows: int, schema: Schema = SCHEMA) -> list[Any]:
    """Return the outputs of a response to a request of so many rows."""
    values = [0.5] * rows
    request: Any = dict.fromkeys(schema.inputs, values)
    if decoder is V2:
        request = {"inputs": [tensor(name, [rows], values) for name in schema.inputs]}
    return lists(decoder.decode(call_of(request, document), schema).outputs)


def lists(columns: Sequence[Any]) -> list[Any]:
    return [None if column is None else list(column) for column in columns]


@pytest.mark.parametrize(
    ("decoder", "document"),
    [
        (V2, {"inputs": [tensor("x", [2, 3], ROWS)]}),
        (V2, {"inputs": [tensor("x", [2, 3], [*ROWS[0], *ROWS[1]])]}),
        (V2, {"inputs": [tensor("x", [2, 1, 3], [[ROWS[0]], [ROWS[1]]])]}),
        (V2, {"inputs": [tensor(name, [2], COLUMNS[i]) for i, name in enumerate("abc")]}),
        (V2, {"inputs": [tensor(name, [2, 1], COLUMNS[i]) for i, name in enumerate("abc")]}),
        (V2, {"inputs": [tensor(name, [2, 1], [[v] for v in COLUMNS[i]])
                         for i, name in reversed(list(enumerate("abc")))]}),
        (GENERIC, ROWS),
        (GENERIC, {"instances": ROWS}),
        (GENERIC, {"inputs": ROWS}),
        (GENERIC, {"data": ROWS}),
        (GENERIC, [dict(zip("abc", row, strict=True)) for row in ROWS]),
        (GENERIC, {"instances": [dict(zip("cba", row[::-1], strict=True)) for row in ROWS]}),
        (GENERIC, dict(zip("abc", COLUMNS, strict=True))),
        (GENERIC, {"inputs": dict(zip("abc", COLUMNS, strict=True))}),
        (GENERIC, {"inputs": {n: [[v] for v in c] for n, c in zip("abc", COLUMNS, strict=True)}}),
    ],
)  # fmt: skip
def test_every_layout_gives_the_same_rows(decoder: Decoder, document: Any) -> None:
    assert inputs_of(decoder, document) == (2, COLUMNS)


@pytest.mark.parametrize(
    ("decoder", "document"),
    [
        (V2, {"inputs": [tensor("x", [3], ROWS[0])]}),
        (GENERIC, ROWS[0]),
        (GENERIC, {"instances": ROWS[0]}),
        (GENERIC, dict(zip("abc", ROWS[0], strict=True))),
    ],
)
def test_one_row_needs_no_batch_dimension(decoder: Decoder, document: Any) -> None:
    assert inputs_of(decoder, document) == (1, [[1.0], ["x"], [None]])


@pytest.mark.parametrize(
    ("decoder", "document"),
    [
        (V2, {"inputs": [tensor("b", [2], ["x", "y"]), tensor("new", [2], [0, 0])]}),
        (GENERIC, {"b": ["x", "y"], "new": [0, 0]}),
    ],
)
def test_absent_columns_are_missing_and_others_are_ignored(decoder: Decoder, document: Any) -> None:
    assert inputs_of(decoder, document) == (2, [None, ["x", "y"], None])


def test_records_may_lack_a_value_here_and_there() -> None:
    found = inputs_of(GENERIC, [{"a": 1}, {"b": 2, "a": None}])
    assert found == (2, [[1, None], [None, 2], [None, None]])


def test_a_single_input_may_be_a_plain_list() -> None:
    schema = Schema(inputs=("a",), outputs=())
    layouts: list[tuple[Decoder, Any]] = [
        (V2, {"inputs": [tensor("x", [3], [1, 2, 3])]}),
        (V2, {"inputs": [tensor("x", [3, 1], [[1], [2], [3]])]}),
        (GENERIC, [1, 2, 3]),
        (GENERIC, {"instances": [[1], [2], [3]]}),
    ]
    for decoder, document in layouts:
        assert inputs_of(decoder, document, schema) == (3, [[1, 2, 3]])


@pytest.mark.parametrize(
    ("decoder", "document"),
    [
        (V2, {"inputs": [tensor("x", [2, 2], [1, 2, 3, 4])]}),
        (V2, {"inputs": [tensor("x", [2, 3], [1, 2, 3])]}),
        (V2, {"inputs": [tensor("x", [-1, 3], [])]}),
        (V2, {"inputs": [tensor("x", ["2", 3], [1, 2, 3, 4, 5, 6])]}),
        (V2, {"inputs": [tensor("x", [2, 3], None)]}),
        (V2, {"inputs": [tensor("x", [2, 3], [[1, 2, 3], 4])]}),
        (V2, {"inputs": [tensor("a", [2], [1, 2]), tensor("b", [3], [1, 2, 3])]}),
        (V2, {"inputs": [tensor("x", [1, 3], [1, 2, 3]), tensor("y", [1, 3], [1, 2, 3])]}),
        (V2, {"inputs": []}),
        (V2, {"inputs": {"a": 1}}),
        (V2, {}),
        (V2, None),
        (GENERIC, [[1, 2]]),
        (GENERIC, [[1, 2, 3], 4]),
        (GENERIC, {"other": [1]}),
        (GENERIC, [{"other": 1}]),
        (GENERIC, {"a": [1, 2], "b": [1]}),
        (GENERIC, {"a": [1, 2], "b": 1}),
        (GENERIC, "text"),
        (GENERIC, 7),
    ],
)
def test_any_other_shape_is_a_schema_error(decoder: Decoder, document: Any) -> None:
    with pytest.raises(UndecodableError, match="RequestShape"):
        inputs_of(decoder, document)


def test_binary_tensors_say_so() -> None:
    binary = {"name": "x", "shape": [1, 3], "parameters": {"binary_data_size": 24}}
    with pytest.raises(UndecodableError, match="BinaryTensors"):
        inputs_of(V2, {"inputs": [binary]})


LABELS, PROBA = [0, 1], [0.9, 0.1, 0.4, 0.6]


@pytest.mark.parametrize(
    ("decoder", "document"),
    [
        (V2, {"outputs": [tensor("label", [2, 1], LABELS), tensor("proba", [2, 2], PROBA)]}),
        (V2, {"outputs": [tensor("proba", [2, 2], [PROBA[:2], PROBA[2:]]),
                          tensor("label", [2], LABELS)]}),
        (GENERIC, {"predictions": {"label": LABELS, "proba": [PROBA[:2], PROBA[2:]]}}),
        (GENERIC, {"outputs": [{"label": 0, "proba": PROBA[:2]},
                               {"label": 1, "proba": PROBA[2:]}]}),
        (GENERIC, {"label": LABELS, "proba": [PROBA[:2], PROBA[2:]]}),
    ],
)  # fmt: skip
def test_outputs_are_found_by_name_and_position(decoder: Decoder, document: Any) -> None:
    assert outputs_of(document, decoder, 2) == [[0, 1], [0.1, 0.6], None]


@pytest.mark.parametrize(
    "document", [[0.1, 0.6], {"predictions": [[0.1], [0.6]]}, {"data": [0.1, 0.6]}]
)
def test_an_unnamed_output_is_the_first(document: Any) -> None:
    schema = Schema(inputs=("a",), outputs=(OutputLocator(),))
    assert outputs_of(document, GENERIC, 2, schema) == [[0.1, 0.6]]
    assert outputs_of(0.3, GENERIC, 1, schema) == [[0.3]]


@pytest.mark.parametrize(
    ("decoder", "document", "rows"),
    [
        (V2, {"outputs": [tensor("label", [3], [0, 1, 0])]}, 2),
        (V2, {"outputs": [tensor("proba", [2, 1], [0, 1])]}, 2),
        (V2, {"error": "no"}, 2),
        (V2, {"outputs": [tensor("label", [1], [0])]}, 0),
        (GENERIC, {"predictions": {"label": [0, 1, 1]}}, 2),
        (GENERIC, {"predictions": {"proba": [0, 1]}}, 2),
    ],
)
def test_outputs_that_do_not_fit_the_request_are_refused(
    decoder: Decoder, document: Any, rows: int
) -> None:
    with pytest.raises(UndecodableError, match="ResponseShape"):
        outputs_of(document, decoder, rows)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "inputs",
                    "outputs",
                    "instances",
                    "predictions",
                    "dataframe_split",
                    "dataframe_records",
                    "columns",
                    "messages",
                    "prompt",
                    "choices",
                    "usage",
                    "name",
                    "shape",
                    "data",
                    "a",
                    "b",
                    "label",
                    "proba",
                ]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(request=json_values, response=json_values, protocol=st.sampled_from(sorted(decoders())))
def test_any_json_is_rows_or_a_counted_reason(request: Any, response: Any, protocol: str) -> None:
    with suppress(UndecodableError):
        rows = decoders()[protocol].decode(call_of(request, response), SCHEMA)
        for column in (*columns_of(rows.inputs, len(SCHEMA.inputs)), *rows.outputs):
            assert column is None or len(column) == rows.inputs.rows


def exchange_of(
    request: bytes,
    response: bytes = b"",
    *,
    path: bytes = b"/v2/models/m/infer",
    headers: dict[bytes, bytes] | None = None,
    response_headers: dict[bytes, bytes] | None = None,
    number: int = 0,
) -> Exchange:
    return Exchange(
        port=0,
        connection=1,
        number=number,
        method=b"POST",
        path=path,
        headers=headers or {},
        started=1,
        status=200,
        response_headers=response_headers or {},
        request=Body(wanted=True, parts=[request]),
        response=Body(wanted=True, parts=[response]),
    )


CONFIGURATION = configuration_for(numeric("a", 0.0), categorical("b", "x"))
REQUEST = orjson.dumps({"inputs": [tensor("x", [1, 2], [1.0, "x"])]})


def interpreter(configuration: CollectorConfiguration = CONFIGURATION) -> Interpreter:
    return Interpreter(configuration, ("http",))


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        (b"gzip", gzip.compress(REQUEST)),
        (b"deflate", zlib.compress(REQUEST)),
        (b"identity", REQUEST),
        (b" GZIP ", gzip.compress(REQUEST)),
    ],
)
def test_compressed_bodies_are_read(coding: bytes, content: bytes) -> None:
    decoded = interpreter().decode(exchange_of(content, headers={b"content-encoding": coding}))
    assert lists(columns_of(decoded.rows.inputs, 2)) == [[1.0], ["x"]]


@pytest.mark.parametrize(
    ("coding", "content", "reason"),
    [
        (b"br", REQUEST, Undecodable.ENCODING),
        (b"gzip", REQUEST, Undecodable.ENCODING),
        (b"gzip", gzip.compress(REQUEST)[:-9], Undecodable.ENCODING),
        (b"gzip", gzip.compress(bytes(MAX_MESSAGE + 1)), Undecodable.TOO_LARGE),
        (b"", b"no JSON", Undecodable.REQUEST_SYNTAX),
        (b"", b"NaN of no JSON", Undecodable.REQUEST_SYNTAX),
        (b"", b"[" * 100_000 + b"NaN", Undecodable.REQUEST_SYNTAX),
        (b"", b"\xff\xfe", Undecodable.REQUEST_SYNTAX),
    ],
)
def test_bodies_that_cannot_be_read_have_a_reason(
    coding: bytes, content: bytes, reason: Undecodable
) -> None:
    with pytest.raises(UndecodableError) as undecodable:
        interpreter().decode(exchange_of(content, headers={b"content-encoding": coding}))
    assert undecodable.value.reason == reason


def test_pythons_nan_is_read_although_it_is_not_json() -> None:
    text = json.dumps({"inputs": [tensor("x", [1, 2], [float("nan"), "x"])]})
    decoded = interpreter().decode(exchange_of(text.encode()))
    (value,) = columns_of(decoded.rows.inputs, 2)[0] or ()
    assert math.isnan(value)


@given(
    request=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()),
    response=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()),
    path=st.sampled_from([b"/v2/models/m/infer", b"/predict"]),
)
def test_any_bodies_are_rows_or_a_counted_reason(
    request: bytes, response: bytes, path: bytes
) -> None:
    columns = (numeric("a", 0.0), score("proba", "proba", 1), label("label", "", "0"))
    reader = interpreter(configuration_for(*columns))
    reasons = []
    try:
        reader.decode(exchange_of(request, response, path=path))
    except UndecodableError as error:
        reasons.append(error.reason)
    assert Undecodable.INTERNAL not in reasons


@pytest.mark.parametrize(
    ("protocol", "method", "path", "content_type", "inference", "model"),
    [
        (AUTO, b"POST", b"/v2/models/m/infer", b"", True, "m"),
        (AUTO, b"POST", b"/v2/models/a%20b/versions/7/infer", b"", True, "a b"),
        (AUTO, b"POST", b"/v2/repository/index", b"application/json", False, ""),
        (AUTO, b"POST", b"/v2/models/m/generate", b"application/json", False, ""),
        (AUTO, b"GET", b"/v2/models/m/infer", b"", False, "m"),
        (AUTO, b"POST", b"/v1/models/m:predict", b"application/json", True, "m"),
        (AUTO, b"POST", b"/predict", b"application/json; charset=utf-8", True, ""),
        (AUTO, b"POST", b"/predict", b"", True, ""),
        (AUTO, b"POST", b"/predict", b"text/csv", False, ""),
        (JSON, b"POST", b"/predict", b"text/plain", True, ""),
        (OPEN_INFERENCE, b"POST", b"/predict", b"application/json", False, ""),
        (AUTO, b"POST", b"/\xff\xfe", b"application/json", True, ""),
    ],
)
def test_which_requests_are_predictions(
    protocol: str, method: bytes, path: bytes, content_type: bytes, inference: bool, model: str
) -> None:
    target = target_of(protocol, method, path, content_type)
    assert (target.inference, target.model) == (inference, model)


def test_auto_finds_tensors_on_any_path() -> None:
    decoded = interpreter().decode(exchange_of(REQUEST, path=b"/custom"))
    assert lists(columns_of(decoded.rows.inputs, 2)) == [[1.0], ["x"]]


def test_a_sample_is_a_share_of_requests_drawn_by_their_id() -> None:
    reader = interpreter(configuration_for(numeric("a"), sampleRatio=0.3))
    draw = random.Random(5)
    identities = [b"%d" % draw.getrandbits(64) for _ in range(4000)]
    drawn = [
        reader.samples(exchange_of(b"", headers={b"x-request-id": identity}, number=index))
        for index, identity in enumerate(identities)
    ]
    assert 0.27 < sum(drawn) / len(drawn) < 0.33
    again = [
        reader.samples(exchange_of(b"", headers={b"x-request-id": identity}))
        for identity in identities
    ]
    assert again == drawn, "a retried request is drawn again"
    without = [reader.samples(exchange_of(b"", number=number)) for number in range(4000)]
    assert 0.27 < sum(without) / len(without) < 0.33


def test_without_a_configuration_nothing_is_sampled() -> None:
    assert not Interpreter(None, ("http",)).samples(exchange_of(b""))
