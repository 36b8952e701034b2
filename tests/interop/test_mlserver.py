"""MLServer over REST: every layout of OpenInference v2 that its clients send."""

import gzip
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from tests.collector.harness import LOOPBACK, configuration_for, label, score
from tests.interop.columns import LABELS, SCORE_CUTS, by_column, inputs
from tests.interop.fleet import Ports
from tests.interop.flowers import NAMES, ROWS
from tests.interop.line import Line, Lines
from tests.interop.openinference import INFER, binary, document, flat, named, nested, output
from tests.interop.scrapes import total
from tests.interop.servers import get
from tests.interop.wire import exchange, request

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

CONFIGURATION = configuration_for(
    *inputs(),
    label("label", "predict", *LABELS),
    score("score", "predict_proba", 1, *SCORE_CUTS),
)


@pytest.fixture(scope="module", params=["Auto", "OpenInference"])
def running(mlserver: Ports, lines: Lines, request: pytest.FixtureRequest) -> Line:
    return lines(mlserver.http, replace(CONFIGURATION, protocols={"http": request.param}))


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(document(nested(ROWS)), id="nested"),
        pytest.param(document(flat(ROWS)), id="flat"),
        pytest.param(document(named(ROWS), parameters={"content_type": "pd"}), id="pd-columns"),
    ],
)
def test_rows_are_decoded_from_every_layout(line: Line, body: dict[str, Any]) -> None:
    reply = line.send(request(INFER, body))
    assert reply.status == 200
    labels = output(reply.json(), "predict")
    seen = line.seen(1, decoded=1)
    expected = line.expected(**by_column(ROWS), label=labels)
    assert seen.among(expected) == expected
    assert seen.traffic.codes == {"200": 1}
    assert seen.protocols == {"http/OpenInference": 1}


def test_the_version_in_the_path_is_no_other_model(line: Line) -> None:
    reply = line.send(request("/v2/models/iris/versions/v1/infer", document(nested(ROWS[:5]))))
    assert reply.status == 200
    seen = line.seen(1, decoded=1)
    expected = line.expected(**by_column(ROWS[:5]))
    assert seen.among(expected) == expected
    assert seen.model == ("iris", "v1")


def test_probabilities_are_decoded_beside_labels(line: Line) -> None:
    reply = line.send(request(INFER, document(nested(ROWS), "predict", "predict_proba")))
    answer = reply.json()
    labels, probabilities = output(answer, "predict"), output(answer, "predict_proba")
    assert len(probabilities) == 3 * len(ROWS)
    seen = line.seen(1, decoded=1)
    expected = line.expected(**by_column(ROWS), label=labels, score=probabilities[1::3])
    assert seen.columns == expected


def test_a_compressed_answer_is_read(line: Line) -> None:
    body = document(nested(ROWS * 10), "predict", "predict_proba")
    reply = line.send(request(INFER, body, headers={"Accept-Encoding": "gzip"}))
    assert dict(reply.headers)["content-encoding"] == "gzip"
    answer = json.loads(gzip.decompress(reply.body))
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(
        **by_column(ROWS * 10),
        label=output(answer, "predict"),
        score=output(answer, "predict_proba")[1::3],
    )


def test_a_wrong_shape_is_the_servers_error_and_no_rows(line: Line) -> None:
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [[5.0, 3.5, 1.5]]}
    reply = line.send(request(INFER, document([tensor])))
    assert reply.status == 500
    seen = line.seen(1)
    assert seen.traffic.codes == {"500": 1}
    assert all(seen.columns[name]["rows"] == 0 for name in (*NAMES, "label", "score"))


def test_binary_tensors_are_the_servers_error(line: Line) -> None:
    """MLServer does not read the extension; its answer is passed on like any other."""
    assert line.send(binary(ROWS, "predict")).status == 500
    assert line.seen(1).traffic.codes == {"500": 1}


def test_many_clients_at_once_get_their_own_answers(line: Line) -> None:
    questions = [request(INFER, document(nested([row]), id=str(row))) for row in ROWS]
    with ThreadPoolExecutor(6) as pool:
        replies = list(pool.map(lambda sent: exchange(line.port, sent), questions))
    assert [reply.json()["id"] for reply in replies] == [str(row) for row in ROWS]
    line.check_bytes()
    labels = [output(reply.json(), "predict")[0] for reply in replies]
    seen = line.seen(len(ROWS), decoded=len(ROWS))
    expected = line.expected(**by_column(ROWS), label=labels)
    assert seen.among(expected) == expected


def test_requests_in_one_breath_are_told_apart(line: Line) -> None:
    """The client sends all before it reads any answer: pipelining."""
    questions = [request(INFER, document(nested([row]))) for row in ROWS]
    keep = [one.replace(b"Connection: close\r\n", b"") for one in questions[:-1]]
    with socket.create_connection((LOOPBACK, line.port)) as connection:
        connection.sendall(b"".join(keep) + questions[-1])
        received = b""
        while data := connection.recv(1 << 16):
            received += data
    assert received.count(b"HTTP/1.1 200 OK") == len(ROWS)
    line.check_bytes()
    seen = line.seen(len(ROWS), decoded=len(ROWS))
    expected = line.expected(**by_column(ROWS))
    assert seen.among(expected) == expected


def test_the_servers_own_counters_say_the_same(mlserver: Ports, line: Line) -> None:
    before = served(mlserver)
    exchange(line.port, request(INFER, document(nested(ROWS[:1]))))
    assert line.seen(1, decoded=1).traffic.seen == served(mlserver) - before == 1


def served(ports: Ports) -> float:
    return total(get(ports.metrics, "/metrics"), "model_infer_request_success_total", model="iris")
