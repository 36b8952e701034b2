"""Joint moments on their way from requests to a pane."""

import json

import numpy as np
import pytest

from modelmonitor.collector.observer.decoding import Interpreter
from modelmonitor.collector.observer.tally import Tally
from modelmonitor.collector.protocols.base import Inputs, Rows
from modelmonitor.core.baseline.profile import ColumnKind, ColumnRole
from modelmonitor.core.counting.moment_views import MomentView, Projection
from modelmonitor.core.counting.moments import unpacked
from modelmonitor.core.pane.soundness import is_sound
from modelmonitor.core.wire.configuration import ColumnConfiguration
from modelmonitor.core.wire.pane import MomentCounts
from tests.collector.harness import configuration_for, numeric
from tests.collector.layouts import V1_PATH, V2_PATH, call_of, decoded, tensor
from tests.collector.test_tally import add
from tests.core.monitoring import pane

COLUMNS = MomentView(name="columns", columns=["b", "a"], centre=[0.0, 0.0], scale=[1.0, 2.0])
EMBEDDED = MomentView(
    name="vector",
    columns=["vector"],
    projection=Projection(dimensions=4, features=8, bandwidth=1.0),
)
VECTOR = ColumnConfiguration(name="vector", kind=ColumnKind.IGNORED, role=ColumnRole.INPUT)


def moments(tally: Tally) -> dict[str, MomentCounts]:
    found: dict[str, MomentCounts] = tally.parts()["moments"]
    return found


def test_rows_of_every_form_are_multiplied() -> None:
    configuration = configuration_for(numeric("a", 0.0), numeric("b", 0.0), moments=[COLUMNS])
    tally = Tally(configuration)
    rows = np.random.default_rng(1).normal(size=(30, 2))
    for part in (rows[:10].ravel(), rows[10:20].ravel().tolist()):
        add(tally, Rows(inputs=Inputs(rows=10, matrix=part)))
    add(tally, Rows(inputs=Inputs(rows=10, columns=[rows[20:, 0], rows[20:, 1].tolist()])))
    add(tally, Rows(inputs=Inputs(rows=2, columns=[[1.0, 2.0], None])))
    found = moments(tally)["columns"]
    vectors = rows[:, ::-1] / [1.0, 2.0]
    assert (found.rows, found.skipped) == (30, 2)
    assert unpacked(found.sums) == pytest.approx(vectors.sum(axis=0))
    products = vectors.T @ vectors
    assert unpacked(found.products) == pytest.approx(products[np.triu_indices(2)])


def test_embeddings_of_tensors_and_of_json_are_the_same() -> None:
    configuration = configuration_for(VECTOR, moments=[EMBEDDED])
    schema = Interpreter(configuration, ("http",)).schema
    vectors = np.random.default_rng(2).normal(size=(3, 4)).round(3)
    v2 = {"inputs": [tensor("vector", [3, 4], vectors.ravel().tolist())]}
    v1 = {"instances": vectors.tolist()}
    named = {"instances": [{"vector": each} for each in vectors.tolist()]}
    found = []
    for path, body in ((V2_PATH, v2), (V1_PATH, v1), (V1_PATH, named)):
        tally = Tally(configuration)
        rows = decoded(call_of(path, json.dumps(body).encode(), b"{}"), schema)
        add(tally, Rows(inputs=rows.inputs))
        counted = moments(tally)["vector"]
        assert counted.rows == 3
        found.append(unpacked(counted.sums))
    assert found[1] == pytest.approx(found[0])
    assert found[2] == pytest.approx(found[0])


def test_nothing_is_counted_that_no_metric_looks_at() -> None:
    tally = Tally(configuration_for(numeric("a", 0.0)))
    add(tally, Rows(inputs=Inputs(rows=1, matrix=[1.0])))
    assert tally.parts() == {}


@pytest.mark.parametrize(
    "counts",
    [
        MomentCounts(rows=-1),
        MomentCounts(errors=-1.0),
        MomentCounts(errors=float("nan")),
        MomentCounts(sums=b"1234567"),
        MomentCounts(products=b"12345678" * 2081),
    ],
)
def test_moments_that_are_none_are_not_believed(counts: MomentCounts) -> None:
    assert is_sound(pane(0, moments={"columns": MomentCounts()}))
    assert not is_sound(pane(0, moments={"columns": counts}))
