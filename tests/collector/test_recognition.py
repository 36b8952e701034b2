"""Auto: what a request is taken for, how sure that is, and whose model it asks."""

import json
from typing import Any

import pytest

from modelmonitor.collector.observer import decoding
from modelmonitor.collector.observer.configuration import (
    InvalidConfigurationError,
    read_configuration,
)
from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import Call, Rows, Schema, UndecodableError
from modelmonitor.collector.protocols.pointers import PointerError, parse_pointer, resolve
from modelmonitor.collector.protocols.recognition import (
    AUTO,
    JSON,
    KSERVE_V1,
    MLFLOW,
    OPEN_INFERENCE,
    OPENAI,
    Confidence,
    recognise,
    target_of,
)
from modelmonitor.core.wire.configuration import JSONPaths, encode_configuration
from tests.collector.harness import MONITOR_UID, configuration_for, numeric, score
from tests.collector.layouts import (
    CHAT,
    GRPC_PATH,
    GRPC_TYPE,
    INVOCATIONS,
    V1_PATH,
    V2_PATH,
    Layout,
    call_of,
    columns,
    exchange_of,
    framed,
    grpc_request,
    lists,
    mlflow_records,
    mlflow_split,
    v1_lists,
    v2_columns,
    v2_nested,
)

POST = b"POST"
APPLICATION_JSON = b"application/json"
GRPC = b"application/grpc"


@pytest.mark.parametrize(
    ("path", "content_type", "protocol"),
    [
        (V2_PATH, APPLICATION_JSON, OPEN_INFERENCE),
        (V2_PATH, b"application/octet-stream", OPEN_INFERENCE),
        (GRPC_PATH, GRPC, OPEN_INFERENCE),
        (b"/inference.GRPCInferenceService/ModelStreamInfer", b"application/grpc+proto",
         OPEN_INFERENCE),
        (V1_PATH, APPLICATION_JSON, KSERVE_V1),
        (b"/v1/models/m/labels/stable:predict", b"", KSERVE_V1),
        (INVOCATIONS, b"text/csv", MLFLOW),
        (b"/gateway/model/invocations", APPLICATION_JSON, MLFLOW),
        (CHAT, APPLICATION_JSON, OPENAI),
        (b"/openai/v1/completions", APPLICATION_JSON, OPENAI),
        (b"/openai/deployments/d/chat/completions", APPLICATION_JSON, OPENAI),
    ],
)  # fmt: skip
def test_a_protocols_own_path_is_sure(path: bytes, content_type: bytes, protocol: str) -> None:
    target = target_of(AUTO, POST, path, content_type)
    assert target.inference
    assert target.recognition == (protocol, Confidence.PATH)
    declared = target_of(protocol, POST, path, content_type)
    assert declared.inference
    assert declared.recognition == (protocol, Confidence.DECLARED)
    assert not target_of(protocol, b"GET", path, content_type).inference


@pytest.mark.parametrize(
    ("protocol", "path", "content_type"),
    [
        (AUTO, b"/inference.GRPCInferenceService/ServerLive", GRPC),
        (AUTO, b"/inference.GRPCInferenceService/ModelInfer", b"text/plain"),
        (AUTO, b"/v1/models/m:explain", APPLICATION_JSON),
        (AUTO, b"/v1/models", APPLICATION_JSON),
        (AUTO, b"/v1/embeddings", APPLICATION_JSON),
        (AUTO, b"/openai/v1/responses/abc", APPLICATION_JSON),
        (AUTO, b"/predict", b"multipart/form-data"),
        (MLFLOW, V2_PATH, APPLICATION_JSON),
        (KSERVE_V1, b"/predict", APPLICATION_JSON),
        (OPENAI, INVOCATIONS, APPLICATION_JSON),
        (AUTO, b"/predict" * 200, APPLICATION_JSON),
    ],
)
def test_what_is_no_prediction_is_only_counted(
    protocol: str, path: bytes, content_type: bytes
) -> None:
    assert not target_of(protocol, POST, path, content_type).inference


def test_a_server_may_have_a_second_version_of_its_own() -> None:
    assert target_of(AUTO, POST, b"/v2/score", APPLICATION_JSON).inference


def test_declared_json_reads_any_path() -> None:
    for path in (b"/predict", b"/v1/models/m:score", INVOCATIONS, V1_PATH):
        target = target_of(JSON, POST, path, b"text/plain")
        assert target.inference
        assert target.recognition == (JSON, Confidence.DECLARED)


NAMES, ROWS = ("a", "b"), [(1.0, 2.0), (3.0, 4.0)]


def moved(layout: Layout) -> Call:
    """Return a call whose path says nothing."""
    call = layout(NAMES, ROWS)
    return call_of(b"/custom", call.request, call.response)


@pytest.mark.parametrize(
    ("call", "protocol", "confidence"),
    [
        (moved(v2_nested), OPEN_INFERENCE, Confidence.CONTENT),
        (moved(v2_columns), OPEN_INFERENCE, Confidence.CONTENT),
        (moved(mlflow_split), MLFLOW, Confidence.CONTENT),
        (moved(mlflow_records), MLFLOW, Confidence.CONTENT),
        (moved(v1_lists), JSON, Confidence.FALLBACK),
        (call_of(b"/custom", b'{"messages":[{"role":"user","content":"x"}]}'), OPENAI,
         Confidence.CONTENT),
        (call_of(b"/custom", b'{"messages":["x"]}'), JSON, Confidence.FALLBACK),
        (call_of(b"/custom", b'{"inputs":{"shape":[1]}}'), JSON, Confidence.FALLBACK),
        (call_of(b"/custom", b'"inputs" "shape"'), JSON, Confidence.FALLBACK),
    ],
)  # fmt: skip
def test_on_other_paths_the_content_tells(
    call: Call, protocol: str, confidence: Confidence
) -> None:
    assert recognise(call) == (protocol, confidence)


def asks(model: str, path: bytes) -> Exchange:
    body = (
        framed(grpc_request(("a",), [(1.0,)], raw=True, model=model))
        if path == GRPC_PATH
        else json.dumps({"model": model, "messages": []}).encode()
    )
    headers = GRPC_TYPE if path == GRPC_PATH else {b"content-type": APPLICATION_JSON}
    return exchange_of(call_of(path, body, headers=headers))


@pytest.mark.parametrize("path", [GRPC_PATH, CHAT])
def test_a_body_names_the_model_when_the_request_is_complete(path: bytes) -> None:
    reader = Interpreter(configuration_for(numeric("a"), model="m"), ("http",))
    for model, concerned in [("m", True), ("other", False), ("", True)]:
        exchange = asks(model, path)
        exchange.request_complete = False
        assert reader.concerns(exchange), "before it is complete, it may concern"
        exchange.request_complete = True
        assert reader.concerns(exchange) is concerned
        assert reader.samples(exchange) is concerned
        assert exchange.target is not None
        assert exchange.target.model == model


@pytest.mark.parametrize("body", [b"", b"\x00", b"{", b"[1]", b'{"model":7}'])
@pytest.mark.parametrize("path", [GRPC_PATH, CHAT])
def test_a_body_that_names_no_model_may_concern(path: bytes, body: bytes) -> None:
    reader = Interpreter(configuration_for(numeric("a"), model="m"), ("http",))
    exchange = exchange_of(call_of(path, body, headers={b"content-type": GRPC}))
    assert reader.concerns(exchange)


def test_a_body_is_kept_for_its_model_even_if_it_is_not_sampled() -> None:
    for model, kept in [("m", True), ("", False)]:
        unsampled = configuration_for(numeric("a"), model=model, sampleRatio=0.0)
        reader = Interpreter(unsampled, ("http",))
        exchange = asks("m", CHAT)
        exchange.request_complete = False
        assert reader.wants(exchange) is kept
        assert not reader.samples(exchange)


def test_rows_and_results_are_taken_where_they_are_declared() -> None:
    configuration = configuration_for(
        numeric("a"),
        numeric("b"),
        score("p", "p", 0),
        protocols={"http": JSON},
        paths={"http": JSONPaths(rows="/payload/0/rows", results="/result")},
    )
    request = {"inputs": [[9, 9]], "payload": [{"rows": [[1, 2], [3, 4]]}]}
    response = {"predictions": [7, 7], "result": [{"p": 0.1}, {"p": 0.2}]}
    call = call_of(b"/score", json.dumps(request).encode(), json.dumps(response).encode())
    found = Interpreter(configuration, ("http",)).decode(exchange_of(call))
    assert found.recognition == (JSON, Confidence.DECLARED)
    assert [list(column or ()) for column in found.rows.inputs.columns] == [[1, 3], [2, 4]]
    assert lists(found.rows.outputs) == [[0.1, 0.2]]
    elsewhere = call_of(b"/score", b'{"inputs":[[9,9]]}', call.response)
    with pytest.raises(UndecodableError, match="RequestShape"):
        Interpreter(configuration, ("http",)).decode(exchange_of(elsewhere))
    elsewhere = call_of(b"/score", call.request, b'{"predictions":[7,7]}')
    with pytest.raises(UndecodableError, match="ResponseShape"):
        Interpreter(configuration, ("http",)).decode(exchange_of(elsewhere))


DOCUMENT: Any = {"foo": ["bar", "baz"], "": 0, "a/b": 1, "m~n": 8, " ": 7, "k": {"0": 5}}


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("", DOCUMENT),
        ("/foo", ["bar", "baz"]),
        ("/foo/0", "bar"),
        ("/", 0),
        ("/a~1b", 1),
        ("/m~0n", 8),
        ("/ ", 7),
        ("/k/0", 5),
    ],
)
def test_pointers_point_as_the_standard_says(pointer: str, value: Any) -> None:
    assert resolve(DOCUMENT, parse_pointer(pointer)) == value


@pytest.mark.parametrize("pointer", ["/no", "/foo/2", "/foo/00", "/foo/-", "/foo/-1", "/foo/0/0"])
def test_pointers_to_nothing_are_told(pointer: str) -> None:
    with pytest.raises(LookupError):
        resolve(DOCUMENT, parse_pointer(pointer))


@pytest.mark.parametrize("pointer", ["foo", "$.foo", "/a~2", "/a~", "/" + "a" * 300])
def test_what_is_no_pointer_is_refused(pointer: str) -> None:
    with pytest.raises(PointerError):
        parse_pointer(pointer)
    configuration = configuration_for(paths={"http": JSONPaths(rows=pointer)})
    with pytest.raises(InvalidConfigurationError, match=r"paths\[http\]\.rows: .*JSON Pointer"):
        read_configuration(encode_configuration(configuration), MONITOR_UID)


def test_only_protocols_that_are_read_may_be_configured() -> None:
    for protocol in (AUTO, OPEN_INFERENCE, KSERVE_V1, MLFLOW, OPENAI, JSON):
        configuration = configuration_for(protocols={"http": protocol})
        taken = read_configuration(encode_configuration(configuration), MONITOR_UID)
        assert taken.protocols == {"http": protocol}
    configuration = configuration_for(protocols={"http": "SOAP"})
    with pytest.raises(InvalidConfigurationError, match=r"protocols\[http\].*'SOAP'.*KServeV1"):
        read_configuration(encode_configuration(configuration), MONITOR_UID)


def test_what_was_decoded_says_as_what() -> None:
    reader = Interpreter(configuration_for(numeric("a"), numeric("b")), ("http",))
    found = reader.decode(exchange_of(v2_nested(NAMES, ROWS)))
    assert found.protocol == OPEN_INFERENCE
    assert found.recognition.confidence == Confidence.PATH
    assert columns(found.rows, reader.schema) == [[1.0, 3.0], [2.0, 4.0]]


def test_a_body_with_parts_left_out_says_so() -> None:
    reader = Interpreter(
        configuration_for(numeric("a"), numeric("b"), score("p", "p", 0)), ("http",)
    )
    for direction in ("request", "response"):
        exchange = exchange_of(v2_nested(NAMES, ROWS))
        getattr(exchange, direction).incomplete = True
        with pytest.raises(UndecodableError, match="Incomplete"):
            reader.decode(exchange)


def test_what_a_port_is_taken_for_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    reader = Interpreter(configuration_for(numeric("a"), numeric("b")), ("http",))
    with caplog.at_level("INFO", logger="modelmonitor"):
        for layout in (v2_nested, v2_columns, v1_lists, v2_nested):
            reader.decode(exchange_of(layout(NAMES, ROWS)))
        reader.decode(exchange_of(moved(v1_lists)))
    why = "nothing says otherwise; declare the protocol if this is wrong"
    assert caplog.messages == [
        "port http: requests are read as OpenInference (by their path)",
        "port http: requests are read as KServeV1 (by their path)",
        f"port http: requests are read as JSON ({why})",
    ]


class _Quoting:
    """A decoder at fault, whose exception quotes what it read."""

    def decode(self, call: Call, schema: Schema) -> Rows:
        raise ValueError(call.request)


def test_a_decoder_at_fault_is_logged_without_what_it_read(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding, "decoders", lambda _paths: {JSON: _Quoting()})
    reader = Interpreter(configuration_for(numeric("a")), ("http",))
    with pytest.raises(UndecodableError, match="Internal"):
        reader.decode(exchange_of(call_of(b"/predict", b'["secret"]')))
    assert "ValueError in " in caplog.text
    assert "secret" not in caplog.text
