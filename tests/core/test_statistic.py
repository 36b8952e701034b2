"""Statistics of a column: the value, an interval that holds the truth, and Unknown on a tie."""

import math
from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy import stats

from modelmonitor.api.v1alpha1.metric_options import StatisticOf, StatisticOptions
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.counting.columns import ColumnCells, RowCounter
from modelmonitor.core.judging.comparison import Estimate
from modelmonitor.core.judging.statistic_estimates import STATISTICS, of_baseline, of_window
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from modelmonitor.core.pane.panes import columns_of
from tests.core.monitoring import judge, pane, spec_of, tick
from tests.core.observing import observed

ROWS = 20_000


def table(size: int, seed: int, *, shift: float = 0.0, rome: float = 0.5) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        "age": draw.normal(40 + shift, 10, size),
        "wait": draw.lognormal(shift / 10, 1, size),
        "city": draw.choice(["Rome", "Oslo", "Bern"], size, p=[rome, 0.8 - rome, 0.2]),
    }


@pytest.fixture(scope="module")
def profile() -> Profile:
    return build_profile(table(ROWS, 0))


def statistic(of: str, column: str = "age", **more: Any) -> dict[str, Any]:
    options = {each: more.pop(each) for each in ("quantile", "value", "category") if each in more}
    threshold = more.pop("threshold", {"operator": "GreaterThan", "critical": "45"})
    return {
        "type": "Statistic",
        "statistic": {"column": column, "of": of, **options},
        "threshold": threshold,
        **more,
    }


def above(critical: str) -> dict[str, str]:
    return {"operator": "GreaterThan", "critical": critical}


def verdict(metric: dict[str, Any], profile: Profile, rows: dict[str, Any]) -> Verdict:
    spec = spec_of(metric)
    return judge(spec, [tick(0, observed(profile, spec, 0, rows))], profile)


TRUTHS: list[tuple[dict[str, Any], str, Callable[[np.ndarray[Any, Any]], float]]] = [
    ({"of": "Mean"}, "age", np.mean),
    ({"of": "StandardDeviation"}, "age", np.std),
    ({"of": "ShareAbove", "value": "55"}, "age", lambda values: float((values > 55).mean())),
    ({"of": "ShareBelow", "value": "55"}, "age", lambda values: float((values < 55).mean())),
    ({"of": "CategoryShare", "category": "Oslo"}, "city", lambda v: float((v == "Oslo").mean())),
]


@pytest.mark.parametrize(("options", "column", "truth"), TRUTHS)
def test_the_value_is_that_of_the_rows(
    profile: Profile,
    options: dict[str, str],
    column: str,
    truth: Callable[[np.ndarray[Any, Any]], float],
) -> None:
    rows = table(3000, 1)
    found = verdict(statistic(column=column, threshold=above("1000"), **options), profile, rows)
    assert found.outcome is Outcome.NO_BREACH
    assert found.value == pytest.approx(truth(rows[column]), rel=1e-9)
    assert found.samples == 3000


def test_entropy_is_in_nats_and_corrected_for_its_bias(profile: Profile) -> None:
    rows = table(3000, 1)
    found = verdict(statistic("Entropy", "city", threshold=above("2")), profile, rows)
    _, counts = np.unique(rows["city"], return_counts=True)
    assert found.value == pytest.approx(stats.entropy(counts) + 2 / 6000)


def counted(column: ColumnProfile, values: Any, marks: tuple[float, ...] = ()) -> Any:
    cells = ColumnCells(
        kind=column.kind, cuts=column.cuts, categories=column.categories, marks=marks
    )
    counter = RowCounter([cells])
    counter.add([values], len(values))
    return columns_of([pane(columns={column.name: counter.counts(0)})])[column.name]


COVERED: list[tuple[dict[str, str], str, float, float]] = [
    # options, column, truth, most intervals that hold it (cells make those of quantiles wide)
    ({"of": "Mean"}, "age", 40.0, 0.97),
    ({"of": "Mean"}, "wait", math.exp(0.5), 0.97),
    ({"of": "StandardDeviation"}, "age", 10.0, 0.97),
    ({"of": "Quantile", "quantile": "0.5"}, "age", 40.0, 1.0),
    ({"of": "Quantile", "quantile": "0.9"}, "wait", math.exp(stats.norm.ppf(0.9)), 1.0),
    ({"of": "ShareAbove", "value": "3"}, "wait", float(stats.norm.sf(math.log(3))), 0.97),
    ({"of": "CategoryShare", "category": "Bern"}, "city", 0.2, 0.97),
    ({"of": "Entropy"}, "city", float(stats.entropy([0.5, 0.3, 0.2])), 0.97),
]


@pytest.mark.parametrize(("options", "name", "truth", "most"), COVERED)
def test_the_interval_holds_the_truth_as_often_as_it_says(
    profile: Profile, options: dict[str, str], name: str, truth: float, most: float
) -> None:
    column = next(each for each in profile.columns if each.name == name)
    wanted = StatisticOptions.model_validate({"column": name, **options})
    held = 0
    for seed in range(600):
        values = table(400, 1000 + seed)[name]
        marks = (float(options["value"]),) if "value" in options else ()
        totals = counted(column, values, marks)
        found = STATISTICS[wanted.of].estimate(of_window(column, totals, 1.0), wanted)
        assert isinstance(found, Estimate)
        held += found.low <= truth <= found.high
    assert 0.92 <= held / 600 <= most


def test_uniform_categories_have_an_interval_too() -> None:
    uniform = build_profile({"c": ["a", "b", "c", "d"] * 1000})
    column = uniform.columns[0]
    wanted = StatisticOptions.model_validate({"column": "c", "of": "Entropy"})
    found = STATISTICS[StatisticOf.ENTROPY].estimate(of_baseline(column), wanted)
    assert isinstance(found, Estimate)
    assert found.low < math.log(4) <= found.high


def test_dependent_rows_are_worth_less(profile: Profile) -> None:
    column = profile.columns[0]
    totals = counted(column, table(1000, 4)["age"])
    wanted = StatisticOptions.model_validate({"column": "age", "of": "Mean"})
    alone = STATISTICS[wanted.of].estimate(of_window(column, totals, 1.0), wanted)
    five = STATISTICS[wanted.of].estimate(of_window(column, totals, 5.0), wanted)
    assert isinstance(alone, Estimate)
    assert isinstance(five, Estimate)
    wider = (five.high - five.low) / (alone.high - alone.low)
    assert wider == pytest.approx(math.sqrt(5), rel=0.02)


@pytest.mark.parametrize(
    ("critical", "outcome"),
    [("39", Outcome.BREACH), ("40", Outcome.UNKNOWN), ("41.5", Outcome.NO_BREACH)],
)
def test_a_threshold_within_the_interval_is_a_tie(
    profile: Profile, critical: str, outcome: Outcome
) -> None:
    found = verdict(statistic("Mean", threshold=above(critical)), profile, table(1000, 5))
    assert found.outcome is outcome
    if outcome is Outcome.UNKNOWN:
        assert found.reason == "IntervalStraddlesThreshold"
        assert "95 % interval" in found.message


@pytest.mark.parametrize("operator", ["GreaterThan", "LessThan"])
@pytest.mark.parametrize(("offset", "certain"), [(-6.0, True), (0.0, False), (6.0, True)])
def test_a_quantile_is_held_against_its_threshold_exactly(
    profile: Profile, operator: str, offset: float, certain: bool
) -> None:
    """The share of the values up to the threshold tells, even where one cell holds both."""
    edge = 40 + 10 * float(stats.norm.ppf(0.99))
    threshold = {"operator": operator, "critical": f"{edge + offset:.4f}"}
    metric = statistic("Quantile", quantile="0.99", threshold=threshold)
    found = verdict(metric, profile, table(3000, 6))
    assert (found.outcome is not Outcome.UNKNOWN) == certain
    if certain:
        assert (found.outcome is Outcome.BREACH) == ((offset < 0) == (operator == "GreaterThan"))


def test_beyond_what_a_sample_can_tell_a_quantile_has_no_upper_end(profile: Profile) -> None:
    """That 100 values hold none above the 99 % quantile happens once in three times."""
    column = profile.columns[0]
    wanted = StatisticOptions.model_validate(
        {"column": "age", "of": "Quantile", "quantile": "0.99"}
    )
    totals = counted(column, table(100, 7)["age"])
    found = STATISTICS[wanted.of].estimate(of_window(column, totals, 1.0), wanted)
    assert isinstance(found, Estimate)
    assert found.high == math.inf
    assert math.isfinite(found.low)


def test_without_marks_a_share_is_not_guessed(profile: Profile) -> None:
    metric = statistic("ShareAbove", value="55", threshold=above("0.5"))
    silent = spec_of(statistic("Mean"))
    found = judge(spec_of(metric), [tick(0, observed(profile, silent, 0, table(500, 8)))], profile)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "WarmingUp")
    assert "do not count yet" in found.message


def test_infinite_numbers_are_no_part_of_a_mean(profile: Profile) -> None:
    rows = table(1000, 9)
    rows["age"][:10] = np.inf
    found = verdict(statistic("Mean", threshold=above("100")), profile, rows)
    assert found.value == pytest.approx(rows["age"][10:].mean())


def test_large_numbers_close_together_have_no_deviation_out_of_rounding() -> None:
    draw = np.random.default_rng(0)
    values = 1e9 + draw.normal(0, 1e-3, 4000)
    metric = statistic("StandardDeviation", "x", threshold=above("0.5"))
    found = verdict(metric, build_profile({"x": values}), {"x": values[:2000]})
    # Sums of squares cannot tell less than this: the verdict does not pretend that they do.
    assert found.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("as_", "critical", "value"),
    [("Difference", "4", 10.0), ("Ratio", "1.1", 1.25), ("RelativeChange", "0.1", 0.25)],
)
def test_the_mean_is_compared_with_the_baseline(
    profile: Profile, as_: str, critical: str, value: float
) -> None:
    metric = statistic("Mean", compare={"to": "Baseline", "as": as_}, threshold=above(critical))
    same, moved = (verdict(metric, profile, table(3000, 1, shift=by)) for by in (0.0, 10.0))
    assert same.outcome is Outcome.NO_BREACH
    assert moved.level is Level.CRITICAL
    assert moved.value == pytest.approx(value, rel=0.05)
    assert "the baseline's 4" in moved.message


@pytest.mark.parametrize(
    "options",
    [
        {"of": "Quantile", "quantile": "0.5"},
        {"of": "ShareAbove", "value": "55"},
        {"of": "ShareBelow", "value": "35"},
        {"of": "StandardDeviation"},
    ],
)
def test_what_the_baseline_holds_is_no_difference(
    profile: Profile, options: dict[str, str]
) -> None:
    metric = statistic(**options, compare={"to": "Baseline"}, threshold=above("2.5"))
    found = verdict(metric, profile, table(5000, 11))
    assert found.outcome is Outcome.NO_BREACH
    assert found.value == pytest.approx(0, abs=0.5)


def test_a_ratio_to_nothing_is_unknown() -> None:
    draw = np.random.default_rng(0)
    values = draw.normal(0, 1, 4000)
    profile = build_profile({"x": values})
    metric = statistic("Mean", "x", compare={"to": "Baseline", "as": "Ratio"})
    found = verdict(metric, profile, {"x": values[:500] + 3})
    assert found.outcome is Outcome.UNKNOWN
    assert "compare as Difference" in found.message


def hours(profile: Profile, spec: Any, shifts: list[float]) -> list[Any]:
    return [
        tick(number, observed(profile, spec, number, table(500, 50 + number, shift=shift)))
        for number, shift in enumerate(shifts)
    ]


PREVIOUS: dict[str, Any] = {
    "compare": {"to": "PreviousPeriod"},
    "window": "3m",
    "threshold": above("4"),
}


def test_the_period_before_is_another_one(profile: Profile) -> None:
    spec = spec_of(statistic("Mean", **PREVIOUS))
    jump = judge(spec, hours(profile, spec, [0, 0, 0, 10, 10, 10]), profile)
    assert jump.level is Level.CRITICAL
    assert jump.value == pytest.approx(10, abs=1)
    assert "more than the previous period's 4" in jump.message
    level = judge(spec, hours(profile, spec, [10, 10, 10, 10, 10, 10]), profile)
    assert level.outcome is Outcome.NO_BREACH


def test_the_offset_says_how_long_ago_it_ended(profile: Profile) -> None:
    compare = {"to": "PreviousPeriod", "offset": "5m"}
    spec = spec_of(statistic("Mean", **{**PREVIOUS, "compare": compare}))
    ticks = hours(profile, spec, [0, 0, 0, 10, 10, 10, 10, 10])
    assert judge(spec, ticks, profile).value == pytest.approx(10, abs=1)
    warming = judge(spec, ticks[1:], profile)
    assert (warming.outcome, warming.reason) == (Outcome.UNKNOWN, "WarmingUp")
    assert "ended 5m ago" in warming.message


def test_texts_are_known_by_their_lengths() -> None:
    draw = np.random.default_rng(0)
    texts = [f"{number} " + "x" * int(draw.integers(5, 60)) for number in range(3000)]
    profile = build_profile({"prompt": texts})
    assert profile.columns[0].kind is ColumnKind.TEXT
    found = verdict(statistic("Mean", "prompt", threshold=above("100")), profile, {"prompt": texts})
    assert found.value == pytest.approx(np.mean([len(text) for text in texts]))
    metric = statistic("ShareAbove", "prompt", value="40", threshold=above("0.9"))
    found = verdict(metric, profile, {"prompt": texts})
    assert found.value == pytest.approx(np.mean([len(text) > 40 for text in texts]))


@pytest.mark.parametrize(
    ("options", "column", "reason", "words"),
    [
        ({"of": "Mean"}, "city", "ColumnKindUnsupported", "Mean is of Numeric or Text columns"),
        ({"of": "Entropy"}, "age", "ColumnKindUnsupported", "Entropy is of Categorical columns"),
        ({"of": "Mean"}, "agge", "ColumnNotInBaseline", "no column agge"),
        ({"of": "Confidence"}, "age", "ColumnKindUnsupported", "age is an input"),
        (
            {"of": "CategoryShare", "category": "Paris"},
            "city",
            "ColumnNotInBaseline",
            "does not list the category Paris",
        ),
    ],
)
def test_what_does_not_fit_is_said(
    profile: Profile, options: dict[str, str], column: str, reason: str, words: str
) -> None:
    found = verdict(statistic(column=column, **options), profile, table(200, 12))
    assert found.reason == reason
    assert words in found.message


def test_few_values_are_too_few(profile: Profile) -> None:
    threshold = {**above("45"), "minSamples": 200}
    metric = statistic("Mean", threshold=threshold, window="1m")
    assert verdict(metric, profile, table(100, 13)).reason == "TooFewSamples"


def test_one_value_has_no_interval(profile: Profile) -> None:
    found = verdict(statistic("Mean"), profile, table(1, 14))
    assert found.reason == "IntervalStraddlesThreshold"


def test_no_value_is_no_data(profile: Profile) -> None:
    rows = table(50, 15)
    rows["age"][:] = np.nan
    found = verdict(statistic("Mean"), profile, rows)
    assert found.no_data
    assert found.outcome is Outcome.UNKNOWN


def test_panes_that_do_not_count_at_a_mark_yet_are_told(profile: Profile) -> None:
    metric = statistic("ShareAbove", value="55", threshold=above("0.5"))
    spec = spec_of({**metric, "window": "2m"})
    new = observed(profile, spec, 1, table(500, 16))
    old = observed(profile, spec, 0, table(500, 17))
    unmarked = {
        name: msgspec.structs.replace(counts, marks=[]) for name, counts in old.columns.items()
    }
    old = msgspec.structs.replace(old, columns=unmarked)
    found = judge(spec, [tick(0, old), tick(1, new)], profile)
    assert found.reason == "WarmingUp"
