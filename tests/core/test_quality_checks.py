"""Checks of data quality: what is a flaw, what chance explains, and what is not counted yet."""

from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.core.baseline.profile import (
    ColumnKind,
    ColumnRole,
    DerivedFrom,
    Envelope,
    Profile,
    canonical,
    digest,
    load_profile,
)
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.counting.derivation import Derivation
from modelmonitor.core.judging.asked import checks_for
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from modelmonitor.core.wire.configuration import RowChecks
from modelmonitor.core.wire.pane import NameCounts, Pane
from tests.core.monitoring import drift, judge, pane, requests, run, spec_of, tick
from tests.core.observing import observed

ROWS = 20_000
INPUTS = {"group": "Inputs"}


def table(size: int, seed: int = 0) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {
        "age": draw.normal(40, 10, size).tolist(),
        "city": draw.choice(["Rome", "Oslo", "Bern"], size, p=[0.6, 0.37, 0.03]).tolist(),
        "note": [f"note {number}" for number in draw.integers(10**9, 10**10, size)],
    }


@pytest.fixture(scope="module")
def profile() -> Profile:
    return build_profile(table(ROWS))


def quality(check: str, **more: Any) -> dict[str, Any]:
    whole = check in {"DuplicateRatio", "SchemaChanges", "Staleness"}
    columns = {} if whole else {"columns": more.pop("columns", INPUTS)}
    threshold = {"operator": "GreaterThan", "critical": more.pop("critical", "0.1")}
    return {
        "type": "DataQuality",
        "dataQuality": {"check": check, **columns},
        "threshold": more.pop("threshold", threshold),
        **more,
    }


def verdict(metric: dict[str, Any], profile: Profile, rows: dict[str, Any]) -> Verdict:
    spec = spec_of(metric)
    return judge(spec, [tick(0, observed(profile, spec, 0, rows))], profile)


def spoiled(size: int, seed: int = 1, **spoils: Any) -> dict[str, Any]:
    """Return rows of which some have other values: name=(value, share)."""
    rows = table(size, seed)
    for name, (value, share) in spoils.items():
        count = round(share * size)
        rows[name][:count] = [value] * count
    return rows


@pytest.mark.parametrize(
    ("check", "spoils", "value", "words"),
    [
        ("EmptyRatio", {"note": (" \n", 0.2)}, 0.2, "empty: note 20.00%"),
        ("EmptyRatio", {"note": (None, 0.2)}, 0.2, "empty: note 20.00%"),
        ("EmptyRatio", {"city": ("", 0.2)}, 0.2, "empty: city 20.00%"),
        ("TypeMismatchRatio", {"age": ("old", 0.3)}, 0.3, "of the wrong type: age 30.00%"),
        ("InfiniteRatio", {"age": (float("inf"), 0.2)}, 0.2, "infinite: age 20.00%"),
        ("VanishedCategoryRatio", {"city": ("Rome", 1.0)}, 0.4, "vanished of the baseline: city"),
    ],
)
def test_a_flaw_is_found(
    profile: Profile, check: str, spoils: dict[str, Any], value: float, words: str
) -> None:
    whole = verdict(quality(check), profile, table(1000, 2))
    flawed = verdict(quality(check), profile, spoiled(1000, **spoils))
    assert whole.outcome is Outcome.NO_BREACH
    assert flawed.level is Level.CRITICAL
    assert flawed.value == pytest.approx(value, abs=0.01)
    assert words in flawed.message


def test_not_a_number_is_missing_and_not_infinite(profile: Profile) -> None:
    rows = spoiled(1000, age=(float("nan"), 0.5))
    assert verdict(quality("InfiniteRatio"), profile, rows).value == 0
    assert verdict(quality("MissingRatio"), profile, rows).value == pytest.approx(0.5)


def test_a_new_category_in_ten_thousand_rows_is_a_flaw_of_data_and_no_drift(
    profile: Profile,
) -> None:
    rows = table(10_000, 3)
    rows["city"][0] = "Atlantis"
    metrics = [quality("NewCategoryRatio", critical="0"), drift("0.05", "0.02")]
    spec = spec_of(*metrics)
    ticks = [tick(number, observed(profile, spec, number, rows)) for number in range(3)]
    evidence = None
    for until in range(3):
        found = run(spec, ticks[: until + 1], profile, evidence)
        evidence = found.evidence
        new, drifted = found.verdicts
        assert new.level is Level.CRITICAL
        assert new.value == pytest.approx(1e-4)
        assert drifted.outcome is Outcome.NO_BREACH


@pytest.mark.parametrize(("rows", "gone"), [(30, False), (1000, True)])
def test_a_rare_category_is_gone_only_if_it_had_to_be_seen(
    profile: Profile, rows: int, gone: bool
) -> None:
    """Bern is 3 % of the baseline: among 30 rows it is not there two times of five."""
    table_ = table(rows, 5)
    table_["city"] = [city if city != "Bern" else "Rome" for city in table_["city"]]
    found = verdict(quality("VanishedCategoryRatio", critical="0.01"), profile, table_)
    assert (found.level is Level.CRITICAL) == gone
    assert found.value == pytest.approx(0.03 if gone else 0, abs=0.005)


def test_one_row_in_five_is_too_little_to_be_certain_of(profile: Profile) -> None:
    found = verdict(quality("EmptyRatio"), profile, spoiled(5, note=("", 0.2)))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "IntervalStraddlesThreshold")
    assert "chance explains it" in found.message


def test_rows_that_come_in_fives_prove_less(profile: Profile) -> None:
    columns = []
    for column in profile.columns:
        shares = len(column.cuts or column.cells)
        envelope = Envelope(seconds=60.0, phi=9.0, low=[0.0] * shares, high=[1.0] * shares)
        columns.append(msgspec.structs.replace(column, envelopes=[envelope]))
    fives = msgspec.structs.replace(profile, columns=columns)
    rows = spoiled(300, age=(None, 0.15))
    assert verdict(quality("MissingRatio"), profile, rows).level is Level.CRITICAL
    assert verdict(quality("MissingRatio"), fives, rows).outcome is Outcome.UNKNOWN


def test_collectors_that_do_not_count_empty_texts_yet_are_told(profile: Profile) -> None:
    spec = spec_of(quality("EmptyRatio"))
    seen = observed(profile, spec, 0, table(500))
    older = {name: msgspec.structs.replace(each, empty=None) for name, each in seen.columns.items()}
    found = judge(spec, [tick(0, msgspec.structs.replace(seen, columns=older))], profile)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "WarmingUp")


def test_empty_answers_are_compared_with_those_of_the_baseline() -> None:
    draw = np.random.default_rng(0)
    answers = ["" if part < 0.1 else f"answer {part}" for part in draw.random(4000)]
    profile = build_profile(
        {"x": draw.normal(0, 1, 4000), "answer": answers},
        outputs=[OutputColumn(column="answer", role=ColumnRole.LABEL)],
    )
    answer = profile.columns[1]
    assert (answer.kind, answer.empty) == (ColumnKind.TEXT, answers.count(""))
    assert load_profile(canonical(profile)) == profile
    metric = quality("EmptyRatio", columns={"group": "Outputs"}, compare={"to": "Baseline"})
    same = verdict(metric, profile, {"x": [0.0] * 1000, "answer": answers[:1000]})
    more = verdict(metric, profile, {"x": [0.0] * 1000, "answer": [""] * 500 + answers[:500]})
    assert same.outcome is Outcome.NO_BREACH
    assert more.value == pytest.approx(0.45, abs=0.02)
    old = msgspec.structs.replace(
        profile, columns=[profile.columns[0], msgspec.structs.replace(answer, empty=None)]
    )
    unknown = verdict(metric, old, {"x": [0.0] * 1000, "answer": answers[:1000]})
    assert "build it anew" in unknown.message


@pytest.mark.parametrize(
    ("as_", "critical", "value", "words"),
    [
        ("Ratio", "2", 3.0, "missing, as a multiple of the baseline's: age 3"),
        ("RelativeChange", "1.0", 2.0, "missing, change against the baseline's: age +2"),
        ("Difference", "0.1", 0.2, "missing more than in the baseline: age 2"),
    ],
)
def test_a_share_is_compared_in_three_ways(
    as_: str, critical: str, value: float, words: str
) -> None:
    draw = np.random.default_rng(0)
    age = draw.normal(40, 10, 10_000)
    age[:1000] = np.nan
    profile = build_profile({"age": age})
    now = age[1000:4000].copy()
    now[:900] = np.nan
    metric = quality("MissingRatio", compare={"to": "Baseline", "as": as_}, critical=critical)
    found = verdict(metric, profile, {"age": now})
    assert found.level is Level.CRITICAL
    assert found.value == pytest.approx(value, rel=0.01)
    assert words in found.message


def test_of_what_the_baseline_never_had_the_least_multiple_counts(profile: Profile) -> None:
    metric = quality("MissingRatio", compare={"to": "Baseline", "as": "Ratio"}, critical="20")
    found = verdict(metric, profile, spoiled(1000, age=(None, 0.5)))
    assert found.level is Level.CRITICAL
    assert found.value is not None
    assert 500 < found.value < 10_000
    none = verdict(metric, profile, table(1000, 2))
    assert (none.outcome, none.value) == (Outcome.NO_BREACH, 1.0)


def test_a_multiple_of_nothing_is_no_number(profile: Profile) -> None:
    metric = quality("TypeMismatchRatio", compare={"to": "Baseline", "as": "Ratio"}, critical="2")
    found = verdict(metric, profile, spoiled(1000, age=("old", 0.5)))
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "NotANumber")
    assert "compare as Difference" in found.message


@pytest.mark.parametrize("check", ["ConstantColumns", "DistinctRatio"])
def test_derived_columns_are_not_looked_at_value_by_value(check: str, profile: Profile) -> None:
    made = DerivedFrom(source="note", derivation=Derivation.TEXT_LENGTH)
    age = msgspec.structs.replace(profile.columns[0], role=ColumnRole.DERIVED, derived=made)
    derived = msgspec.structs.replace(profile, columns=[age, *profile.columns[1:]])
    metric = quality(check, columns={"names": ["age"]})
    spec = spec_of(metric)
    assert checks_for(spec.metrics, derived) == RowChecks()
    seen = pane(0, baselineDigest=digest(derived))
    found = judge(spec, [tick(0, seen)], derived)
    assert found.reason == "ColumnKindUnsupported"


def test_the_period_before_may_be_the_measure(profile: Profile) -> None:
    metric = quality("MissingRatio", compare={"to": "PreviousPeriod"}, window="2m")
    spec = spec_of(metric)
    parts = [
        spoiled(500, number, age=(None, share)) for number, share in enumerate((0, 0, 0.4, 0.4))
    ]
    ticks = [
        tick(number, observed(profile, spec, number, part)) for number, part in enumerate(parts)
    ]
    found = judge(spec, ticks, profile)
    assert found.level is Level.CRITICAL
    assert found.value == pytest.approx(0.4)
    assert "missing more than in the previous period: age 40.00%" in found.message
    assert judge(spec, ticks[1:], profile).reason == "WarmingUp"


def repeated(size: int, share: float, seed: int = 1) -> dict[str, Any]:
    rows = table(size, seed)
    count = round(share * size)
    return {name: values[: size - count] + values[:count] for name, values in rows.items()}


@pytest.mark.parametrize(
    ("share", "outcome"), [(0.0, Outcome.NO_BREACH), (0.11, Outcome.UNKNOWN), (0.4, Outcome.BREACH)]
)
def test_rows_that_repeat_are_duplicates(profile: Profile, share: float, outcome: Outcome) -> None:
    found = verdict(quality("DuplicateRatio"), profile, repeated(2000, share))
    assert found.outcome is outcome
    assert found.value == pytest.approx(share, abs=0.04)
    assert "duplicates: " in found.message


def test_duplicates_are_found_across_replicas_and_panes(profile: Profile) -> None:
    spec = spec_of(quality("DuplicateRatio", window="2m"))
    rows = table(500, 7)
    panes = [observed(profile, spec, 0, rows, boot=boot) for boot in ("one", "two")]
    later = observed(profile, spec, 1, rows, boot="one")
    found = judge(spec, [tick(0, *panes), tick(1, later)], profile)
    assert found.value == pytest.approx(2 / 3, abs=0.03)
    assert found.samples == 1500


def test_more_duplicates_than_in_the_period_before(profile: Profile) -> None:
    metric = quality("DuplicateRatio", compare={"to": "PreviousPeriod"}, window="1m")
    spec = spec_of(metric)
    parts = [repeated(1000, 0.0, 1), repeated(1000, 0.5, 2)]
    ticks = [
        tick(number, observed(profile, spec, number, part)) for number, part in enumerate(parts)
    ]
    found = judge(spec, ticks, profile)
    assert found.level is Level.CRITICAL
    assert "more than in the previous period" in found.message


def test_few_different_values_are_found(profile: Profile) -> None:
    threshold = {"operator": "LessThan", "critical": "0.5"}
    metric = quality("DistinctRatio", columns={"names": ["note", "age"]}, threshold=threshold)
    rows = table(2000, 3)
    assert verdict(metric, profile, rows).outcome is Outcome.NO_BREACH
    rows["note"] = [rows["note"][number % 200] for number in range(2000)]
    found = verdict(metric, profile, rows)
    assert found.level is Level.CRITICAL
    assert found.value == pytest.approx(0.1, abs=0.01)
    assert found.findings[0].column == "note"


@pytest.mark.parametrize(
    "check", ["DistinctRatio", "DuplicateRatio", "ConstantColumns", "SchemaChanges"]
)
def test_what_nobody_asked_collectors_for_is_not_counted_yet(profile: Profile, check: str) -> None:
    silent = spec_of(quality("MissingRatio"))
    found = judge(
        spec_of(quality(check)), [tick(0, observed(profile, silent, 0, table(500)))], profile
    )
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "WarmingUp")


def constant(profile: Profile, spec: Any, number: int, age: float, size: int = 200) -> Pane:
    rows = table(size, number)
    rows["age"] = [age] * size
    return observed(profile, spec, number, rows)


def test_a_column_that_has_become_constant_is_counted(profile: Profile) -> None:
    spec = spec_of(quality("ConstantColumns", critical="0", window="2m"))
    stuck = [tick(number, constant(profile, spec, number, 7.0)) for number in range(2)]
    found = judge(spec, stuck, profile)
    assert (found.level, found.value) == (Level.CRITICAL, 1.0)
    assert "1 column has become constant: age" in found.message
    moved = [stuck[0], tick(1, constant(profile, spec, 1, 8.0))]
    assert judge(spec, moved, profile).value == 0


def test_equal_values_of_few_rows_are_chance(profile: Profile) -> None:
    spec = spec_of(quality("ConstantColumns", critical="0", columns={"names": ["city"]}))
    for size, found in ((5, 0), (60, 1)):
        rows = {**table(size), "city": ["Rome"] * size}
        seen = judge(spec, [tick(0, observed(profile, spec, 0, rows))], profile)
        assert seen.value == found


def test_what_was_constant_before_is_no_news() -> None:
    profile = build_profile({"x": [1.0] * 2000, "c": ["a"] * 2000})
    found = verdict(
        quality("ConstantColumns", critical="0"), profile, {"x": [1.0] * 500, "c": ["a"] * 500}
    )
    assert found.outcome is Outcome.NO_BREACH


def test_the_schema_changes_in_three_ways(profile: Profile) -> None:
    spec = spec_of(quality("SchemaChanges", critical="0"))
    rows = {**table(500), "age": ["x"] * 500, "note": [None] * 500}
    seen = observed(profile, spec, 0, rows, batch=10, unexpected=["höhe"])
    found = judge(spec, [tick(0, seen)], profile)
    assert (found.level, found.value) == (Level.CRITICAL, 3.0)
    assert "gone: note; of another type: age; added: höhe" in found.message
    whole = observed(profile, spec, 0, table(500), batch=10, unexpected=[])
    assert judge(spec, [tick(0, whole)], profile).outcome is Outcome.NO_BREACH


def test_a_column_that_was_mostly_missing_is_not_gone() -> None:
    draw = np.random.default_rng(0)
    rare = draw.normal(0, 1, 4000)
    rare[:3000] = np.nan
    profile = build_profile({"x": draw.normal(0, 1, 4000), "rare": rare})
    spec = spec_of(quality("SchemaChanges", critical="0"))
    rows: dict[str, Any] = {"x": [0.5] * 300, "rare": [None] * 300}
    assert judge(spec, [tick(0, observed(profile, spec, 0, rows))], profile).value == 0


@pytest.mark.parametrize(
    ("requests_", "times", "added"), [(100, 60, 1), (100, 40, 0), (9, 9, 0), (10, 10, 1)]
)
def test_a_name_is_added_if_half_of_enough_requests_have_it(
    profile: Profile, requests_: int, times: int, added: int
) -> None:
    spec = spec_of(quality("SchemaChanges", critical="0"))
    seen = observed(profile, spec, 0, table(500))
    names = NameCounts(requests=requests_, unexpected={"höhe": times, "age": requests_})
    found = judge(spec, [tick(0, msgspec.structs.replace(seen, names=names))], profile)
    assert found.value == added


def test_staleness_is_how_long_no_row_came(profile: Profile) -> None:
    spec = spec_of(quality("Staleness", critical="150"))
    full = tick(0, observed(profile, spec, 0, table(20)))
    silent = [
        tick(number, pane(number, baselineDigest=digest(profile), requests=requests(0)))
        for number in range(1, 4)
    ]
    fresh = judge(spec, [full], profile)
    assert (fresh.value, fresh.outcome) == (0.0, Outcome.NO_BREACH)
    stale = judge(spec, [full, *silent], profile)
    assert (stale.value, stale.level) == (180.0, Level.CRITICAL)
    assert stale.message == "the last row came 3m ago, in breach of > 150 critical"
    assert judge(spec, [full, *silent[:2]], profile).outcome is Outcome.NO_BREACH


def test_staleness_is_unknown_while_data_may_have_come_before(profile: Profile) -> None:
    spec = spec_of(quality("Staleness", critical="150"))
    silent = [
        tick(number, pane(number, baselineDigest=digest(profile), requests=requests(0)))
        for number in range(3)
    ]
    assert judge(spec, silent[:2], profile).reason == "WarmingUp"
    assert judge(spec, silent, profile).level is Level.CRITICAL


def test_a_blind_collector_is_not_stale(profile: Profile) -> None:
    spec = spec_of(quality("Staleness", critical="30"))
    full = tick(0, observed(profile, spec, 0, table(20)))
    away = tick(1, expected=1, answered=0)
    assert judge(spec, [full, away], profile).outcome is Outcome.UNKNOWN
