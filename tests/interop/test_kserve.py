"""The KServe SDK's server over REST: V1, and V2 with JSON and with binary tensors."""

import struct
from pathlib import Path

import pytest

from tests.collector.harness import configuration_for, label
from tests.interop import triton
from tests.interop.columns import LABELS, by_column, inputs
from tests.interop.fleet import Ports
from tests.interop.flowers import NAMES, ROWS
from tests.interop.line import Line, Lines
from tests.interop.openinference import INFER, binary, document, nested, output
from tests.interop.scrapes import total
from tests.interop.wire import exchange, request

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

PREDICT = "/v1/models/iris:predict"
CONFIGURATION = configuration_for(*inputs(), label("label", "", *LABELS))
V1 = {"http/KServeV1": 1}
V2 = {"http/OpenInference": 1}


@pytest.fixture(scope="module")
def running(kserve: Ports, lines: Lines) -> Line:
    return lines(kserve.http, CONFIGURATION)


def test_v1_instances_are_rows(line: Line) -> None:
    reply = line.send(request(PREDICT, {"instances": ROWS}))
    seen = line.seen(1, decoded=1)
    predictions = reply.json()["predictions"]
    assert seen.columns == line.expected(**by_column(ROWS), label=predictions)
    assert (seen.model, seen.protocols) == (("iris", ""), V1)


def test_v1_of_a_wrong_shape_is_an_error_and_no_rows(line: Line) -> None:
    reply = line.send(request(PREDICT, {"instances": [ROWS[0][:3]]}))
    assert reply.status == 500
    seen = line.seen(1)
    assert seen.traffic.codes == {"500": 1}
    assert all(seen.columns[name]["rows"] == 0 for name in (*NAMES, "label"))


def test_v2_tensors_are_rows(line: Line) -> None:
    reply = line.send(request(INFER, document(nested(ROWS))))
    labels = output(reply.json(), "output-0")
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)
    assert seen.protocols == V2


def test_binary_tensors_are_rows_on_the_way_in_and_out(line: Line) -> None:
    reply = line.send(binary(ROWS, "output-0"))
    head = int(dict(reply.headers)["inference-header-content-length"])
    labels = struct.unpack(f"<{len(ROWS)}q", reply.body[head:])
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)
    assert seen.protocols == V2


def test_binary_tensors_with_a_json_answer(line: Line) -> None:
    reply = line.send(binary(ROWS))
    labels = output(reply.json(), "output-0")
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)


def test_tritons_http_client_sends_binary_tensors(line: Line, tmp_path: Path) -> None:
    labels = triton.ask(line, tmp_path, "rest", "output-0")["output-0"]
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)


def test_a_scrape_through_the_collector_is_no_prediction(line: Line) -> None:
    exchange(line.port, request(PREDICT, {"instances": ROWS[:1]}))
    reply = exchange(line.port, request("/metrics"))
    line.check_bytes()
    assert total(reply.body, "request_predict_seconds_count", model_name="iris") >= 1
    assert line.seen(2, decoded=1).columns["label"]["rows"] == 1
