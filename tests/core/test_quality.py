"""Data quality: the worst column's ratio, and only what chance does not explain."""

from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from tests.core.monitoring import Table, judge, rows_pane, spec_of, tick

ROWS = 4000


@pytest.fixture(scope="module")
def profile() -> Profile:
    draw = np.random.default_rng(0)
    age = draw.normal(40, 10, ROWS)
    age[: ROWS // 10] = np.nan
    return build_profile(
        {
            "age": age,
            "height": draw.normal(170, 10, ROWS),
            "city": draw.choice(["Rome", "Oslo"], ROWS),
        }
    )


def rows(size: int = 1000, **odd: Any) -> Table:
    draw = np.random.default_rng(1)
    table: dict[str, Any] = {
        "age": np.clip(draw.normal(40, 10, size), 20, 60),
        "height": np.clip(draw.normal(170, 10, size), 150, 190),
        "city": draw.choice(["Rome", "Oslo"], size).tolist(),
    }
    for name, (value, share) in odd.items():
        table[name][: int(share * size)] = value if name != "city" else [value] * int(share * size)
    return table


def quality(check: str, group: str = "Inputs", **more: Any) -> dict[str, Any]:
    return {
        "type": "DataQuality",
        "dataQuality": {"check": check, "columns": {"group": group}},
        "threshold": {"operator": "GreaterThan", "warning": "0.02", "critical": "0.1"},
        **more,
    }


def verdict(metric: dict[str, Any], profile: Profile, table: Table) -> Verdict:
    return judge(spec_of(metric), [tick(0, rows_pane(profile, 0, table))], profile)


def test_the_worst_column_counts(profile: Profile) -> None:
    found = verdict(
        quality("MissingRatio"), profile, rows(age=(np.nan, 0.2), height=(np.nan, 0.05))
    )
    assert found.value == pytest.approx(0.2)
    assert found.level is Level.CRITICAL
    assert [finding.column for finding in found.findings] == ["age", "height", "city"]
    assert found.message == (
        "missing: age 20.00%, height 5.00% of 1000 rows, in breach of "
        "> 0.1 critical, > 0.02 warning"
    )


def test_what_the_baseline_misses_as_well_is_no_news_when_compared(profile: Profile) -> None:
    compared = quality("MissingRatio", compare={"to": "Baseline"})
    same = verdict(compared, profile, rows(age=(np.nan, 0.1)))
    more = verdict(compared, profile, rows(age=(np.nan, 0.3)))
    assert same.outcome is Outcome.NO_BREACH
    assert same.value == pytest.approx(0, abs=1e-9)
    assert more.value == pytest.approx(0.2)
    assert "more than in the baseline" in more.message


def test_values_beyond_the_baseline_are_out_of_range(profile: Profile) -> None:
    found = verdict(
        quality("OutOfRangeRatio"), profile, rows(height=(1.7, 0.5), age=(1000.0, 0.15))
    )
    assert found.value == pytest.approx(0.5)
    assert {finding.column for finding in found.findings} == {"age", "height"}


def test_unseen_categories_are_new(profile: Profile) -> None:
    found = verdict(quality("NewCategoryRatio"), profile, rows(city=("Paris", 0.15)))
    assert found.value == pytest.approx(0.15)
    assert found.level is Level.CRITICAL


def named(profile: Profile, **novel: int) -> str:
    """Return the message of a monitor whose collector named new cities."""
    made = rows_pane(profile, 0, rows(city=("Paris", 0.15)))
    city = msgspec.structs.replace(made.columns["city"], novel=novel)
    made = msgspec.structs.replace(made, columns={**made.columns, "city": city})
    found = judge(spec_of(quality("NewCategoryRatio")), [tick(0, made)], profile)
    return found.message.partition(", in breach")[0]


def test_the_most_frequent_new_values_are_named(profile: Profile) -> None:
    before = "new: city 15.00% of 1000 rows"
    assert named(profile) == before
    assert named(profile, **{"": 150}) == f"{before}; most of city: (empty)"
    assert named(profile, Paris=150) == f"{before}; most of city: Paris"
    assert named(profile, Lyon=5, Paris=100, Nice=5) == f"{before}; most of city: Paris, Lyon, Nice"


def test_names_of_new_values_are_short(profile: Profile) -> None:
    novel = {f"{letter * 64}": 9 for letter in "abcdef"}
    text = named(profile, **novel).partition("most of city: ")[2]
    assert len(text) <= 60
    assert text == f"{'a' * 27}…, {'b' * 27}…"
    short = named(profile, **{str(number): 1 for number in range(9)})
    assert short.endswith("most of city: 0, 1, 2, 3")


def test_unlisted_categories_of_the_baseline_are_not_new() -> None:
    names = [f"c{number}" for number in range(250)]
    table = {"c": [name for name in names for _ in range(10)]}
    found = verdict(quality("NewCategoryRatio"), build_profile(table), table)
    assert found.outcome is Outcome.NO_BREACH
    assert found.value == pytest.approx(0)


def test_a_ratio_that_chance_explains_is_unknown(profile: Profile) -> None:
    found = verdict(quality("MissingRatio"), profile, rows(size=50, age=(np.nan, 0.06)))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "IntervalStraddlesThreshold")
    assert found.value == pytest.approx(0.06)
    assert not found.no_data


def test_the_certain_severity_is_the_one_that_counts(profile: Profile) -> None:
    found = verdict(quality("MissingRatio"), profile, rows(size=300, age=(np.nan, 0.12)))
    assert found.level is Level.WARNING


@pytest.mark.parametrize(
    ("check", "names"), [("OutOfRangeRatio", ["city"]), ("NewCategoryRatio", ["age"])]
)
def test_a_check_that_fits_no_column_is_unknown(
    profile: Profile, check: str, names: list[str]
) -> None:
    metric = quality(check)
    metric["dataQuality"] = {"check": check, "columns": {"names": names}}
    assert verdict(metric, profile, rows()).reason == "ColumnKindUnsupported"


def test_a_column_that_the_baseline_lacks_is_named(profile: Profile) -> None:
    metric = quality("MissingRatio")
    metric["dataQuality"] = {"check": "MissingRatio", "columns": {"names": ["wieght"]}}
    found = verdict(metric, profile, rows())
    assert found.reason == "ColumnNotInBaseline"
    assert found.message == "the baseline has no column wieght: it has age, city, height"


def test_a_group_without_columns_is_unknown(profile: Profile) -> None:
    found = verdict(quality("MissingRatio", group="Outputs"), profile, rows())
    assert found.reason == "ColumnNotInBaseline"
