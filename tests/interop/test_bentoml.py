"""BentoML: JSON of the service's own making."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from modelmonitor.core.wire.configuration import JSONPaths
from tests.collector.harness import LOOPBACK, configuration_for, free_port, label
from tests.interop.columns import LABELS, by_column, inputs
from tests.interop.flowers import NAMES, ROWS
from tests.interop.line import Line, Lines
from tests.interop.scrapes import total
from tests.interop.servers import PROGRAMS, answers, running_server
from tests.interop.wire import exchange, request

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

CONFIGURATION = configuration_for(*inputs(), label("label", "", *LABELS))
DECLARED = replace(CONFIGURATION, protocols={"http": "JSON"}, paths={"http": JSONPaths(rows="/x")})


@pytest.fixture(scope="module")
def server(folder: Callable[[str], Path]) -> Iterator[int]:
    port = free_port()
    command = ["bentoml", "serve", "bento_service:Flowers", "--working-dir", str(PROGRAMS)]
    address = ["--host", LOOPBACK, "--port", str(port)]
    with running_server(
        "bentoml",
        folder("bentoml"),
        command + address,
        ready=lambda: answers(port, "/readyz"),
    ):
        yield port


@pytest.fixture(scope="module", params=[CONFIGURATION, DECLARED], ids=["Auto", "JSON"])
def running(server: int, lines: Lines, request: pytest.FixtureRequest) -> Line:
    return lines(server, request.param)


def test_rows_are_found_by_auto_and_where_the_monitor_says(line: Line) -> None:
    reply = line.send(request("/predict", {"x": ROWS}))
    assert reply.status == 200
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), label=reply.json())
    assert seen.protocols == {"http/JSON": 1}


def test_a_body_that_the_service_refuses_is_no_rows(line: Line) -> None:
    reply = line.send(request("/predict", {"y": ROWS}))
    assert reply.status == 400
    seen = line.seen(1)
    assert seen.traffic.codes == {"400": 1}
    assert all(seen.columns[name]["rows"] == 0 for name in NAMES)


def test_a_scrape_through_the_collector_is_no_prediction(line: Line) -> None:
    exchange(line.port, request("/predict", {"x": ROWS[:1]}))
    reply = exchange(line.port, request("/metrics"))
    line.check_bytes()
    assert total(reply.body, "bentoml_service_request_total", endpoint="/predict") >= 1
    assert line.seen(2, decoded=1).columns["label"]["rows"] == 1
