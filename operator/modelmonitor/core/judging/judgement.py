"""What every judgement shares: reasons not to judge, and verdicts written the same way."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.judging.thresholds import Comparison, compare, compare_interval, describe
from modelmonitor.core.judging.verdict import ColumnFinding, Outcome, Verdict
from modelmonitor.core.judging.windows import COVERAGE_FLOOR, Window, coverage, in_percent
from modelmonitor.core.pane.panes import Traffic
from modelmonitor.core.wire.pane import Undecodable

NAMED_COLUMNS: Final = 3
"""Columns that a message names, worst first."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a metric cannot be judged now.

    Attributes
    ----------
    reason
        The constant of the API.
    message
        One sentence with numbers.
    no_data
        Nothing was measured, so that `noDataPolicy` applies.
    """

    reason: VerdictReason
    message: str
    no_data: bool = False


@dataclass(frozen=True, slots=True)
class Measurement:
    """A metric's value over a window.

    Attributes
    ----------
    value
        In the metric's unit.
    samples
        Requests or rows behind it.
    text
        The value in words: what was measured, with unit.
    findings
        Columns behind it, worst first.
    """

    value: float
    samples: int
    text: str
    findings: tuple[ColumnFinding, ...] = ()


def unwatched(window: Window) -> Refusal | None:
    """Return why the traffic of a window was not observed well enough; None if it was."""
    last = window.ticks[-1]
    if last.replicas_wanted == 0:
        return Refusal(VerdictReason.SCALED_TO_ZERO, "the target asks for 0 replicas")
    if not any(tick.answered for tick in window.ticks):
        if not any(tick.expected for tick in window.ticks):
            return Refusal(VerdictReason.NO_DATA, "no ready pod carries a collector", no_data=True)
        return Refusal(
            VerdictReason.COLLECTOR_UNREACHABLE,
            f"none of {last.expected} collectors answered in {words_of(window.seconds)}",
            no_data=True,
        )
    seen = coverage(window.ticks)
    if seen < COVERAGE_FLOOR:
        return Refusal(
            VerdictReason.PARTIAL_OBSERVATION,
            f"{in_percent(seen)} of the traffic was observed, {in_percent(COVERAGE_FLOOR)} are "
            f"needed ({last.answered} of {last.expected} collectors answered last)",
        )
    return None


def undecoded(traffic: Traffic, decoded: float) -> Refusal | None:
    """Return why the rows of a window cannot stand for its traffic; None if they can."""
    if traffic.seen == 0:
        return Refusal(VerdictReason.NO_TRAFFIC, "there was no request", no_data=True)
    if traffic.sampled and not traffic.decoded:
        return Refusal(
            VerdictReason.BODIES_UNDECODABLE,
            f"none of {traffic.sampled} requests could be decoded{_mostly(traffic)}",
            no_data=True,
        )
    if decoded < COVERAGE_FLOOR:
        return Refusal(
            VerdictReason.PARTIAL_OBSERVATION,
            f"{in_percent(decoded)} of the sampled requests could be decoded, "
            f"{in_percent(COVERAGE_FLOOR)} are needed{_mostly(traffic)}",
        )
    return None


def _mostly(traffic: Traffic) -> str:
    reason = undecodable_reason(traffic)
    return f", mostly because of: {reason}" if reason else ""


def undecodable_reason(traffic: Traffic) -> str:
    """Return why most of the requests that did not decode did not; empty if all did.

    What a collector says is repeated only where it is one of the words that collectors know.
    """
    counts = traffic.undecodable
    reason = max(counts, key=lambda name: (counts[name], name), default="")
    return reason if not reason or reason in set(Undecodable) else "Other"


def too_few(metric: Metric, samples: int, window: Window, unit: str) -> Refusal | None:
    """Return why there is not enough to judge by; None if there is."""
    wanted = metric.threshold.min_samples if metric.threshold is not None else 1
    if not window.full:
        return Refusal(
            VerdictReason.WARMING_UP,
            f"{samples} {unit} in {words_of(window.seconds)} since data began, "
            "the window is not full yet",
        )
    if samples < wanted:
        return Refusal(
            VerdictReason.TOO_FEW_SAMPLES,
            f"{samples} {unit} in {words_of(window.seconds)}, {wanted} are needed",
            no_data=samples == 0,
        )
    return None


def unknown(
    metric: Metric,
    refusal: Refusal,
    window: Window,
    *,
    samples: int = 0,
    value: float | None = None,
) -> Verdict:
    """Return the verdict on a metric that cannot be judged."""
    return Verdict(
        metric=metric.name,
        outcome=Outcome.UNKNOWN,
        level=None,
        recovered=False,
        no_data=refusal.no_data,
        value=value,
        threshold=describe(metric.threshold) if metric.threshold is not None else "",
        samples=samples,
        window=window.seconds,
        reason=refusal.reason.value,
        message=refusal.message,
    )


def judged(
    metric: Metric, measured: Measurement, window: Window, comparison: Comparison | None = None
) -> Verdict:
    """Return the verdict on a measured value of a metric with a threshold.

    `comparison` is what holds for the value; by default what the threshold says of it.
    """
    threshold = metric.threshold
    if threshold is None:
        raise ValueError(f"metric {metric.name} has no threshold to compare with")
    if not math.isfinite(measured.value):
        refusal = Refusal(VerdictReason.NOT_A_NUMBER, f"{measured.text}: not a finite number")
        return unknown(metric, refusal, window, samples=measured.samples)
    found = comparison or compare(threshold, measured.value)
    words = describe(threshold)
    if found.level is not None:
        reason, relation = VerdictReason.BREACH, f"in breach of {words}"
    elif found.recovered:
        reason, relation = VerdictReason.WITHIN_THRESHOLD, f"threshold {words}"
    else:
        reason = VerdictReason.NOT_RECOVERED
        relation = f"threshold {words}, not yet on the safe side of {threshold.recover_at}"
    return Verdict(
        metric=metric.name,
        outcome=Outcome.NO_BREACH if found.level is None else Outcome.BREACH,
        level=found.level,
        recovered=found.recovered,
        no_data=False,
        value=measured.value,
        threshold=words,
        samples=measured.samples,
        window=window.seconds,
        reason=reason.value,
        message=f"{measured.text}, {relation}",
        findings=measured.findings,
    )


def judged_between(
    metric: Metric, measured: Measurement, low: float, high: float, window: Window
) -> Verdict:
    """Return the verdict on a value whose 95 % interval is known.

    Unknown where the interval holds a threshold: either side is possible.
    """
    threshold = metric.threshold
    if threshold is None or not math.isfinite(measured.value):
        return judged(metric, measured, window)
    comparison = compare_interval(threshold, low, high)
    if comparison is not None:
        return judged(metric, measured, window, comparison)
    refusal = Refusal(
        VerdictReason.INTERVAL_STRADDLES_THRESHOLD,
        f"{measured.text}: either side of {describe(threshold)} is possible",
    )
    return unknown(metric, refusal, window, samples=measured.samples, value=measured.value)


def words_of(seconds: float) -> str:
    """Return a duration as the API writes it, in its largest whole unit: 90s, 5m, 1h."""
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length and seconds % length == 0:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:g}s"


def named(findings: Sequence[ColumnFinding], template: str) -> str:
    """Return the worst columns for a message; `template` is formatted with each finding as `f`."""
    parts = [template.format(f=finding) for finding in findings[:NAMED_COLUMNS]]
    more = len(findings) - len(parts)
    return ", ".join(parts) + (f" and {more} more" if more > 0 else "")


def worst_first(findings: Sequence[ColumnFinding]) -> tuple[ColumnFinding, ...]:
    """Return findings ordered by evidence, then by value, then by name."""
    return tuple(sorted(findings, key=lambda each: (-each.log_evidence, -each.value, each.column)))
