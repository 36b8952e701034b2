"""The status never contradicts itself, keeps transition times, and stays quiet."""

from dataclasses import replace

import pytest

from modelmonitor.api.v1alpha1.conditions import ConditionType, ReadyReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.api.v1alpha1.status import (
    AlertState,
    ConditionStatus,
    MetricState,
    ModelMonitorStatus,
)
from modelmonitor.core.acting.alert import AlertRecord
from modelmonitor.core.acting.status import (
    ConditionDraft,
    JudgedMetric,
    Observations,
    compose,
    format_value,
    same_meaning,
)
from modelmonitor.core.judging.verdict import Level, Outcome, Verdict

NOW = 1_800_000_000.0
READY = ConditionDraft(
    ConditionType.READY, ConditionStatus.TRUE, ReadyReason.SUCCEEDED, "all that it needs was found"
)


def judged(
    name: str,
    state: MetricState,
    severity: Severity | None = None,
    *,
    since: float = NOW,
    policy: str = "Hold",
    value: float = 0.1,
) -> JudgedMetric:
    unknown = state in {MetricState.UNKNOWN, MetricState.NO_DATA}
    outcome = Outcome.UNKNOWN if unknown else Outcome.BREACH if severity else Outcome.NO_BREACH
    return JudgedMetric(
        Metric.model_validate(
            {
                "name": name,
                "type": "ErrorRatio",
                "noDataPolicy": policy,
                "threshold": {"operator": "GreaterThan", "critical": "0.05"},
            }
        ),
        Verdict(
            metric=name,
            outcome=outcome,
            level=Level(severity.value) if severity else None,
            recovered=severity is None,
            no_data=state is MetricState.NO_DATA,
            value=None if unknown else value,
            threshold="above 0.05",
            samples=100,
            window=60.0,
            reason="NoData" if state is MetricState.NO_DATA else "WithinThreshold",
            message=f"{name} is {value}",
        ),
        AlertRecord(metric=name, state=state, severity=severity, since=since),
    )


def status_of(*metrics: JudgedMetric, suspended: bool = False) -> ModelMonitorStatus:
    seen = Observations(generation=3, suspended=suspended, drafts=[READY], metrics=metrics, now=NOW)
    return compose(ModelMonitorStatus(), seen)


def condition(status: ModelMonitorStatus, kind: str) -> tuple[str, str]:
    (found,) = [one for one in status.conditions if one.type == kind]
    return found.status.value, found.reason


OK = judged("a", MetricState.OK)
UNKNOWN = judged("b", MetricState.UNKNOWN)
SILENT = judged("c", MetricState.NO_DATA)
PENDING = judged("d", MetricState.PENDING, Severity.CRITICAL)
WARNING = judged("e", MetricState.FIRING, Severity.WARNING)
CRITICAL = judged("f", MetricState.FIRING, Severity.CRITICAL)
RECOVERING = judged("g", MetricState.RECOVERING, Severity.CRITICAL)


@pytest.mark.parametrize(
    ("metrics", "state", "alerting"),
    [
        ((OK,), AlertState.OK, ("False", "NoBreach")),
        ((OK, PENDING), AlertState.PENDING, ("False", "Pending")),
        ((OK, PENDING, UNKNOWN), AlertState.UNKNOWN, ("Unknown", "Unknown")),
        ((OK, SILENT), AlertState.UNKNOWN, ("Unknown", "Unknown")),
        ((SILENT, SILENT), AlertState.NO_DATA, ("Unknown", "Unknown")),
        ((OK, UNKNOWN, WARNING), AlertState.WARNING, ("True", "ThresholdBreached")),
        ((WARNING, CRITICAL, SILENT), AlertState.CRITICAL, ("True", "ThresholdBreached")),
        ((OK, RECOVERING), AlertState.CRITICAL, ("True", "Recovering")),
    ],
)
def test_the_roll_up_takes_the_worst(
    metrics: tuple[JudgedMetric, ...], state: AlertState, alerting: tuple[str, str]
) -> None:
    status = status_of(*metrics)
    assert status.alert_state is state
    assert condition(status, "Alerting") == alerting


def test_ignored_silence_leaves_the_roll_up() -> None:
    silent = judged("c", MetricState.NO_DATA, policy="Ignore")
    status = status_of(OK, silent)
    assert status.alert_state is AlertState.OK
    assert condition(status, "Alerting") == ("False", "NoBreach")


def test_suspended_says_so_and_shows_no_verdict() -> None:
    status = status_of(CRITICAL, suspended=True)
    assert status.alert_state is AlertState.SUSPENDED
    assert status.metrics == []
    assert condition(status, "Suspended") == ("True", "Suspended")
    assert condition(status, "Alerting") == ("Unknown", "Suspended")


def test_a_metric_that_was_never_judged_is_unknown() -> None:
    status = status_of(JudgedMetric(OK.metric, None, None))
    assert status.alert_state is AlertState.UNKNOWN
    assert status.metrics[0].state is MetricState.UNKNOWN
    assert condition(status, "Alerting") == ("Unknown", "NotEvaluated")


def test_the_summary_counts_each_state() -> None:
    assert status_of(OK, OK, UNKNOWN, CRITICAL).summary == "2 ok, 1 unknown, 1 firing"


def test_worst_is_the_most_severe_then_the_longest_firing() -> None:
    old_warning = judged("w", MetricState.FIRING, Severity.WARNING, since=NOW - 900)
    late = judged("late", MetricState.FIRING, Severity.CRITICAL, since=NOW)
    early = judged("early", MetricState.FIRING, Severity.CRITICAL, since=NOW - 60)
    assert status_of(old_warning, late, early).worst == "early"
    assert status_of(OK).worst is None


def test_metrics_without_data_are_named() -> None:
    assert condition(status_of(OK), "MetricsAvailable") == ("True", "DataReceived")
    assert condition(status_of(OK, SILENT), "MetricsAvailable") == ("False", "NoData")


def test_transition_times_change_only_with_the_condition_status() -> None:
    first = status_of(OK)
    later = Observations(
        generation=4, suspended=False, drafts=[READY], metrics=[CRITICAL], now=NOW + 60
    )
    second = compose(first, later)
    times = {one.type: one.last_transition_time for one in second.conditions}
    before = {one.type: one.last_transition_time for one in first.conditions}
    assert times["Ready"] == before["Ready"]
    assert times["Alerting"] != before["Alerting"]
    assert {one.observed_generation for one in second.conditions} == {4}
    assert second.observed_generation == 4


def test_moving_values_are_no_change_of_meaning() -> None:
    left = status_of(judged("a", MetricState.OK, value=0.1))
    assert same_meaning(left, status_of(judged("a", MetricState.OK, value=0.2)))
    assert not same_meaning(left, status_of(judged("a", MetricState.FIRING, Severity.CRITICAL)))


def test_long_messages_are_cut_to_the_schema_maximum() -> None:
    assert CRITICAL.verdict is not None
    loud = replace(CRITICAL, verdict=replace(CRITICAL.verdict, message="x" * 5000))
    status = status_of(loud)
    assert len(status.metrics[0].message) == 1024
    ModelMonitorStatus.model_validate(status.to_wire())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.123456, "0.1235"),
        (12345.678, "12350"),
        (0.00001234, "0.00001234"),
        (1e9, "1000000000"),
        (250.0, "250"),
        (-0.5, "-0.5"),
    ],
)
def test_values_are_rounded_to_four_digits_without_exponent(value: float, text: str) -> None:
    assert format_value(value) == text
