"""What labels and scores become in a profile, and which of them do not fit."""

from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.core.baseline.performance_builder import (
    PerformanceDataError,
    ScoreColumn,
    build_performance,
    with_performance,
)
from modelmonitor.core.baseline.performance_profile import MAX_CLASSES
from modelmonitor.core.baseline.profile import (
    ColumnRole,
    InvalidProfileError,
    Profile,
    canonical,
    load_profile,
)
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile

SCORES = np.array([0.1, 0.2, 0.4, 0.6, 0.8, 0.9] * 50)
LABELS = ["no", "no", "yes", "no", "yes", "yes"] * 50
PREDICTED = ["no", "no", "no", "yes", "yes", "yes"] * 50


def score(values: Any = SCORES, of: str = "", column: str = "p") -> ScoreColumn:
    return ScoreColumn(column=column, values=values, of=of)


def test_what_was_predicted_and_what_was_true() -> None:
    part, _ = build_performance("answer", PREDICTED, LABELS)
    assert part.classes == ["no", "yes"]
    assert part.confusion == [[100, 50], [50, 100]]
    assert part.accuracy == pytest.approx(2 / 3)
    assert part.scored == []


def test_the_positive_class_is_the_one_with_the_higher_scores() -> None:
    part, _ = build_performance("answer", PREDICTED, LABELS, [score()])
    assert [each.name for each in part.scored] == ["yes"]
    part, _ = build_performance("answer", PREDICTED, LABELS, [score(1 - SCORES)])
    assert [each.name for each in part.scored] == ["no"]
    part, _ = build_performance("answer", PREDICTED, LABELS, [score(of="no")])
    assert [each.name for each in part.scored] == ["no"]


def test_cells_hold_every_labelled_row_once() -> None:
    part, _ = build_performance("answer", PREDICTED, LABELS, [score()])
    one = part.scored[0]
    assert one.rows.sum() == 300
    assert one.hits.sum() == 150
    assert one.hits[1].sum() == 100
    assert part.confidence == pytest.approx(np.mean([0.9, 0.8, 0.6, 0.6, 0.8, 0.9]))


def test_rows_without_label_or_score_are_left_out() -> None:
    labels = [None, *LABELS[1:]]
    scores = [0.1, float("nan"), 1.5, *SCORES[3:]]
    part, _ = build_performance("answer", PREDICTED, labels, [score(scores)])
    assert part.rows == 297


def test_truth_values_are_numbers_to_many_models() -> None:
    predicted = [name == "yes" for name in PREDICTED]
    part, _ = build_performance("answer", [int(each) for each in predicted], predicted)
    assert part.classes == ["0", "1"]
    assert part.accuracy == 1
    part, _ = build_performance("answer", predicted, [int(each) for each in predicted])
    assert part.classes == ["false", "true"]
    part, _ = build_performance("answer", np.array([0.0, 1.0, 1.0]), [0, 1, 1])
    assert part.accuracy == 1


def test_scores_of_several_classes_come_in_the_order_of_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    scores = draw.dirichlet([1, 1, 1], 300)
    names = np.array(["10", "2", "9"])
    by_value = ["2", "9", "10"]
    predicted = np.array(by_value)[scores.argmax(axis=1)].tolist()
    columns = [score(scores[:, place], column=f"p{place}") for place in range(3)]
    part, _ = build_performance("answer", predicted, draw.choice(names, 300).tolist(), columns)
    assert {each.column: each.name for each in part.scored} == dict(
        zip(["p0", "p1", "p2"], by_value, strict=True)
    )
    assert not part.binary


@pytest.mark.parametrize(
    ("predicted", "labels", "scores", "sentence"),
    [
        (PREDICTED, [None] * 300, [], "no row has both a prediction and a label"),
        (PREDICTED, LABELS, [score(SCORES * 100)], "and scores between 0 and 1"),
        (PREDICTED, ["late"] * 300, [], "no label is ever predicted"),
        (["a"] * 300, ["a"] * 300, [], "have 1 different values"),
        ([str(n) for n in range(300)], LABELS, [], "no label is ever predicted"),
        ([str(n) for n in range(300)], [str(n) for n in range(300)], [], "300 different values"),
        (PREDICTED, ["yes"] * 300, [score()], "every label is yes"),
        (PREDICTED, ["maybe", *LABELS[1:]], [score()], "one score tells of two classes"),
        (PREDICTED, LABELS, [score()] * 3, "3 scores for the 2 classes"),
        (PREDICTED, LABELS, [score(of="no"), score(of="no")], "two scores are of one class"),
        (PREDICTED, LABELS, [score(of="no"), score()], "name the class of score p as well"),
        (PREDICTED, LABELS, [score(), score(1 - SCORES)], "only 0% of the predictions"),
        ([["no"]] * 300, LABELS, [], "must be classes, not lists"),
    ],
)
def test_what_does_not_fit_is_said(
    predicted: Any, labels: Any, scores: list[ScoreColumn], sentence: str
) -> None:
    with pytest.raises(PerformanceDataError, match=sentence):
        build_performance("answer", predicted, labels, scores)


def test_weak_labels_are_told() -> None:
    _, weak = build_performance("answer", PREDICTED, LABELS)
    assert weak == ["only 300 rows have a label: estimates of performance have wide intervals"]
    rare = ["yes"] * 10 + ["no"] * 1990
    _, weak = build_performance("answer", rare, rare)
    assert weak == ["fewer than 30 rows are of class yes: little is known of its scores"]


def profile() -> Profile:
    table: dict[str, Any] = {"x": SCORES, "answer": PREDICTED, "p": SCORES}
    outputs = [
        OutputColumn(column="answer", role=ColumnRole.LABEL),
        OutputColumn(column="p", role=ColumnRole.SCORE),
    ]
    built = build_profile(table, outputs=outputs)
    return with_performance(built, table, "answer", LABELS, {"p": "yes"}, None)


def test_a_regression_has_no_classes() -> None:
    table: dict[str, Any] = {"x": SCORES, "answer": SCORES * 1000 + 0.5}
    built = build_profile(table, outputs=[OutputColumn(column="answer", role=ColumnRole.LABEL)])
    found = with_performance(built, table, "answer", SCORES, {}, None)
    assert found.performance is None
    assert found.warnings[-1].startswith("answer is a number, not a class")


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"classes": ["no"]}, "classes: there must be 2"),
        ({"classes": ["no", "no"]}, "classes: a class is there twice"),
        ({"classes": ["no", ""]}, "classes: names"),
        ({"classes": [f"{n}" for n in range(MAX_CLASSES + 1)]}, "classes: there must be"),
        ({"prediction": "x"}, "prediction: the profile has no such column"),
        ({"confusion": [[1, 2]]}, "confusion: must be 2 rows of 2 counts"),
        ({"confusion": [[1, -2], [0, 0]]}, "confusion: must be counts"),
        ({"confusion": [[0, 0], [0, 0]]}, "confusion: there is no row"),
        ({"confidence": 1e9}, "confidence: must be 0 to 1"),
        ({"dependence": [{"seconds": 60.0, "phi": 0.5}]}, "dependence: seconds > 0"),
    ],
)
def test_a_hostile_part_is_refused(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InvalidProfileError, match=f"performance.{sentence}"):
        load_profile(hostile(fields))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "maybe"}, "is none of the classes"),
        ({"column": "x"}, "there is no such column"),
        ({"edges": [0.5, 0.2]}, "edges: 0 to 1, rising"),
        ({"edges": [-0.5]}, "edges: 0 to 1, rising"),
        ({"edges": [n / 1000 for n in range(200)]}, "edges: at most"),
        ({"this": {"rows": [1], "hits": [1]}}, "must be [0-9]+ counts"),
        ({"edges": [], "this": {"rows": [1], "hits": [2]}}, "must be|cannot be more"),
    ],
)
def test_hostile_scores_are_refused(fields: dict[str, Any], sentence: str) -> None:
    part = msgspec.to_builtins(profile())["performance"]
    with pytest.raises(InvalidProfileError, match=sentence):
        load_profile(hostile({"scored": [part["scored"][0] | fields]}))


def hostile(fields: dict[str, Any]) -> bytes:
    """Return a profile whose part on performance says something else."""
    good = msgspec.json.decode(canonical(profile()))
    return msgspec.json.encode(good | {"performance": good["performance"] | fields})
