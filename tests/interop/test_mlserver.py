"""MLServer over REST: every layout of OpenInference v2 that its clients send."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.collector.harness import configuration_for, free_port, label, score
from tests.interop import triton
from tests.interop.columns import LABELS, SCORE_CUTS, by_column, inputs
from tests.interop.flowers import NAMES, ROWS
from tests.interop.line import Line, running_line
from tests.interop.openinference import INFER, binary, document, flat, named, nested, output
from tests.interop.scrapes import total
from tests.interop.servers import PROGRAMS, answers, get, run_program, running_server
from tests.interop.wire import exchange, request

pytestmark = pytest.mark.interop

CONFIGURATION = configuration_for(
    *inputs(),
    label("label", "predict", *LABELS),
    score("score", "predict_proba", 1, *SCORE_CUTS),
    protocols={"http": "Auto"},
)


@pytest.fixture(scope="module")
def metrics_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def grpc_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(folder: Callable[[str], Path], metrics_port: int, grpc_port: int) -> Iterator[int]:
    home = folder("mlserver")
    port = free_port()
    run_program("mlserver", home, str(PROGRAMS / "model.py"), "model.joblib")
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": grpc_port,
        "metrics_port": metrics_port,
        "parallel_workers": 0,
    }
    (home / "settings.json").write_text(json.dumps(settings))
    model = {
        "name": "iris",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    (home / "model-settings.json").write_text(json.dumps(model))
    with running_server(
        "mlserver",
        home,
        ["mlserver", "start", "."],
        ready=lambda: answers(port, "/v2/health/ready"),
    ):
        yield port


@pytest.fixture(scope="module")
def running(server: int, folder: Callable[[str], Path]) -> Iterator[Line]:
    with running_line(server, folder("line"), CONFIGURATION) as line:
        yield line


@pytest.fixture(scope="module")
def running_grpc(server: int, grpc_port: int, folder: Callable[[str], Path]) -> Iterator[Line]:
    with running_line(grpc_port, folder("grpc"), CONFIGURATION) as line:
        yield line


@pytest.fixture
def grpc(running_grpc: Line) -> Line:
    running_grpc.forget()
    return running_grpc


@pytest.fixture
def line(running: Line) -> Line:
    running.forget()
    return running


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
    assert seen.columns.items() >= line.expected(**by_column(ROWS), label=labels).items()
    assert seen.traffic.codes == {"200": 1}


def test_the_version_in_the_path_is_no_other_model(line: Line) -> None:
    reply = line.send(request("/v2/models/iris/versions/v1/infer", document(nested(ROWS[:5]))))
    assert reply.status == 200
    seen = line.seen(1, decoded=1)
    assert seen.columns.items() >= line.expected(**by_column(ROWS[:5])).items()
    assert (seen.panes[-1].model, seen.panes[-1].modelVersion) == ("iris", "v1")


def test_probabilities_are_decoded_beside_labels(line: Line) -> None:
    reply = line.send(request(INFER, document(nested(ROWS), "predict", "predict_proba")))
    answer = reply.json()
    labels, probabilities = output(answer, "predict"), output(answer, "predict_proba")
    assert len(probabilities) == 3 * len(ROWS)
    seen = line.seen(1, decoded=1)
    expected = line.expected(**by_column(ROWS), label=labels, score=probabilities[1::3])
    assert seen.columns == expected


def test_a_wrong_shape_is_the_servers_error_and_no_rows(line: Line) -> None:
    tensor = {"name": "x", "shape": [1, 3], "datatype": "FP64", "data": [[5.0, 3.5, 1.5]]}
    reply = line.send(request(INFER, document([tensor])))
    assert reply.status == 500
    seen = line.seen(1)
    assert seen.traffic.codes == {"500": 1}
    assert (seen.traffic.decoded, seen.columns["label"]["rows"]) == (0, 0)
    assert all(seen.columns[name]["rows"] == 0 for name in NAMES)


def test_binary_tensors_are_the_servers_error(line: Line) -> None:
    """MLServer does not read the extension; its answer is passed on like any other."""
    assert line.send(binary(ROWS, "predict")).status == 500
    assert line.seen(1).traffic.codes == {"500": 1}


@pytest.mark.parametrize("how", ["raw", "compressed", "typed"])
def test_grpc_calls_are_rows(grpc: Line, tmp_path: Path, how: str) -> None:
    answer = triton.ask(grpc, tmp_path, how, "predict", "predict_proba")
    seen = grpc.seen(1, decoded=1)
    assert seen.columns == grpc.expected(
        **by_column(ROWS), label=answer["predict"], score=answer["predict_proba"][1::3]
    )
    assert seen.traffic.codes == {"grpc-0": 1}


def test_a_grpc_error_is_counted_by_its_code(grpc: Line, tmp_path: Path) -> None:
    code = triton.ask(grpc, tmp_path, "unknown")["code"][0]
    seen = grpc.seen(1)
    assert seen.traffic.codes == {f"grpc-{code}": 1}
    assert seen.columns["label"]["rows"] == 0


def test_the_servers_own_counters_say_the_same(metrics_port: int, line: Line) -> None:
    before = served(metrics_port)
    exchange(line.port, request(INFER, document(nested(ROWS[:1]))))
    assert line.seen(1, decoded=1).traffic.seen == served(metrics_port) - before == 1


def served(port: int) -> float:
    return total(get(port, "/metrics"), "model_infer_request_success_total")
