"""Drift: silent while nothing has moved, quick when something has, honest when nobody can tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
import pytest

from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.core.baseline.profile import Profile, digest
from modelmonitor.core.baseline.profile_builder import build_profile
from modelmonitor.core.drift.evidence import Evidence
from modelmonitor.core.judging.evaluation import Evaluation, lookback
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict
from modelmonitor.core.judging.windows import Tick
from tests.core.monitoring import drift, rows_pane, run, spec_of, tick

ROWS = 20_000
KINDS = ("Rome", "Oslo", "Bern", "Riga")

Draw = Callable[[np.random.Generator, int], dict[str, Any]]


def steady_rows(draw: np.random.Generator, size: int) -> dict[str, Any]:
    return {
        "age": draw.normal(40, 10, size),
        "income": draw.lognormal(0, 1, size),
        "city": draw.choice(KINDS, size, p=[0.5, 0.3, 0.15, 0.05]),
    }


def shifted(**moves: float) -> Draw:
    """Return rows whose columns moved: numbers by so much, the city by that share to Riga."""

    def rows(draw: np.random.Generator, size: int) -> dict[str, Any]:
        table = steady_rows(draw, size)
        for name, move in moves.items():
            if name == "city":
                moved = draw.random(size) < move
                table["city"] = np.where(moved, "Riga", table["city"])
            else:
                table[name] = table[name] + move
        return table

    return rows


@pytest.fixture(scope="module")
def profile() -> Profile:
    """Return a baseline of independent rows, 14 a minute for a day."""
    draw = np.random.default_rng(0)
    return build_profile(steady_rows(draw, ROWS), times=np.sort(draw.random(ROWS)) * 86_400)


@dataclass
class Monitor:
    """A monitor that is given one tick after the other."""

    profile: Profile
    spec: ModelMonitorSpec = field(default_factory=lambda: spec_of(drift()))
    ticks: list[Tick] = field(default_factory=list)
    evidence: Evidence | None = None
    seed: int = 1

    def __post_init__(self) -> None:
        self.draw = np.random.default_rng(self.seed)

    def see(self, rows: Draw, size: int = 200, **fields: Any) -> Verdict:
        number = len(self.ticks)
        made = rows_pane(self.profile, number, rows(self.draw, size), **fields)
        return self.judge(tick(number, made, judged_revision=made.revision))

    def judge(self, one: Tick) -> Verdict:
        self.ticks.append(one)
        evaluation = self.evaluate()
        self.evidence = evaluation.evidence
        return evaluation.verdicts[0]

    def evaluate(self) -> Evaluation:
        return run(self.spec, self.ticks[-60:], self.profile, self.evidence)

    def until(self, rows: Draw, wanted: Callable[[Verdict], bool], most: int) -> int:
        """Return after how many ticks of such rows a verdict is as wanted."""
        for number in range(1, most + 1):
            if wanted(self.see(rows)):
                return number
        raise AssertionError(f"not within {most} ticks")


def fires(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.BREACH


def warmed(profile: Profile, **fields: Any) -> Monitor:
    monitor = Monitor(profile, **fields)
    for _ in range(10):
        assert not fires(monitor.see(steady_rows))
    return monitor


def test_nothing_fires_while_nothing_has_moved(profile: Profile) -> None:
    both = spec_of(drift("0.05", "0.02"))
    monitors = [Monitor(profile, spec=both, seed=seed) for seed in range(3)]
    verdicts = [monitor.see(steady_rows) for _ in range(120) for monitor in monitors]
    assert {verdict.outcome for verdict in verdicts} == {Outcome.NO_BREACH}
    assert verdicts[-1].message == (
        "no evidence of a shift in 3 columns; tolerated: 0.05 critical, 0.02 warning; 1600 rows; "
        "the baseline had few rows for its time; in 64 ticks rows looked independent"
    )


@pytest.mark.parametrize(
    ("rows", "most"),
    [
        (shifted(age=30), 1),
        (shifted(age=-10), 2),
        (shifted(income=1.0), 2),
        (shifted(city=0.3), 3),
        (shifted(age=5), 6),
    ],
    ids=["unit change", "one sd down", "skewed up", "a category grows", "half an sd"],
)
def test_a_shift_is_found_within_a_few_panes(profile: Profile, rows: Draw, most: int) -> None:
    assert warmed(profile).until(rows, fires, most) <= most


def test_a_shift_below_the_tolerance_is_tolerated(profile: Profile) -> None:
    monitor = warmed(profile, spec=spec_of(drift("0.1")))
    assert not any(fires(monitor.see(shifted(age=1.5, city=0.05))) for _ in range(100))


def test_severity_is_the_size_of_the_shift(profile: Profile) -> None:
    small = warmed(profile, spec=spec_of(drift("0.3", "0.05")))
    small.until(shifted(age=5), fires, 10)
    found = small.see(shifted(age=5))
    assert (found.level, found.threshold) == (Level.WARNING, "0.3 critical, 0.05 warning")
    large = warmed(profile, spec=spec_of(drift("0.3", "0.05")))
    large.until(shifted(age=30), fires, 10)
    assert large.see(shifted(age=30)).level is Level.CRITICAL


def test_the_message_names_the_columns_and_how_much_moved(profile: Profile) -> None:
    monitor = warmed(profile)
    found = [monitor.see(shifted(age=30, city=0.4)) for _ in range(4)][-1]
    assert [finding.column for finding in found.findings] == ["age", "city"]
    assert found.findings[0].value == pytest.approx(0.87, abs=0.05)
    assert found.message.startswith("moved share: age 0.8")
    assert found.value == found.findings[0].value


def test_missing_values_are_no_drift(profile: Profile) -> None:
    def holes(draw: np.random.Generator, size: int) -> dict[str, Any]:
        table = steady_rows(draw, size)
        table["age"][draw.random(size) < 0.5] = np.nan
        return table

    monitor = warmed(profile)
    assert not any(fires(monitor.see(holes)) for _ in range(30))


def test_values_below_a_minimum_that_most_rows_have_are_seen() -> None:
    draw = np.random.default_rng(0)
    rain = {"x": np.where(draw.random(ROWS) < 0.95, 0.0, draw.random(ROWS))}
    monitor = Monitor(build_profile(rain))
    for _ in range(5):
        monitor.see(lambda _, size: {"x": np.zeros(size)})
    assert fires(monitor.see(lambda _, size: {"x": np.full(size, -1.0)}))


def test_an_alert_ends_soon_after_a_shift_however_long_it_lasted(profile: Profile) -> None:
    monitor = warmed(profile)
    for _ in range(100):
        monitor.see(shifted(age=30))
    assert fires(monitor.see(shifted(age=30)))

    def over(verdict: Verdict) -> bool:
        return verdict.outcome is Outcome.NO_BREACH and verdict.recovered

    assert monitor.until(steady_rows, over, 10) <= 10
    assert not any(fires(monitor.see(steady_rows)) for _ in range(30))
    # One more than at first: that a column may move so much is part of what was learned of it.
    assert monitor.until(shifted(age=30), fires, 3) <= 3


def test_rows_that_come_in_batches_do_not_fire_if_they_did_so_before() -> None:
    def batches(draw: np.random.Generator, size: int) -> dict[str, Any]:
        return {"x": np.repeat(draw.standard_normal(size // 10), 10)}

    draw = np.random.default_rng(0)
    times = np.repeat(np.sort(draw.random(ROWS // 10)) * 86_400, 10)
    monitor = Monitor(build_profile(batches(draw, ROWS), times=times), spec=spec_of(drift("0.01")))
    assert not any(fires(monitor.see(batches)) for _ in range(100))


@dataclass
class Weather:
    """A mean that wanders, as AR(1) with a correlation time of 50 minutes."""

    draw: np.random.Generator
    mean: float = 0.0

    def minute(self, size: int, shift: float = 0.0) -> dict[str, Any]:
        keep = np.exp(-1 / 50)
        self.mean = keep * self.mean + 0.5 * np.sqrt(1 - keep**2) * self.draw.standard_normal()
        return {"x": self.mean + shift + self.draw.standard_normal(size)}


@pytest.mark.parametrize("kept", [1, 20], ids=["every row", "one row in 20"])
def test_what_wanders_by_itself_does_not_fire_but_a_unit_change_does(kept: int) -> None:
    weather = Weather(np.random.default_rng(3))
    minutes = [weather.minute(100)["x"][::kept] for _ in range(3000)]
    times = np.repeat(np.arange(len(minutes)) * 60.0, len(minutes[0]))
    times += np.tile(np.arange(len(minutes[0])) * 60.0 / len(minutes[0]), len(minutes))
    built = build_profile({"x": np.concatenate(minutes)}, times=times)
    assert built.columns[0].phi > 50 / kept
    monitor = Monitor(built, spec=spec_of(drift("0.02")))
    assert not any(fires(monitor.see(lambda _, size: weather.minute(size))) for _ in range(400))
    assert monitor.until(lambda _, size: weather.minute(size, shift=20), fires, 3) <= 3


def test_without_times_dependence_is_learned_and_the_verdict_says_so() -> None:
    built = build_profile(steady_rows(np.random.default_rng(0), ROWS))
    monitor = warmed(built)
    assert monitor.see(steady_rows).message.endswith(
        "; the baseline had no times, so rows are taken for independent until 64 ticks were seen "
        "(11 so far)"
    )
    for _ in range(60):
        assert not fires(monitor.see(steady_rows))
    assert monitor.see(steady_rows).message.endswith(
        "; the baseline had no times; in 64 ticks rows looked independent"
    )


def test_what_is_learned_of_wandering_rows_ends_false_alarms() -> None:
    weather = Weather(np.random.default_rng(3))
    draw = np.random.default_rng(4)
    built = build_profile({"x": draw.standard_normal(ROWS) * 1.12})
    monitor = Monitor(built, spec=spec_of(drift("0.05")))
    fired = [fires(monitor.see(lambda _, size: weather.minute(size))) for _ in range(1100)]
    assert any(fired[:200])
    assert not any(fired[-70:])
    assert "rows were worth one independent row" in monitor.see(steady_x).message
    assert monitor.until(lambda _, size: weather.minute(size, shift=20), fires, 300) <= 300


def steady_x(draw: np.random.Generator, size: int) -> dict[str, Any]:
    return {"x": draw.standard_normal(size)}


def test_a_small_baseline_is_believed_as_far_as_it_goes() -> None:
    few = build_profile(steady_rows(np.random.default_rng(0), 150))
    monitor = Monitor(few, spec=spec_of(drift("0.02")))
    assert not any(fires(monitor.see(steady_rows)) for _ in range(60))


def test_the_alarm_level_is_shared_by_the_columns_of_all_drift_metrics(profile: Profile) -> None:
    one = {**drift(), "name": "one"}
    alone = Monitor(profile, spec=spec_of(one))
    shared = Monitor(profile, spec=spec_of(one, *({**drift(), "name": f"m{k}"} for k in range(30))))
    for _ in range(4):
        alone.see(steady_rows)
        shared.see(steady_rows)
    assert alone.until(shifted(age=4), fires, 60) <= shared.until(shifted(age=4), fires, 60)


def test_judging_a_tick_again_adds_no_evidence(profile: Profile) -> None:
    monitor = warmed(profile)
    monitor.see(shifted(age=5))
    once = monitor.evidence
    for _ in range(20):
        monitor.evidence = monitor.evaluate().evidence
    assert monitor.evidence == once


def test_evidence_is_the_same_whether_ticks_come_one_by_one_or_all_at_once(
    profile: Profile,
) -> None:
    monitor = Monitor(profile)
    for number in range(40):
        monitor.see(shifted(age=5) if number > 35 else steady_rows)
    at_once = run(monitor.spec, monitor.ticks, profile, None)
    assert at_once.evidence == monitor.evidence


def test_a_late_pane_enters_windows_but_not_evidence(profile: Profile) -> None:
    monitor = warmed(profile)
    before = monitor.evidence
    late = rows_pane(profile, 5, shifted(age=30)(monitor.draw, 5000), boot="late")
    old = monitor.ticks[5]
    monitor.ticks[5] = tick(5, *old.panes, late)
    assert monitor.evaluate().evidence == before
    assert monitor.evaluate().verdicts[0].samples > 5000


def test_a_pane_that_is_read_twice_counts_once(profile: Profile) -> None:
    monitor, twin = Monitor(profile), Monitor(profile)
    for number in range(5):
        made = rows_pane(profile, number, shifted(age=5)(monitor.draw, 200))
        monitor.judge(tick(number, made))
        twin.judge(tick(number, made, made))
    assert monitor.evidence == twin.evidence


def test_a_tick_that_was_hardly_observed_is_no_evidence(profile: Profile) -> None:
    monitor = warmed(profile)
    found = monitor.see(shifted(age=30), copiedBytes=100)
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "PartialObservation")
    assert not fires(monitor.see(steady_rows))


def test_a_new_baseline_starts_afresh(profile: Profile) -> None:
    monitor = warmed(profile)
    monitor.until(shifted(age=30), fires, 2)
    draw = np.random.default_rng(9)
    monitor.profile = build_profile(shifted(age=30)(draw, ROWS))
    waiting = monitor.evaluate().verdicts[0]
    assert (waiting.outcome, waiting.reason) == (Outcome.UNKNOWN, "WarmingUp")
    assert monitor.see(shifted(age=30), 100).reason == "WarmingUp"
    assert monitor.see(shifted(age=30)).outcome is Outcome.NO_BREACH


def test_a_new_revision_starts_afresh(profile: Profile) -> None:
    monitor = warmed(profile)
    found = monitor.see(steady_rows, 100, revision="two")
    assert found.reason == "WarmingUp"
    assert monitor.see(steady_rows, 200, revision="two").outcome is Outcome.NO_BREACH


def test_too_few_rows_are_neither_healthy_nor_drift(profile: Profile) -> None:
    monitor = warmed(profile)
    trickle = [monitor.see(steady_rows, 2) for _ in range(61)]
    assert trickle[0].outcome is Outcome.NO_BREACH
    found = trickle[-1]
    assert (found.outcome, found.reason) == (Outcome.UNKNOWN, "TooFewSamples")


def test_a_column_without_values_to_compare_is_unknown() -> None:
    built = build_profile({"note": [f"text {number}" for number in range(3000)]})
    note = msgspec.structs.replace(built.columns[0], cuts=[], cells=[])
    monitor = Monitor(msgspec.structs.replace(built, columns=[note]))
    found = monitor.see(lambda _, size: {"note": ["a"] * size})
    assert found.reason == "ColumnKindUnsupported"


def texts(longest: int) -> Draw:
    def rows(draw: np.random.Generator, size: int) -> dict[str, Any]:
        lengths = draw.integers(10, longest, size)
        return {"note": [f"{draw.integers(10**9):09}" + "x" * length for length in lengths]}

    return rows


def test_text_that_becomes_longer_drifts() -> None:
    built = build_profile(texts(100)(np.random.default_rng(0), 20_000))
    monitor = Monitor(built)
    calm = [monitor.see(texts(100), 500) for _ in range(20)]
    assert {verdict.outcome for verdict in calm} == {Outcome.NO_BREACH}
    found = [monitor.see(texts(150), 500) for _ in range(20)][-1]
    assert found.outcome is Outcome.BREACH
    assert [finding.column for finding in found.findings] == ["note"]
    assert found.message.startswith("moved share: length of note 0.")


def test_a_collector_that_does_not_count_lengths_yet_is_no_evidence() -> None:
    built = build_profile(
        {**texts(100)(np.random.default_rng(0), 5000), "x": np.arange(5000) % 100}
    )
    monitor = Monitor(built)
    outcomes = set()
    for number in range(5):
        made = rows_pane(built, number, {"note": ["a" * 500] * 500, "x": np.arange(500) % 100})
        note = msgspec.structs.replace(made.columns["note"], cells=[])
        older = msgspec.structs.replace(made, columns={**made.columns, "note": note})
        outcomes.add(monitor.judge(tick(number, older)).outcome)
    assert outcomes == {Outcome.NO_BREACH}


def test_panes_of_a_broken_collector_are_not_believed(profile: Profile) -> None:
    monitor = warmed(profile)
    other = build_profile({name: [1.0, 2.0] for name in ("age", "income", "city")})
    odd = rows_pane(other, 10, {name: [1.0] * 200 for name in ("age", "income", "city")})
    lying = rows_pane(
        profile,
        10,
        steady_rows(monitor.draw, 10),
        columns=odd.columns,
        baselineDigest=digest(profile),
    )
    assert monitor.judge(tick(10, lying)).outcome is Outcome.UNKNOWN


def test_slow_traffic_is_judged_by_as_many_ticks_as_a_shift_is_measured_on() -> None:
    spec = spec_of(drift("0.1"), interval="1h")
    assert lookback(spec) == 8 * 3600.0
