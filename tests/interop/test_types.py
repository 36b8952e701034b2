"""Columns that are no doubles: text, whole numbers, single precision, truth values."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from modelmonitor.core.wire.configuration import ColumnConfiguration
from tests.collector.harness import categorical, configuration_for, label, numeric
from tests.interop import triton
from tests.interop.fleet import Ports
from tests.interop.line import Line, Lines
from tests.interop.openinference import document, output
from tests.interop.orders import NAMES, ROWS, by_column
from tests.interop.wire import request

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

INFER = "/v2/models/orders/infer"
DATATYPES = {"colour": "BYTES", "site": "INT64", "size": "FP32", "rush": "BOOL"}


def columns() -> list[ColumnConfiguration]:
    """Violet, and an order from nowhere, are not in the baseline."""
    return [
        categorical("colour", "red", "blue", "grün", ""),
        categorical("site", "7", "-3", "9007199254740993"),
        numeric("size", 0.5, 0.75, 1.25, 2.5, 3.0),
        categorical("rush", "true", "false"),
    ]


def sent() -> dict[str, list[Any]]:
    """Return the values as categories and cells know them."""
    values = {name: list(column) for name, column in by_column().items()}
    return values | {"rush": ["true" if value else "false" for value in values["rush"]]}


@dataclass(frozen=True)
class Served:
    """How a server names what it answers."""

    fixture: str
    label: str


@pytest.fixture(
    scope="module",
    params=[Served("mlserver", "predict"), Served("kserve", "output-0")],
    ids=lambda one: one.fixture,
)
def served(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def ports(served: Served, request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(served.fixture)


@pytest.fixture(scope="module")
def running(served: Served, ports: Ports, lines: Lines) -> Line:
    return lines(
        ports.http,
        configuration_for(*columns(), label("label", served.label, "0", "1"), model="orders"),
    )


@pytest.fixture(scope="module")
def running_grpc(served: Served, ports: Ports, lines: Lines) -> Line:
    return lines(
        ports.grpc,
        configuration_for(*columns(), label("label", served.label, "0", "1"), model="orders"),
    )


@pytest.fixture
def grpc(running_grpc: Line) -> Line:
    running_grpc.forget()
    return running_grpc


def test_columns_of_json_keep_their_types(served: Served, line: Line) -> None:
    tensors = [
        {"name": name, "shape": [len(ROWS)], "datatype": DATATYPES[name], "data": list(values)}
        for name, values in by_column().items()
    ]
    reply = line.send(request(INFER, document(tensors, parameters={"content_type": "pd"})))
    assert reply.status == 200, reply.body
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**sent(), label=output(reply.json(), served.label))


@pytest.mark.parametrize("how", ["raw", "typed"])
def test_columns_of_grpc_keep_their_types(
    served: Served, grpc: Line, tmp_path: Path, how: str
) -> None:
    answer = triton.ask(grpc, tmp_path, how, served.label, model="orders")
    seen = grpc.seen(1, decoded=1)
    assert seen.columns == grpc.expected(**sent(), label=answer[served.label])


def test_columns_of_binary_tensors_keep_their_types(
    kserve: Ports, lines: Lines, tmp_path: Path
) -> None:
    """Text is bytes with their length before them; only KServe reads the extension."""
    line = lines(kserve.http, configuration_for(*columns(), label("label", "", "0", "1")))
    line.forget()
    answer = triton.ask(line, tmp_path, "rest", "output-0", model="orders")
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**sent(), label=answer["output-0"])


def test_v1_records_are_rows_by_name(kserve: Ports, lines: Lines) -> None:
    line = lines(kserve.http, configuration_for(*columns(), label("label", "", "0", "1")))
    line.forget()
    instances = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    reply = line.send(request("/v1/models/orders:predict", {"instances": instances}))
    assert reply.status == 200
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**sent(), label=reply.json()["predictions"])
