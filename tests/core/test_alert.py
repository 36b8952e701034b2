"""The alert state machine, step by step and over random histories."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.core.acting.alert import ALERTING, AlertRecord, Change, advance, change
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict

INTERVAL = 60.0


def metric(policy: str = "Hold", **threshold: object) -> Metric:
    return Metric.model_validate(
        {
            "name": "latency",
            "type": "Latency",
            "latency": {"quantile": "0.99"},
            "noDataPolicy": policy,
            "threshold": {
                "operator": "GreaterThan",
                "warning": "0.2",
                "critical": "0.5",
                **threshold,
            },
        }
    )


SAFE = Verdict(
    metric="latency",
    outcome=Outcome.NO_BREACH,
    level=None,
    recovered=True,
    no_data=False,
    value=0.1,
    threshold="above 0.2 s",
    samples=100,
    window=INTERVAL,
    reason="WithinThreshold",
    message="fine",
)
BAND = replace(SAFE, recovered=False, value=0.18)
WARN = replace(
    SAFE, outcome=Outcome.BREACH, level=Level.WARNING, recovered=False, value=0.3, reason="Breach"
)
CRIT = replace(WARN, level=Level.CRITICAL, value=0.9)
FEW = replace(SAFE, outcome=Outcome.UNKNOWN, recovered=False, value=None, reason="TooFewSamples")
NONE = replace(FEW, no_data=True, samples=0, reason="NoData")


def run(
    verdicts: Iterable[Verdict], declared: Metric, start: AlertRecord | None = None
) -> list[AlertRecord]:
    records: list[AlertRecord] = []
    record = start
    for step, verdict in enumerate(verdicts):
        record = advance(record, verdict, declared, now=step * INTERVAL)
        records.append(record)
    return records


def states(verdicts: Iterable[Verdict], declared: Metric) -> list[str]:
    return [record.state.value for record in run(verdicts, declared)]


def test_a_breach_without_pending_for_fires_at_once() -> None:
    assert states([SAFE, CRIT], metric()) == ["OK", "Firing"]


def test_a_breach_is_pending_until_it_has_lasted() -> None:
    assert states([SAFE, CRIT, CRIT, CRIT], metric(pendingFor="2m")) == [
        "OK",
        "Pending",
        "Pending",
        "Firing",
    ]


def test_a_pending_breach_that_ends_never_fires() -> None:
    assert states([CRIT, SAFE, CRIT, SAFE], metric(pendingFor="2m")) == [
        "Pending",
        "OK",
        "Pending",
        "OK",
    ]


def test_an_alert_ends_only_after_it_has_been_safe_long_enough() -> None:
    assert states([CRIT, SAFE, SAFE, SAFE, SAFE], metric(keepFiringFor="2m")) == [
        "Firing",
        "Recovering",
        "Recovering",
        "OK",
        "OK",
    ]


def test_values_between_threshold_and_recover_at_keep_the_alert() -> None:
    assert states([WARN, BAND, BAND, SAFE], metric(recoverAt="0.15")) == [
        "Firing",
        "Firing",
        "Firing",
        "OK",
    ]


def test_the_band_without_an_alert_is_ok() -> None:
    assert states([BAND], metric(recoverAt="0.15")) == ["OK"]


def test_a_breach_while_recovering_fires_again_without_pending() -> None:
    assert states([CRIT, CRIT, SAFE, CRIT], metric(pendingFor="1m", keepFiringFor="5m")) == [
        "Pending",
        "Firing",
        "Recovering",
        "Firing",
    ]


def test_severity_rises_when_the_critical_breach_has_lasted() -> None:
    records = run([WARN, WARN, CRIT, CRIT], metric(pendingFor="1m"))
    assert [record.severity for record in records] == [
        Severity.WARNING,
        Severity.WARNING,
        Severity.WARNING,
        Severity.CRITICAL,
    ]
    assert change(records[2], records[3]) is Change.ESCALATED


def test_a_critical_alert_eases_to_warning_only_after_keep_firing_for() -> None:
    records = run([CRIT, WARN, WARN, WARN], metric(keepFiringFor="2m"))
    assert [record.severity for record in records] == [
        Severity.CRITICAL,
        Severity.CRITICAL,
        Severity.CRITICAL,
        Severity.WARNING,
    ]
    assert change(records[2], records[3]) is Change.EASED


@pytest.mark.parametrize(("verdict", "state"), [(FEW, "Unknown"), (NONE, "NoData")])
def test_a_metric_without_verdict_is_never_ok(verdict: Verdict, state: str) -> None:
    assert states([verdict], metric()) == [state]


@pytest.mark.parametrize(("verdict", "state"), [(FEW, "Unknown"), (NONE, "NoData")])
def test_ok_becomes_unknown_after_three_ticks(verdict: Verdict, state: str) -> None:
    assert states([SAFE, verdict, verdict, verdict], metric()) == ["OK", "OK", "OK", state]


def test_a_gap_does_not_restart_a_pending_breach() -> None:
    assert states([CRIT, FEW, CRIT], metric(pendingFor="2m")) == ["Pending", "Pending", "Firing"]


def test_a_long_gap_does() -> None:
    assert states([CRIT, FEW, FEW, FEW, CRIT], metric(pendingFor="2m"))[-2:] == [
        "Unknown",
        "Pending",
    ]


def test_hold_keeps_a_firing_alert_without_data() -> None:
    assert set(states([CRIT, *[NONE] * 10], metric())) == {"Firing"}


def test_a_gap_while_recovering_starts_the_recovery_again() -> None:
    assert states([CRIT, SAFE, NONE, SAFE, SAFE, SAFE], metric(keepFiringFor="2m")) == [
        "Firing",
        "Recovering",
        "Firing",
        "Recovering",
        "Recovering",
        "OK",
    ]


def test_alert_policy_fires_on_silence_and_resolves_with_data() -> None:
    records = run([SAFE, NONE, NONE, NONE, SAFE], metric("Alert", pendingFor="2m"))
    assert [record.state.value for record in records] == ["OK", "OK", "OK", "Firing", "OK"]
    assert records[3].severity is Severity.CRITICAL
    assert change(records[3], records[4]) is Change.RESOLVED


def test_alert_policy_does_not_fire_on_too_few_samples() -> None:
    assert states([SAFE, FEW, FEW, FEW, FEW], metric("Alert"))[-1] == "Unknown"


def test_ignore_lets_even_an_alert_go_without_data() -> None:
    assert states([CRIT, NONE, NONE, NONE], metric("Ignore")) == [
        "Firing",
        "Firing",
        "Firing",
        "NoData",
    ]


def test_since_is_the_time_the_state_was_entered() -> None:
    records = run([SAFE, CRIT, CRIT, SAFE], metric())
    assert [record.since for record in records] == [0.0, 60.0, 60.0, 180.0]


ANY_VERDICT = st.sampled_from([SAFE, BAND, WARN, CRIT, FEW, NONE])
ANY_METRIC = st.builds(
    metric,
    st.sampled_from(["Hold", "Alert", "Ignore"]),
    pendingFor=st.sampled_from(["0s", "1m", "3m"]),
    keepFiringFor=st.sampled_from(["0s", "1m", "3m"]),
)


@given(st.lists(ANY_VERDICT, max_size=30), ANY_METRIC)
def test_every_alert_that_fires_was_seen_to_start_and_end(
    verdicts: list[Verdict], declared: Metric
) -> None:
    alert_on = False
    before: AlertRecord | None = None
    for record in run(verdicts, declared):
        step = change(before, record)
        if step is Change.FIRED:
            assert not alert_on
            alert_on = True
        elif step is Change.RESOLVED:
            assert alert_on
            alert_on = False
        else:
            assert alert_on == (record.state in ALERTING)
        before = record


@given(st.lists(ANY_VERDICT, min_size=1, max_size=30), ANY_METRIC, st.integers(0, 29))
def test_a_restart_from_the_stored_record_changes_nothing(
    verdicts: list[Verdict], declared: Metric, cut: int
) -> None:
    whole = run(verdicts, declared)
    at = min(cut, len(verdicts) - 1)
    stored = msgspec.msgpack.decode(msgspec.msgpack.encode(whole[at]), type=AlertRecord)
    record = stored
    for step in range(at + 1, len(verdicts)):
        record = advance(record, verdicts[step], declared, now=step * INTERVAL)
    assert record == whole[-1]


@given(st.lists(st.sampled_from([FEW, NONE]), min_size=1, max_size=20), ANY_METRIC)
def test_nothing_but_data_ever_yields_ok(verdicts: list[Verdict], declared: Metric) -> None:
    assert "OK" not in states(verdicts, declared)
