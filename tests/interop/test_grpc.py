"""OpenInference v2 over gRPC: Triton's client to MLServer and to the KServe SDK's server."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.collector.harness import configuration_for, label, score
from tests.interop import triton
from tests.interop.columns import LABELS, SCORE_CUTS, by_column, inputs
from tests.interop.fleet import Ports
from tests.interop.flowers import ROWS
from tests.interop.line import Line, Lines

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]


@dataclass(frozen=True)
class Served:
    """How a server names what it answers."""

    fixture: str
    label: str
    probabilities: str = ""
    version: str = ""

    @property
    def outputs(self) -> list[str]:
        return [name for name in (self.label, self.probabilities) if name]

    def expected(self, answer: dict[str, list[Any]]) -> dict[str, Any]:
        columns = {"label": answer[self.label]}
        return columns | ({"score": answer[self.probabilities][1::3]} if self.probabilities else {})


MLSERVER = Served("mlserver", "predict", "predict_proba", "v1")
KSERVE = Served("kserve", "output-0")


@pytest.fixture(scope="module", params=[MLSERVER, KSERVE], ids=lambda one: one.fixture)
def served(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(scope="module")
def running(served: Served, lines: Lines, request: pytest.FixtureRequest) -> Line:
    outputs = [label("label", served.label, *LABELS)]
    if served.probabilities:
        outputs.append(score("score", served.probabilities, 1, *SCORE_CUTS))
    return lines(
        request.getfixturevalue(served.fixture).grpc, configuration_for(*inputs(), *outputs)
    )


@pytest.mark.parametrize("how", ["raw", "compressed", "typed"])
def test_calls_are_rows(served: Served, line: Line, tmp_path: Path, how: str) -> None:
    answer = triton.ask(line, tmp_path, how, *served.outputs)
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), **served.expected(answer))
    assert seen.traffic.codes == {"grpc-0": 1}
    assert seen.protocols == {"http/OpenInference": 1}
    assert seen.model == ("iris", served.version)


def test_calls_that_share_a_connection_are_told_apart(
    served: Served, line: Line, tmp_path: Path
) -> None:
    answer = triton.ask(line, tmp_path, "many", *served.outputs)
    seen = line.seen(len(ROWS), decoded=len(ROWS))
    assert seen.columns == line.expected(**by_column(ROWS), **served.expected(answer))
    assert seen.traffic.codes == {"grpc-0": len(ROWS)}


def test_the_messages_of_a_stream_are_one_call(
    mlserver: Ports, lines: Lines, tmp_path: Path
) -> None:
    """Only MLServer has such streams; its answers are not wrapped as Triton's are."""
    line = lines(
        mlserver.grpc,
        configuration_for(
            *inputs(),
            label("label", MLSERVER.label, *LABELS),
            score("score", MLSERVER.probabilities, 1, *SCORE_CUTS),
        ),
    )
    line.forget()
    answer = triton.ask(line, tmp_path, "streamed", *MLSERVER.outputs)
    seen = line.seen(1, decoded=1)
    assert seen.columns == line.expected(**by_column(ROWS), **MLSERVER.expected(answer))
    assert seen.traffic.codes == {"grpc-0": 1}


def test_an_error_is_counted_by_its_code(line: Line, tmp_path: Path) -> None:
    code = triton.ask(line, tmp_path, "unknown")["code"][0]
    seen = line.seen(1)
    assert seen.traffic.codes == {f"grpc-{code}": 1}
    assert seen.columns["label"]["rows"] == 0
