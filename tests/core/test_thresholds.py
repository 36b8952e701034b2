"""A threshold says of a value: breach or not, which severity, and whether an alert could end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.api.v1alpha1.thresholds import Threshold
from modelmonitor.core.judging.thresholds import Comparison, compare, compare_interval, describe
from modelmonitor.core.judging.verdict import Level
from tests.core.monitoring import steady

SAFE = Comparison(None, recovered=True)
NOT_SAFE = Comparison(None, recovered=False)
WARNING = Comparison(Level.WARNING, recovered=False)
CRITICAL = Comparison(Level.CRITICAL, recovered=False)


def threshold(operator: str, **fields: object) -> Threshold:
    return Threshold.model_validate({"operator": operator, **fields})


GREATER = threshold("GreaterThan", warning="0.2", critical="0.5", recoverAt="0.15")
LESS = threshold("LessThan", warning="10", critical="5", recoverAt="12")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.6, CRITICAL), (0.5, WARNING), (0.21, WARNING), (0.2, NOT_SAFE), (0.16, NOT_SAFE),
     (0.15, SAFE), (-1, SAFE)],
)  # fmt: skip
def test_greater_than(value: float, expected: Comparison) -> None:
    assert compare(GREATER, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(4, CRITICAL), (5, WARNING), (9.9, WARNING), (10, NOT_SAFE), (11, NOT_SAFE), (12, SAFE)],
)
def test_less_than(value: float, expected: Comparison) -> None:
    assert compare(LESS, value) == expected


@pytest.mark.parametrize(
    ("operator", "at_the_bound"),
    [("GreaterThan", SAFE), ("GreaterThanOrEqual", CRITICAL), ("LessThan", SAFE),
     ("LessThanOrEqual", CRITICAL)],
)  # fmt: skip
def test_only_the_or_equal_operators_breach_at_the_bound(
    operator: str, at_the_bound: Comparison
) -> None:
    assert compare(threshold(operator, critical="1"), 1.0) == at_the_bound


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, CRITICAL), (1, WARNING), (2, SAFE), (3, SAFE), (4, SAFE), (4.5, WARNING), (5.1, CRITICAL)],
)
def test_outside_range_breaches_beyond_both_ends(value: float, expected: Comparison) -> None:
    around = threshold(
        "OutsideRange",
        warningRange={"low": "2", "high": "4"},
        criticalRange={"low": "1", "high": "5"},
    )
    assert compare(around, value) == expected


@pytest.mark.parametrize(
    ("value", "expected"), [(0, SAFE), (1, WARNING), (2, CRITICAL), (4, CRITICAL), (5.1, SAFE)]
)
def test_inside_range_breaches_between_the_ends(value: float, expected: Comparison) -> None:
    between = threshold(
        "InsideRange",
        warningRange={"low": "1", "high": "5"},
        criticalRange={"low": "2", "high": "4"},
    )
    assert compare(between, value) == expected


def test_without_recover_at_no_breach_is_recovered() -> None:
    assert compare(threshold("GreaterThan", critical="1"), 0.999) == SAFE


@steady
@given(st.floats(-1, 2), st.floats(-1, 2))
def test_an_interval_is_as_certain_as_everything_in_it(one: float, two: float) -> None:
    low, high = sorted((one, two))
    found = compare_interval(GREATER, low, high)
    inside = [compare(GREATER, low + (high - low) * part / 20) for part in range(21)]
    levels = {each.level for each in inside}
    if found is None:
        assert None in levels
        assert len(levels) > 1
    elif found.level is None:
        assert levels == {None}
        assert found.recovered == all(each.recovered for each in inside)
    else:
        assert None not in levels
        assert found.level in levels


def test_an_interval_around_a_forbidden_range_is_not_certain() -> None:
    between = threshold("InsideRange", criticalRange={"low": "2", "high": "4"})
    assert compare_interval(between, 1, 5) is None
    assert compare_interval(between, 5, 6) == SAFE


def test_a_threshold_in_words() -> None:
    assert describe(GREATER) == "> 0.5 critical, > 0.2 warning"
    assert describe(threshold("LessThanOrEqual", warning="1")) == "<= 1 warning"
    outside = threshold("OutsideRange", criticalRange={"low": "1", "high": "5"})
    assert describe(outside) == "outside 1 to 5 critical"


def test_words_fit_the_status() -> None:
    long = "-123456789012.123456789"
    assert len(describe(threshold("GreaterThan", critical=long, warning=long))) <= 64
