"""MLServer over REST: every layout of OpenInference v2 that its clients send."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.collector.harness import configuration_for, free_port, label, score
from tests.interop.columns import LABELS, SCORE_CUTS, by_column, inputs
from tests.interop.flowers import NAMES, ROWS, Row
from tests.interop.line import Line, running_line
from tests.interop.servers import PROGRAMS, answers, get, run_program, running_server
from tests.interop.wire import request

pytestmark = pytest.mark.interop

INFER = "/v2/models/iris/infer"
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
def server(folder: Callable[[str], Path], metrics_port: int) -> Iterator[int]:
    home = folder("mlserver")
    port = free_port()
    run_program("mlserver", home, str(PROGRAMS / "model.py"), "model.joblib")
    settings = {
        "host": "127.0.0.1",
        "http_port": port,
        "grpc_port": free_port(),
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


@pytest.fixture
def line(running: Line) -> Line:
    running.forget()
    return running


def nested(rows: Sequence[Row]) -> list[dict[str, Any]]:
    shape = [len(rows), len(NAMES)]
    return [{"name": "x", "shape": shape, "datatype": "FP64", "data": [list(row) for row in rows]}]


def flat(rows: Sequence[Row]) -> list[dict[str, Any]]:
    shape = [len(rows), len(NAMES)]
    data = [value for row in rows for value in row]
    return [{"name": "x", "shape": shape, "datatype": "FP64", "data": data}]


def named(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [
        {"name": name, "shape": [len(rows)], "datatype": "FP64", "data": list(values)}
        for name, values in by_column(rows).items()
    ]


def document(tensors: list[dict[str, Any]], *outputs: str, **more: Any) -> dict[str, Any]:
    asked = {"outputs": [{"name": name} for name in outputs]} if outputs else {}
    return {"id": "flowers", "inputs": tensors, **asked, **more}


def output(answer: Any, name: str) -> list[Any]:
    return next(list(one["data"]) for one in answer["outputs"] if one["name"] == name)


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


def test_the_servers_own_counters_are_not_disturbed(metrics_port: int, line: Line) -> None:
    line.send(request(INFER, document(nested(ROWS[:1]))))
    line.seen(1, decoded=1)
    assert b"model_infer_request_success_total" in get(metrics_port, "/metrics")
