"""What a baseline holds on request: derived columns, correlations, embeddings."""

from typing import Any

import numpy as np
import pytest

from modelmonitor.core.baseline.column_builder import BaselineDataError
from modelmonitor.core.baseline.profile import (
    ColumnKind,
    ColumnRole,
    DerivedFrom,
    canonical,
    load_profile,
)
from modelmonitor.core.baseline.profile_additions import with_derived, with_moments
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.counting.derivation import Derivation

ROWS = 2000
DRAW = np.random.default_rng(1)
TABLE: dict[str, Any] = {
    "a": DRAW.normal(size=ROWS),
    "b": DRAW.normal(size=ROWS),
    "vector": DRAW.normal(size=(ROWS, 8)).tolist(),
    "picture": [b"\x00" * (number % 3) for number in range(ROWS)],
    "text": ["word " * (number % 7) for number in range(ROWS)],
}
TIMES = np.linspace(1_700_000_000.0, 1_700_120_000.0, ROWS).astype(np.float64)
PROFILE = build_profile(TABLE, times=TIMES)


def test_payloads_have_a_place_and_no_counts() -> None:
    kinds = {column.name: column.kind for column in PROFILE.columns}
    assert kinds["vector"] is kinds["picture"] is ColumnKind.IGNORED
    warned = {column.name for column in PROFILE.columns if "--embedding" in str(column.warnings)}
    assert warned == {"vector", "picture"}


def test_a_derived_column_is_counted_like_any_other() -> None:
    derived = {"words": DerivedFrom(source="text", derivation=Derivation.TOKEN_COUNT)}
    profile = load_profile(canonical(with_derived(PROFILE, TABLE, derived, TIMES)))
    words = profile.columns[-1]
    assert (words.name, words.role, words.kind) == ("words", ColumnRole.DERIVED, ColumnKind.NUMERIC)
    assert words.cuts == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert sum(words.cells) == ROWS
    assert words.envelopes, "its times are known"
    assert words not in profile.inputs
    assert words not in profile.outputs


def test_what_cannot_be_read_is_missing_in_the_baseline() -> None:
    derived = {"light": DerivedFrom(source="picture", derivation=Derivation.IMAGE_BRIGHTNESS)}
    light = with_derived(PROFILE, TABLE, derived, TIMES).columns[-1]
    assert light.missing == ROWS
    assert "cannot be watched" in str(light.warnings)


def test_joint_moments_are_of_numeric_inputs_and_embeddings() -> None:
    profile = with_moments(PROFILE, TABLE, [], ["vector"])
    views = [each.view for each in load_profile(canonical(profile)).moments]
    assert [view.columns for view in views] == [["a", "b"], ["vector"]]
    assert with_moments(PROFILE, TABLE, None, []) == PROFILE


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [("words", "nothing", "no input nothing"), ("a", "text", "a column of that name")],
)
def test_derivations_that_make_no_sense_are_told(name: str, source: str, told: str) -> None:
    derived = {name: DerivedFrom(source=source, derivation=Derivation.TEXT_LENGTH)}
    with pytest.raises(BaselineDataError, match=told):
        with_derived(PROFILE, TABLE, derived, TIMES)


@pytest.mark.parametrize(
    ("correlated", "embeddings", "told"),
    [
        (["text"], [], "text is no numeric input"),
        (["a"], [], "two numeric inputs"),
        (None, ["nothing"], "there is no input nothing"),
        (None, ["text"], "holds no embedding"),
    ],
)
def test_moments_that_make_no_sense_are_told(
    correlated: list[str] | None, embeddings: list[str], told: str
) -> None:
    with pytest.raises(BaselineDataError, match=told):
        with_moments(PROFILE, TABLE, correlated, embeddings)
