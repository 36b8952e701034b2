"""The KServe SDK's server: V1, V2 with JSON and with binary tensors, and gRPC."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.collector.harness import configuration_for, free_port, label
from tests.interop import triton
from tests.interop.columns import LABELS, by_column, inputs
from tests.interop.flowers import NAMES, ROWS
from tests.interop.line import Line, running_line
from tests.interop.openinference import INFER, binary, document, nested, output
from tests.interop.servers import PROGRAMS, answers, running_server
from tests.interop.wire import request

pytestmark = pytest.mark.interop

PREDICT = "/v1/models/iris:predict"
CONFIGURATION = configuration_for(
    *inputs(),
    label("label", "", *LABELS),
    protocols={"http": "Auto"},
)


@pytest.fixture(scope="module")
def grpc_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(folder: Callable[[str], Path], grpc_port: int) -> Iterator[int]:
    port = free_port()
    command = ["python", str(PROGRAMS / "kserve_server.py"), "--model_name", "iris"]
    ports = ["--http_port", str(port), "--grpc_port", str(grpc_port)]
    with running_server(
        "kserve",
        folder("kserve"),
        command + ports,
        ready=lambda: answers(port, "/v2/models/iris/ready"),
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
def line(running: Line) -> Line:
    running.forget()
    return running


@pytest.fixture
def grpc(running_grpc: Line) -> Line:
    running_grpc.forget()
    return running_grpc


def test_v1_instances_are_rows(line: Line) -> None:
    reply = line.send(request(PREDICT, {"instances": ROWS}))
    seen = line.seen(1, decoded=1)
    predictions = reply.json()["predictions"]
    assert seen.columns == line.expected(**by_column(ROWS), label=predictions)
    assert seen.panes[-1].model == "iris"


def test_v1_of_a_wrong_shape_is_an_error_and_no_rows(line: Line) -> None:
    reply = line.send(request(PREDICT, {"instances": [ROWS[0][:3]]}))
    assert reply.status == 500
    seen = line.seen(1)
    assert seen.traffic.codes == {"500": 1}
    assert all(seen.columns[name]["rows"] == 0 for name in NAMES)


def test_v2_tensors_are_rows(line: Line) -> None:
    reply = line.send(request(INFER, document(nested(ROWS))))
    labels = output(reply.json(), "output-0")
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)


def test_binary_tensors_are_rows_on_the_way_in_and_out(line: Line) -> None:
    reply = line.send(binary(ROWS, "output-0"))
    head = int(dict(reply.headers)["inference-header-content-length"])
    labels = struct.unpack(f"<{len(ROWS)}q", reply.body[head:])
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)


def test_binary_tensors_with_a_json_answer(line: Line) -> None:
    reply = line.send(binary(ROWS))
    labels = output(reply.json(), "output-0")
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)


def test_tritons_http_client_sends_binary_tensors(line: Line, tmp_path: Path) -> None:
    labels = triton.ask(line, tmp_path, "rest", "output-0")["output-0"]
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=labels)


@pytest.mark.parametrize("how", ["raw", "compressed", "typed"])
def test_grpc_calls_are_rows(grpc: Line, tmp_path: Path, how: str) -> None:
    labels = triton.ask(grpc, tmp_path, how, "output-0")["output-0"]
    seen = grpc.seen(1, decoded=1)
    assert seen.columns == grpc.expected(**by_column(ROWS), label=labels)
    assert seen.traffic.codes == {"grpc-0": 1}


def test_a_grpc_error_is_counted_by_its_code(grpc: Line, tmp_path: Path) -> None:
    code = triton.ask(grpc, tmp_path, "unknown")["code"][0]
    seen = grpc.seen(1)
    assert seen.traffic.codes == {f"grpc-{code}": 1}
    assert seen.columns["label"]["rows"] == 0
