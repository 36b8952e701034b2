"""Scores beside predictions, from the bytes of requests to panes and to a verdict."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.collector.handover import Kind, Record
from modelmonitor.collector.observer.book import Identity, PaneBook
from modelmonitor.collector.observer.configuration import (
    InvalidConfigurationError,
    read_configuration,
)
from modelmonitor.collector.observer.recorder import Recorder
from modelmonitor.collector.observer.totals import Totals
from modelmonitor.collector.observer.watching import output_watchers
from modelmonitor.core.wire.configuration import (
    CollectorConfiguration,
    ScoreConfiguration,
    ScoredClass,
    encode_configuration,
)
from modelmonitor.core.wire.pane import Pane
from tests.collector.harness import MONITOR_UID, configuration_for, label, numeric, score
from tests.collector.test_book import HandClock

SECOND = 1_000_000
EDGES = [0.2, 0.5, 0.8]
BINARY = configuration_for(
    numeric("x", 0.0, 1.0),
    label("late", "predict", "0", "1"),
    score("p", "predict_proba", 1, 0.5),
    interval=10.0,
    scores=ScoreConfiguration(
        prediction="late",
        classes=["0", "1"],
        scored=[ScoredClass(name="1", column="p", edges=EDGES)],
    ),
)
SEVERAL = configuration_for(
    numeric("x", 0.0, 1.0),
    label("kind", "predict", "0", "1", "2"),
    *(score(f"p{of}", "predict_proba", of, 0.5) for of in range(3)),
    interval=10.0,
    scores=ScoreConfiguration(
        prediction="kind",
        classes=["0", "1", "2"],
        scored=[ScoredClass(name=f"{of}", column=f"p{of}", edges=EDGES) for of in (2, 0, 1)],
    ),
)


@dataclass
class Observed:
    """An observer that is fed by hand."""

    configuration: CollectorConfiguration
    panes: list[Pane] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = HandClock()
        book = PaneBook(
            identity=Identity(monitor_uid="m", pod_uid="p", revision="r", boot_id="b"),
            clock=self.clock,
            closed=self.panes.append,
            configuration=self.configuration,
            replaces=False,
        )
        self.recorder = Recorder(book, ("http",), Totals())
        self.time = 1000 * SECOND

    def exchange(self, outputs: dict[str, Any], rows: int) -> None:
        """Let a client ask for predictions, and the model answer with some outputs."""
        inputs = [{"name": "x", "shape": [rows, 1], "datatype": "FP64", "data": [0.5] * rows}]
        answer = [
            {"name": name, "shape": list(np.shape(values)), "datatype": "FP64"}
            | {"data": np.ravel(np.array(values, object)).tolist()}
            for name, values in outputs.items()
        ]
        body = json.dumps({"inputs": inputs}).encode()
        response = json.dumps({"model_name": "m", "outputs": answer}).encode()
        for kind, head, content in (
            (Kind.REQUEST, b"POST /v2/models/m/infer HTTP/1.1\r\nHost: m\r\n", body),
            (Kind.RESPONSE, b"HTTP/1.1 200 OK\r\n", response),
        ):
            length = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(content)
            self.recorder.take(Record(kind, 1, 0, self.time, head + length + content))
            self.time += 1

    def pane(self) -> Pane:
        """Return what was counted."""
        self.recorder.advance(1010.0)
        return self.panes[0]


def answers(seed: int, classes: int) -> Iterator[tuple[np.ndarray[Any, Any], ...]]:
    """Yield predictions and probabilities of requests of some rows each."""
    draw = np.random.default_rng(seed)
    for rows in draw.integers(1, 40, 40):
        scores = draw.dirichlet([0.7] * classes, rows)
        yield draw.integers(0, classes, rows), scores


@pytest.mark.parametrize(
    ("configuration", "classes"), [(BINARY, 2), (SEVERAL, 3)], ids=["two classes", "several"]
)
def test_panes_hold_what_plain_counting_gives(
    configuration: CollectorConfiguration, classes: int
) -> None:
    observed = Observed(configuration)
    for predicted, scores in answers(1, classes):
        observed.exchange({"predict": predicted, "predict_proba": scores}, len(predicted))
    found = observed.pane().scores
    assert found is not None
    assert configuration.scores is not None
    parts = list(answers(1, classes))
    predicted = np.concatenate([part[0] for part in parts])
    scores = np.concatenate([part[1] for part in parts])
    assert (found.rows, found.unusable, found.unknown) == (len(predicted), 0, 0)
    for one, counts in zip(configuration.scores.scored, found.classes, strict=True):
        of, column = int(one.name), scores[:, int(one.name)]
        for mine, cells, total in (
            (predicted == of, counts.this, counts.thisTotal),
            (predicted != of, counts.other, counts.otherTotal),
        ):
            inside = [
                int(((column > low) & (column <= high) & mine).sum())
                for low, high in zip([-1, *EDGES], [*EDGES, 2], strict=True)
            ]
            assert cells == inside
            assert total == pytest.approx(column[mine].sum())


def test_answers_without_scores_are_not_counted_with_them() -> None:
    observed = Observed(BINARY)
    observed.exchange({"predict": [1]}, 1)
    observed.exchange({"predict": [1], "predict_proba": [[0.3, 0.7]]}, 1)
    pane = observed.pane()
    assert pane.columns["late"].rows == 2
    assert pane.scores is not None
    assert pane.scores.rows == 1


def test_answers_that_are_none_are_unusable_or_unknown() -> None:
    observed = Observed(BINARY)
    observed.exchange({"predict": [None], "predict_proba": [[0.3, 0.7]]}, 1)
    observed.exchange({"predict": [1], "predict_proba": [[30, 70]]}, 1)
    observed.exchange({"predict": [7], "predict_proba": [[0.3, 0.7]]}, 1)
    found = observed.pane().scores
    assert found is not None
    assert (found.rows, found.unusable, found.unknown) == (3, 2, 1)


def test_nobody_counts_scores_that_no_metric_asks_for() -> None:
    plain = msgspec.structs.replace(BINARY, scores=None)
    assert output_watchers(plain) == []
    observed = Observed(plain)
    observed.exchange({"predict": [1], "predict_proba": [[0.3, 0.7]]}, 1)
    assert observed.pane().scores is None


def edged(*edges: float) -> ScoredClass:
    """Return a class whose scores are counted between these edges."""
    return ScoredClass(name="1", column="p", edges=list(edges))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"prediction": "x"}, "'x' is no configured output"),
        ({"classes": [f"{n}" for n in range(100)]}, "more than 64 classes"),
        ({"scored": [ScoredClass(name="1", column="q")]}, "'q' is no configured output"),
        ({"scored": [ScoredClass(name="1", column="p", edges=[0.5, 0.5])]}, "rising|increasing"),
        (
            {"scored": [ScoredClass(name="1", column="p", edges=list(map(float, range(200))))]},
            "128",
        ),
    ],
)
def test_scores_that_cannot_be_counted_are_refused(fields: dict[str, Any], sentence: str) -> None:
    assert BINARY.scores is not None
    wrong = msgspec.structs.replace(BINARY.scores, **fields)
    payload = encode_configuration(msgspec.structs.replace(BINARY, scores=wrong))
    assert read_configuration(encode_configuration(BINARY), MONITOR_UID) == BINARY
    with pytest.raises(InvalidConfigurationError, match=sentence):
        read_configuration(payload, MONITOR_UID)
