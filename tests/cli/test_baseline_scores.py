"""Labels and scores on the command line become the profile's part on performance."""

import re
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from modelmonitor.cli.app import run
from modelmonitor.cli.performance_view import performance_facts
from modelmonitor.core.baseline.performance_builder import build_performance
from modelmonitor.core.baseline.performance_profile import Dependence
from modelmonitor.core.baseline.profile import ColumnRole, OutputLocator, Profile, load_profile
from tests.cli.test_baseline import ended_well

CLASSES = ("lily", "rose", "tulip")
SEVERAL = [
    word
    for place, name in enumerate(CLASSES)
    for word in ("--score", f"p_{name}={name}", "--score-at", f"predict_proba:{place}")
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return rows of a model of three classes, and of one of two."""
    draw = np.random.default_rng(1)
    scores = draw.dirichlet([1, 1, 1], 1500)
    names = np.array(CLASSES)
    true = names[(draw.random((1500, 1)) > np.cumsum(scores, axis=1)).sum(axis=1).clip(max=2)]
    columns = {
        "petal": draw.normal(size=1500),
        "kind": names[scores.argmax(axis=1)],
        "truth": true,
        "likely": (scores[:, 0] > 0.3).astype(int),
        "is_lily": true == "lily",
        "at": np.arange(1500) * 60,
    }
    columns |= {f"p_{name}": scores[:, place] for place, name in enumerate(CLASSES)}
    path = tmp_path / "rows.parquet"
    parquet.write_table(pa.table(columns), path)
    return path


def built(data: Path, *words: str) -> Profile:
    out = data.with_name("profile.json")
    asked = ["baseline", "build", "--data", str(data), "-o", str(out), "--inputs", "petal"]
    assert ended_well([*asked, *words])
    return load_profile(out.read_bytes())


ONE = ("--prediction", "likely", "--score", "p_lily", "--label", "is_lily", "--time", "at")


def test_one_score_of_two_classes(data: Path) -> None:
    profile = built(data, *ONE)
    part = profile.performance
    assert part is not None
    assert part.prediction == "likely"
    assert part.binary
    assert [(each.name, each.column) for each in part.scored] == [("1", "p_lily")]
    assert part.rows == 1500
    assert part.dependence
    assert "is_lily" not in {column.name for column in profile.columns}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (ONE, r"1,500 rows have a label, of 2 classes; accuracy 0\.\d+, F1 .* of class 1\."),
        (("--prediction", "kind", "--label", "truth"), r"Without --score, only PriorShift can"),
    ],
)
def test_what_can_be_estimated_is_told(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    built(data, *words)
    assert re.search(told, " ".join(capsys.readouterr().out.split()))


def test_errors_in_clusters_are_told() -> None:
    part, _ = build_performance("p", [0, 1] * 500, [0, 1] * 500)
    clustered = msgspec.structs.replace(part, dependence=[Dependence(seconds=60.0, phi=4.0)])
    told = "\n".join(text.plain for text in performance_facts(clustered))
    assert "4.0 rows are worth one, so that intervals are 2.0 times as wide" in told


def test_a_score_of_every_class(data: Path) -> None:
    profile = built(data, "--prediction", "kind", "--label", "truth", *SEVERAL)
    part = profile.performance
    assert part is not None
    assert {each.name: each.column for each in part.scored} == {
        name: f"p_{name}" for name in CLASSES
    }
    scores = [column for column in profile.outputs if column.role is ColumnRole.SCORE]
    assert [column.locator for column in scores] == [
        OutputLocator(output="predict_proba", index=place) for place in range(3)
    ]


def test_without_labels_there_is_nothing_to_estimate_by(data: Path) -> None:
    assert built(data, "--prediction", "kind", *SEVERAL).performance is None


def test_labels_without_scores_tell_who_is_taken_for_whom(data: Path) -> None:
    part = built(data, "--prediction", "kind", "--label", "truth").performance
    assert part is not None
    assert part.scored == []


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--score", "p_lily"), "one score tells of two classes, but there are 3"),
        (("--score", "p_lily", "--score", "p_rose", "--score-at", "p:0"), "there are 1 for 2"),
        (("--score", "p_lily=lily", "--score", "p_rose=rose"), "2 scores for the 3 classes"),
    ],
)
def test_scores_that_do_not_fit_are_said(
    data: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    out = str(data.with_name("profile.json"))
    asked = ["baseline", "build", "--data", str(data), "-o", out, "--prediction", "kind"]
    assert run([*asked, "--label", "truth", "--inputs", "petal", *words]) == 1
    assert sentence in capsys.readouterr().err
