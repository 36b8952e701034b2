"""What metrics ask for beside cells arrives in the panes of a real collector."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from modelmonitor.core.statistics.distinct import FINE, estimate, merged
from modelmonitor.core.wire.configuration import RowChecks
from modelmonitor.core.wire.pane import ROWS, MarkCounts, Pane
from tests.collector.harness import Collector, configuration_for, numeric
from tests.collector.inference_model import infer
from tests.collector.load import post
from tests.collector.raw_model import RawModel, raw_model

ASKED = RowChecks(distinct=["a"], alike=["a", "b"], duplicates=True, names=True)


@pytest.fixture
def model() -> Iterator[RawModel]:
    with raw_model(infer) as running:
        yield running


def rows(*values: tuple[float, float]) -> dict[str, Any]:
    return {"instances": [{"a": a, "b": b, "höhe": 1} for a, b in values]}


def test_repeated_values_marks_and_names_arrive(collector: Collector) -> None:
    marked = msgspec.structs.replace(numeric("a", 0.0), marks=[2.0])
    collector.configure(configuration_for(marked, numeric("b", 0.0), checks=ASKED, hashKey="a2V5"))
    for _ in range(3):
        body = json.dumps(rows((1, 5), (2, 5), (2, 5), (4, 5))).encode()
        assert post(collector.port, body, "/predict")[0] == 200
    panes = [pane for pane in collector.pull_seen(3) if pane.requests.decoded]
    assert sum(pane.requests.decoded for pane in panes) == 3
    assert different(panes, ROWS) == (12, 3)
    assert different(panes, "a") == (12, 3)
    assert {tuple(pane.alike or ()) for pane in panes} == {("b",)}
    assert sum(pane.names.requests for pane in panes if pane.names) == 3
    marks = [mark for pane in panes for mark in pane.columns["a"].marks]
    assert MarkCounts(
        value=2.0, below=sum(mark.below for mark in marks), at=sum(mark.at for mark in marks)
    ) == MarkCounts(value=2.0, below=3, at=6)


def test_what_nobody_asked_for_does_not_arrive(collector: Collector) -> None:
    collector.configure(configuration_for(numeric("a", 0.0), numeric("b", 0.0)))
    body = json.dumps(rows((1, 5), (2, 5))).encode()
    assert post(collector.port, body, "/predict")[0] == 200
    (pane,) = [pane for pane in collector.pull_seen(1) if pane.requests.decoded]
    assert (pane.distinct, pane.alike, pane.names) == ({}, None, None)
    assert pane.columns["a"].marks == []


def different(panes: list[Pane], name: str) -> tuple[int, int]:
    """Return how many values some panes counted, and how many of them differ."""
    counts = [pane.distinct[name] for pane in panes]
    found = estimate(merged((each.sketch for each in counts), FINE))
    return sum(each.values for each in counts), round(found)
