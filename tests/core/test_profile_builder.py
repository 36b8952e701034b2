"""Building a profile: schema, cut points, categories, dependence and warnings from rows."""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import (
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    InvalidProfileError,
    OutputLocator,
    Profile,
    canonical,
    digest,
    load_profile,
)
from modelmonitor.core.baseline.profile_builder import (
    CATEGORY_LIMIT,
    EDGES,
    BaselineDataError,
    OutputColumn,
    build_profile,
)
from modelmonitor.core.counting.columns import ColumnCounter
from tests.core.monitoring import Table, steady

Floats = NDArray[np.float64]

ROWS = 5000
MINUTES: Floats = np.arange(ROWS, dtype=np.float64) * 60.0 + 1_357_000_000.0


def column(values: Any, **options: Any) -> ColumnProfile:
    """Return the profile of a single input."""
    return build_profile({"x": values}, **options).columns[0]


def normal(seed: int = 0, rows: int = ROWS) -> Floats:
    return np.random.default_rng(seed).standard_normal(rows)


def test_cut_points_are_minimum_quantile_edges_and_maximum() -> None:
    values = normal()
    built = column(values)
    assert built.kind is ColumnKind.NUMERIC
    assert len(built.cuts) == EDGES + 2
    assert (built.cuts[0], built.cuts[-1]) == (values.min(), values.max())
    expected = np.quantile(values, np.arange(1, 21) / 21, method="inverted_cdf")
    assert built.cuts[1:-1] == expected.tolist()


def test_cells_hold_every_value_and_none_lies_above_the_maximum() -> None:
    built = column(normal())
    assert sum(built.cells) == ROWS
    assert built.cells[0] == 1
    assert built.cells[-1] == 0
    assert max(built.cells[1:-1]) - min(built.cells[1:-1]) <= 2


def test_equal_cut_points_are_merged() -> None:
    built = column(np.array([0.0] * 900 + [1.0] * 50 + [2.0] * 50))
    assert built.cuts == [0.0, 1.0, 2.0]
    assert built.cells == [900, 50, 50, 0]


@steady
@given(
    st.lists(st.one_of(st.none(), st.floats(width=32), st.integers(-5, 5)), min_size=1, max_size=60)
)
def test_collectors_count_the_baseline_as_the_builder_did(values: list[Any]) -> None:
    built = column(values)
    counter = ColumnCounter(built.kind, cuts=built.cuts, categories=built.categories)
    counter.add(values)
    counts = counter.counts()
    assert (counts.cells, counts.missing, counts.rows) == (built.cells, built.missing, built.rows)
    assert (counts.above, counts.below) == (
        sum(value == float("inf") for value in values) if built.cuts else 0,
        sum(value == float("-inf") for value in values) if built.cuts else 0,
    )


@steady
@given(st.lists(st.one_of(st.none(), st.text(max_size=3), st.booleans()), min_size=1, max_size=60))
def test_collectors_count_categories_as_the_builder_did(values: list[Any]) -> None:
    built = column([*values, "always text"])
    counter = ColumnCounter(built.kind, categories=built.categories)
    counter.add([*values, "always text"])
    assert counter.counts().cells == built.cells
    assert counter.counts().unknown == 0


def test_missing_values_are_counted_apart() -> None:
    built = column([1.0, None, float("nan"), 3.0])
    assert (built.rows, built.missing, sum(built.cells)) == (4, 2, 2)
    assert built.total == 4.0
    assert built.squares == 10.0


def test_infinities_are_values_but_no_cut_points() -> None:
    built = column(np.array([1.0, 2.0, np.inf, -np.inf]))
    assert built.cuts == [1.0, 2.0]
    assert built.cells == [2, 1, 1]


def test_text_and_truth_values_are_categories_most_frequent_first() -> None:
    assert column(["b", "a", "b", None]).categories == ["b", "a"]
    assert column([True, False, True]).categories == ["true", "false"]
    assert column(["b", "a"]).categories == ["a", "b"]


def test_codes_are_categories_on_request() -> None:
    built = column(np.array([3, 1, 3, 2]), categorical=["x"])
    assert built.kind is ColumnKind.CATEGORICAL
    assert built.categories == ["3", "1", "2"]
    assert built.cells == [2, 1, 1, 0]


def test_categories_beyond_the_limit_go_into_the_rest() -> None:
    values = [f"c{number}" for number in range(CATEGORY_LIMIT + 5) for _ in range(3)] + ["c7"]
    built = column(values)
    assert len(built.categories) == CATEGORY_LIMIT
    assert built.categories[0] == "c7"
    assert built.cells[-1] == 15
    assert not built.complete
    assert "205 different values" in built.warnings[0]


def test_the_schema_is_inputs_in_order_then_label_then_score() -> None:
    table: Table = {
        "score": normal(),
        "b": normal(),
        "truth": normal(),
        "a": normal(),
        "class": [0] * ROWS,
    }
    profile = build_profile(
        table,
        inputs=["b", "a"],
        outputs=[
            OutputColumn(
                column="score",
                role=ColumnRole.SCORE,
                locator=OutputLocator(output="predict_proba", index=1),
            ),
            OutputColumn(column="class", role=ColumnRole.LABEL),
        ],
    )
    assert [each.name for each in profile.columns] == ["b", "a", "class", "score"]
    assert [each.locator for each in profile.outputs] == [
        OutputLocator(output="class"),
        OutputLocator(output="predict_proba", index=1),
    ]


def test_without_inputs_every_column_that_is_no_output_is_one() -> None:
    answer = OutputColumn(column="y", role=ColumnRole.SCORE)
    profile = build_profile({"a": [1.0], "y": [2.0], "b": ["x"]}, outputs=[answer])
    assert [each.name for each in profile.inputs] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "kind"),
    [([0, 1, 1], ColumnKind.CATEGORICAL), ([0.0, 1.0], ColumnKind.CATEGORICAL),
     (["yes", "no"], ColumnKind.CATEGORICAL), ([0.5, 1.25], ColumnKind.NUMERIC)],
)  # fmt: skip
def test_a_predicted_class_is_categorical_and_a_predicted_quantity_is_not(
    values: list[Any], kind: ColumnKind
) -> None:
    label = OutputColumn(column="y", role=ColumnRole.LABEL)
    table: Table = {"a": values, "y": values}
    built = build_profile(table, inputs=["a"], outputs=[label])
    assert built.outputs[0].kind is kind


def test_independent_rows_have_phi_one() -> None:
    built = column(normal(), times=MINUTES)
    assert built.phi == 1.0
    assert [each.phi for each in built.envelopes] == [1.0, 1.0]


def test_rows_that_come_in_batches_are_worth_less() -> None:
    built = column(np.repeat(normal(rows=ROWS // 5), 5), times=np.repeat(MINUTES[::5], 5))
    assert built.phi >= 5
    assert built.envelopes[0].phi == pytest.approx(5, rel=0.2)


def test_envelopes_are_kept_for_blocks_that_times_can_tell() -> None:
    built = column(normal(), times=MINUTES)
    assert [each.seconds for each in built.envelopes] == [60.0, 3600.0]
    assert all(len(each.low) == len(built.cuts) == len(each.high) for each in built.envelopes)


def test_without_times_nothing_is_said_about_dependence() -> None:
    profile = build_profile({"x": normal()})
    assert not profile.ordered
    assert (profile.columns[0].phi, profile.columns[0].envelopes) == (1.0, [])
    assert "the rows have no times" in profile.warnings[0]
    assert (profile.firstTime, profile.lastTime) == ("", "")


def test_times_are_in_the_profile() -> None:
    profile = build_profile({"x": normal()}, times=MINUTES)
    assert profile.ordered
    assert profile.firstTime == "2013-01-01T00:26:40Z"
    assert profile.warnings == []


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([5.0] * ROWS, "one value only"),
        (["a"] * ROWS, "one value only"),
        (np.arange(ROWS), "looks like an identifier"),
        ([f"{number:09}-" for number in range(ROWS)], "has the same length"),
        ([f"user-{number}" for number in range(ROWS)], "only the length is watched"),
        ([None] * ROWS, "no values"),
        ([1.5, 2.5], "only 2 values"),
    ],
    ids=["constant", "constant text", "identifier", "code", "text", "missing", "few"],
)
def test_what_cannot_be_watched_well_is_said(values: Any, words: str) -> None:
    assert any(words in warning for warning in column(values).warnings)


def test_of_free_text_only_lengths_are_kept() -> None:
    values = [None, *(f"user-{number}" for number in range(ROWS))]
    built = column(values)
    assert (built.kind, built.categories) == (ColumnKind.TEXT, [])
    assert (built.rows, built.missing) == (ROWS + 1, 1)
    assert built.cuts == [6.0, 8.0, 9.0]
    assert built.cells == [10, 990, ROWS - 1000, 0]
    assert "user" not in canonical(Profile(rows=ROWS, columns=[built])).decode()
    counter = ColumnCounter(built.kind, cuts=built.cuts)
    counter.add(values)
    counts = counter.counts()
    assert (counts.cells, counts.missing, counts.rows) == (built.cells, built.missing, built.rows)
    assert (counts.total, counts.squares) == (built.total, built.squares)


def test_lengths_of_text_may_depend_on_time() -> None:
    draw = np.random.default_rng(0)
    lengths = np.repeat(draw.integers(1, 40, ROWS // 50), 50)
    texts = [f"{number:05}" + "x" * int(length) for number, length in enumerate(lengths)]
    built = build_profile({"note": texts}, times=MINUTES).columns[0]
    assert built.phi > 5
    assert all(len(each.low) == len(built.cuts) for each in built.envelopes)
    profile = build_profile({"note": texts}, times=MINUTES)
    assert load_profile(canonical(profile)) == profile


def test_profiles_that_do_not_watch_lengths_are_still_read() -> None:
    text = ColumnProfile(name="note", kind=ColumnKind.TEXT, role=ColumnRole.INPUT, rows=10)
    profile = Profile(rows=10, columns=[text])
    assert load_profile(canonical(profile)) == profile


def test_one_absurd_number_does_not_spoil_the_sums() -> None:
    built = column([1.0, 2.0, 1e300])
    assert (built.total, built.squares) == (3.0, 5.0)


def test_a_baseline_of_hours_says_that_it_knows_only_those() -> None:
    profile = build_profile({"x": normal(rows=2000)}, times=np.arange(2000, dtype=np.float64))
    assert "less than a day" in profile.warnings[0]


def test_equal_rows_give_equal_profiles_and_others_do_not() -> None:
    tables: list[Table] = [{"x": normal(seed), "y": ["b", "a"] * (ROWS // 2)} for seed in (0, 1)]
    one, two = tables
    assert digest(build_profile(one)) == digest(build_profile(dict(one)))
    assert digest(build_profile(one)) != digest(build_profile(two))


@pytest.mark.parametrize("times", [None, MINUTES])
def test_a_profile_is_read_back_as_it_was(times: Floats | None) -> None:
    table: Table = {"x": normal(), "y": ["a", "b"] * (ROWS // 2), "z": [None] * ROWS}
    profile = build_profile(table, times=times)
    assert load_profile(canonical(profile)) == profile


def test_a_large_profile_fits_a_config_map() -> None:
    table = {f"column-{number}": normal(number, 1500) for number in range(100)}
    profile = build_profile(table, times=MINUTES[:1500])
    assert len(canonical(profile)) < 180 * 1024


@pytest.mark.parametrize(
    ("table", "options", "words"),
    [
        ({}, {}, "there is no column"),
        ({"x": []}, {}, "no rows"),
        ({"x": [1.0]}, {"inputs": ["z"]}, "no column z: the columns are x"),
        ({"x": [1.0], "y": [1.0, 2.0]}, {}, "column y has 2 values, x has 1"),
        ({"x": [1.0, 2.0]}, {"times": np.array([1.0])}, "one finite number a row"),
        ({"x": [1.0]}, {"times": np.array([np.nan])}, "one finite number a row"),
        ({"x" * 200: [1.0]}, {}, "1 to 128 characters"),
        (
            {"x": [1.0]},
            {"inputs": ["x"], "outputs": [OutputColumn(column="x", role=ColumnRole.SCORE)]},
            "cannot be an input as well",
        ),
    ],
)
def test_rows_that_make_no_profile(table: Table, options: dict[str, Any], words: str) -> None:
    with pytest.raises(BaselineDataError, match=words):
        build_profile(table, **options)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"low": [0.5]}, "must have 22 shares"),
        ({"high": [2.0] * 22}, "0 <= low <= high <= 1"),
        ({"phi": 0.5}, "phi: must be at least 1"),
        ({"seconds": 0.0}, "seconds: must be more than 0"),
    ],
)
def test_a_profile_with_an_impossible_envelope_is_refused(
    change: dict[str, Any], words: str
) -> None:
    profile = build_profile({"x": normal()}, times=MINUTES)
    bad = msgspec.structs.replace(profile.columns[0].envelopes[0], **change)
    with pytest.raises(InvalidProfileError, match=words):
        load_profile(canonical(_with_envelopes(profile, [bad])))


def test_a_profile_with_too_many_envelopes_is_refused() -> None:
    profile = build_profile({"x": normal()}, times=MINUTES)
    many = profile.columns[0].envelopes * 5
    with pytest.raises(InvalidProfileError, match="at most 8"):
        load_profile(canonical(_with_envelopes(profile, many)))


def _with_envelopes(profile: Profile, envelopes: list[Any]) -> Profile:
    changed = msgspec.structs.replace(profile.columns[0], envelopes=envelopes)
    return msgspec.structs.replace(profile, columns=[changed])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": -1}, "rows: counts must be 0"),
        ({"rows": 10**30}, "rows: counts must be 0"),
        ({"firstTime": "yesterday"}, "firstTime: "),
        ({"lastTime": "2026-01-01T00:00:00"}, "lastTime: .* has no time zone"),
    ],
)
def test_a_profile_with_impossible_facts_is_refused(change: dict[str, Any], words: str) -> None:
    profile = msgspec.structs.replace(build_profile({"x": normal()}), **change)
    with pytest.raises(InvalidProfileError, match=words):
        load_profile(canonical(profile))


def test_a_profile_with_impossible_counts_is_refused() -> None:
    profile = build_profile({"x": normal()})
    cells = [2**62, *profile.columns[0].cells[1:]]
    bad = msgspec.structs.replace(profile.columns[0], cells=cells)
    with pytest.raises(InvalidProfileError, match="counts must be 0"):
        load_profile(canonical(msgspec.structs.replace(profile, columns=[bad])))
