"""MLflow: every format of its scoring server, and the tracking server's metrics."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.collector.harness import LOOPBACK, configuration_for, free_port, label
from tests.interop.columns import LABELS, by_column, inputs
from tests.interop.flowers import NAMES, ROWS
from tests.interop.line import Line, Lines
from tests.interop.scrapes import total
from tests.interop.servers import PROGRAMS, answers, run_program, running_server
from tests.interop.wire import exchange, request

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

INVOKE = "/invocations"
CONFIGURATION = configuration_for(*inputs(), label("label", "", *LABELS))


@pytest.fixture(scope="module")
def server(folder: Callable[[str], Path]) -> Iterator[int]:
    home, port = folder("mlflow"), free_port()
    run_program("mlflow", home, str(PROGRAMS / "mlflow_model.py"), "model")
    command = ["mlflow", "models", "serve", "-m", "./model", "--env-manager", "local"]
    address = ["-h", LOOPBACK, "-p", str(port)]
    with running_server("mlflow", home, command + address, ready=lambda: answers(port, "/ping")):
        yield port


@pytest.fixture(scope="module", params=["Auto", "MLflow"])
def running(server: int, lines: Lines, request: pytest.FixtureRequest) -> Line:
    return lines(server, replace(CONFIGURATION, protocols={"http": request.param}))


def split() -> dict[str, Any]:
    return {"dataframe_split": {"columns": NAMES, "data": ROWS}}


def reversed_split() -> dict[str, Any]:
    """Columns are told apart by name: their order is the client's."""
    return {
        "dataframe_split": {
            "columns": NAMES[::-1],
            "index": list(range(len(ROWS))),
            "data": [row[::-1] for row in ROWS],
        }
    }


def records() -> dict[str, Any]:
    return {"dataframe_records": [dict(zip(NAMES, row, strict=True)) for row in ROWS]}


def named() -> dict[str, Any]:
    return {"inputs": by_column(ROWS)}


def table() -> str:
    text = io.StringIO()
    csv.writer(text).writerows([NAMES, *ROWS])
    return text.getvalue()


@pytest.mark.parametrize("body", [split, reversed_split, records, named])
def test_rows_are_decoded_from_every_format(line: Line, body: Callable[[], dict[str, Any]]) -> None:
    reply = line.send(request(INVOKE, body()))
    assert reply.status == 200
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=reply.json()["predictions"])
    assert seen.protocols == {"http/MLflow": 1}


def test_rows_are_decoded_from_csv(line: Line) -> None:
    reply = line.send(request(INVOKE, table(), content_type="text/csv"))
    assert reply.status == 200
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=reply.json()["predictions"])
    assert seen.protocols == {"http/MLflow": 1}


def test_a_refused_request_is_no_rows(line: Line) -> None:
    """Instances have no names, and the model's signature wants names."""
    reply = line.send(request(INVOKE, {"instances": ROWS}))
    assert reply.status == 400
    seen = line.seen(1)
    assert seen.traffic.codes == {"400": 1}
    assert all(seen.columns[name]["rows"] == 0 for name in NAMES)


def test_an_error_that_quotes_rows_is_in_no_log_of_the_collector(line: Line) -> None:
    reply = line.send(request(INVOKE, {"instances": [[421.375, 1.0, 1.0, 1.0]]}))
    assert b"421.375" in reply.body
    line.seen(1)
    assert "421.375" not in line.collector.log.read_text()


@pytest.fixture(scope="module")
def tracking(folder: Callable[[str], Path]) -> Iterator[int]:
    """Run the tracking server, which has metrics; the scoring server has none."""
    home, port = folder("tracking"), free_port()
    command = ["mlflow", "server", "--backend-store-uri", "sqlite:///mlflow.db", "--workers", "1"]
    address = ["--host", LOOPBACK, "--port", str(port), "--expose-prometheus", "prometheus"]
    with running_server(
        "mlflow",
        home,
        command + address,
        ready=lambda: answers(port, "/health"),
        variables={"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
    ):
        yield port


def test_a_scrape_of_the_tracking_server_goes_through(tracking: int, lines: Lines) -> None:
    line = lines(tracking, CONFIGURATION)
    line.forget()
    exchange(line.port, request("/api/2.0/mlflow/experiments/get?experiment_id=0"))
    reply = exchange(line.port, request("/metrics"))
    line.check_bytes()
    assert total(reply.body, "mlflow_http_request_total", status="200") >= 1
    assert line.seen(2).traffic.codes == {"200": 2}
