"""What a replayed history says about thresholds: how often they fire, and which would fit.

A suggestion is the tightest threshold, in two digits, that would have alarmed no more often than
the monitor's false-alarm interval allows. It is counted in alarms, not in ticks: values of windows
that overlap are in breach together, and people are disturbed once. So that a threshold which is
always exceeded does not pass for one alarm, each allowed alarm may last as long as the window in
which one odd moment stays. `pendingFor` and `keepFiringFor` are taken as declared. Time that is
known to have been unusual is left out.

Of Drift the tolerance is suggested above which no column moved while it alarmed. No tick would then
speak for a shift; a smaller tolerance may have been silent, too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import DriftBudget, Severity
from modelmonitor.api.v1alpha1.thresholds import LESS_OPERATORS, Operator, Threshold
from modelmonitor.core.acting.alert import Timing
from modelmonitor.core.judging.windows import reach
from modelmonitor.core.replay.playback import History
from modelmonitor.core.replay.track import Alarm, Phase, Track

MONTH: Final = 30 * 86_400.0
"""Seconds of the month in which rates are told."""
ALWAYS: Final = 0.9
"""Share of the time from which a threshold fires always."""
ALTOGETHER: Final = 0.95
"""Moved share from which no tolerance is of any use."""
CONFIDENCE: Final = 0.95
"""Probability with which the true rate of false alarms is below the bound that is told."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Span:
    """A time that is known to have been unusual, in seconds since the epoch."""

    begin: float
    end: float

    def touches(self, begin: float, end: float) -> bool:
        """Return whether a time has a part of the span in it."""
        return begin < self.end and end > self.begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """How much one severity of a metric fired.

    Attributes
    ----------
    severity
        Warning counts Critical, too.
    alarms
        Alarms outside known incidents.
    share
        Share of the ticks at which it fired, 0 to 1, of those at which it was not Unknown.
    per_month
        Alarms outside known incidents in 30 days.
    at_most
        What the true rate is below, with `CONFIDENCE`, in 30 days: the exact bound of a Poisson
        count (Garwood 1936).
    """

    severity: Severity
    alarms: int
    share: float
    per_month: float
    at_most: float

    @property
    def never(self) -> bool:
        """It did not fire once."""
        return self.share == 0

    @property
    def always(self) -> bool:
        """It fired nearly all the time."""
        return self.share >= ALWAYS


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A threshold that would have kept to the false-alarm interval.

    Attributes
    ----------
    metric
        Name of the metric.
    field
        Field of the threshold, as in the manifest: `warning`, `critical` or one of the ranges.
    value
        As the manifest would have it; empty: none would have fitted.
    between
        Seconds between alarms that are allowed.
    allowed
        Alarms that this makes in the history; 0 where the history is shorter.
    """

    metric: str
    field: str
    value: str
    between: float
    allowed: int


def declared(metric: Metric) -> tuple[Severity, ...]:
    """Return the severities with which a metric can fire, the worst first."""
    threshold = metric.threshold
    if metric.drift is not None:
        warns = metric.drift.tolerance.warning is not None
    else:
        warns = threshold is not None and threshold.declares_warning
    found = [Severity.CRITICAL] if metric.declares_critical else []
    return (*found, Severity.WARNING) if warns else tuple(found)


def unexpected(track: Track, history: History, incidents: Sequence[Span]) -> list[Alarm]:
    """Return the alarms of a metric that no known incident explains.

    An incident explains the alarms that began while it was in the metric's window.
    """
    back = _reach(track, history)
    return [
        alarm
        for alarm in track.alarms
        if not any(each.begin <= alarm.began <= each.end + back for each in incidents)
    ]


def uses(track: Track, history: History, incidents: Sequence[Span]) -> list[Use]:
    """Return how much each declared severity of a metric fired, the worst first."""
    months = max(usual_seconds(history, incidents), history.interval) / MONTH
    known = 1 - track.share(Phase.UNKNOWN)
    found = []
    for severity in declared(track.metric):
        phases = (
            (Phase.CRITICAL,) if severity is Severity.CRITICAL else (Phase.WARNING, Phase.CRITICAL)
        )
        others = unexpected(track, history, incidents)
        mine = [
            each
            for each in others
            if severity is Severity.WARNING or each.severity is Severity.CRITICAL
        ]
        found.append(
            Use(
                severity=severity,
                alarms=len(mine),
                share=track.share(*phases) / known if known else 0.0,
                per_month=len(mine) / months,
                at_most=float(gammaincinv(len(mine) + 1, CONFIDENCE)) / months,
            )
        )
    return found


def usual_seconds(history: History, incidents: Sequence[Span]) -> float:
    """Return the seconds of a history that lie in no known incident."""
    edges = sorted(
        (max(each.begin, history.first), min(each.end, history.last))
        for each in incidents
        if each.touches(history.first, history.last)
    )
    usual, until = history.seconds, history.first
    for begin, end in edges:
        usual -= max(0.0, end - max(begin, until))
        until = max(until, end)
    return usual


def suggest(
    track: Track, history: History, budget: DriftBudget, incidents: Sequence[Span]
) -> list[Suggestion]:
    """Return the tightest thresholds that would have kept to the budget.

    Parameters
    ----------
    track
        A metric; one that never had a value, or of Drift never alarmed, gets no suggestion.
    history
        The whole history.
    budget
        How rarely each severity may alarm by mistake.
    incidents
        Times whose alarms would have been right.
    """
    metric, threshold = track.metric, track.metric.threshold
    usual = _usual(track, history, incidents)
    values = track.values[usual]
    if metric.drift is not None:
        return _tolerances(track, usual)
    if threshold is None or not values.size or threshold.operator is Operator.INSIDE_RANGE:
        return []
    rarely = budget.false_alarm_interval
    found = []
    durations = {Severity.CRITICAL: rarely.critical, Severity.WARNING: rarely.warning}
    for severity, between in durations.items():
        if severity not in declared(metric):
            continue
        seconds = parse_duration(between)
        allowed = int(usual_seconds(history, incidents) / seconds)
        timing = Timing.of(metric)
        lasting = round((_reach(track, history) + timing.pending_for) / history.interval)
        allowance = _Allowance(timing, history.interval, alarms=allowed, ticks=allowed * lasting)
        value = _fitting(threshold, values, allowance)
        name = severity.value.lower()
        ranged = threshold.operator is Operator.OUTSIDE_RANGE
        if metric.is_ratio and not ranged and float(value) >= 1:
            continue
        found.append(
            Suggestion(
                metric=metric.name,
                field=f"{name}Range" if ranged else name,
                value=value,
                between=seconds,
                allowed=allowed,
            )
        )
    return found


def alarms_of(breaches: NDArray[np.bool_], timing: Timing, interval: float) -> int:
    """Return how many alarms breaches make.

    Parameters
    ----------
    breaches
        Whether each judged tick is in breach, shape `(n_ticks,)`.
    timing
        How long a breach must last, and how long it must be over.
    interval
        Seconds between ticks.
    """
    begins, ends = _lasting(breaches, timing, interval)
    if not begins.size:
        return 0
    calm = (begins[1:] - ends[:-1] - 1) * interval
    return 1 + int((calm >= timing.keep_firing_for).sum())


def _lasting(
    breaches: NDArray[np.bool_], timing: Timing, interval: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return first tick and end of every run of breaches that lasts long enough to fire."""
    edges = np.diff(np.r_[False, breaches, False].astype(np.int8))
    begins, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lasting = (ends - begins - 1) * interval >= timing.pending_for
    return begins[lasting], ends[lasting]


def _tolerances(track: Track, usual: NDArray[np.bool_]) -> list[Suggestion]:
    """Return the tolerances above which nothing moved while a Drift metric alarmed."""
    found = []
    for severity in declared(track.metric):
        least = Phase.CRITICAL if severity is Severity.CRITICAL else Phase.WARNING
        alarming = track.values[usual & (track.phases >= int(least))]
        if not alarming.size:
            continue
        largest = float(alarming.max())
        found.append(
            Suggestion(
                metric=track.metric.name,
                field=severity.value.lower(),
                value=_decimal(_above(largest)) if largest < ALTOGETHER else "",
                between=0.0,
                allowed=0,
            )
        )
    return found


def _usual(track: Track, history: History, incidents: Sequence[Span]) -> NDArray[np.bool_]:
    """Return at which ticks a metric has a value and its window touches no known incident."""
    back = _reach(track, history)
    usual = np.isfinite(track.values)
    for each in incidents:
        usual &= (track.ends <= each.begin) | (track.ends - back >= each.end)
    return usual


def _reach(track: Track, history: History) -> float:
    """Return how many seconds one odd moment stays in what a metric looks at."""
    return max(reach(track.metric, history.interval), history.interval)


@dataclass(frozen=True, slots=True)
class _Allowance:
    """How often, and how long, values may be beyond a bound."""

    timing: Timing
    interval: float
    alarms: int
    ticks: int

    def holds(self, beyond: NDArray[np.bool_]) -> bool:
        """Return whether it holds where `beyond` are the ticks in breach."""
        begins, ends = _lasting(beyond, self.timing, self.interval)
        if int((ends - begins).sum()) > self.ticks:
            return False
        return alarms_of(beyond, self.timing, self.interval) <= self.alarms


def _fitting(threshold: Threshold, values: Floats, allowance: _Allowance) -> str:
    operator = threshold.operator
    if operator is Operator.OUTSIDE_RANGE:
        side = replace(allowance, alarms=allowance.alarms // 2, ticks=allowance.ticks // 2)
        low, high = -_lowest(-values, side), _lowest(values, side)
        return f'{{low: "{_decimal(low)}", high: "{_decimal(high)}"}}'
    sign = -1.0 if operator in LESS_OPERATORS else 1.0
    bound = _lowest(sign * values, allowance)
    strict = operator in {Operator.GREATER_THAN, Operator.LESS_THAN}
    return _decimal(sign * (bound if strict else _above(bound)))


def _lowest(values: Floats, allowance: _Allowance) -> float:
    """Return the lowest bound, in two digits, above which values are no more than allowed."""
    best = math.inf
    for bound in sorted({_rounded_up(each) for each in np.unique(values).tolist()}, reverse=True):
        if not allowance.holds(values > bound):
            break
        best = bound
    return best


def _above(value: float) -> float:
    """Return the next number of two digits that is above."""
    return _rounded_up(value + max(abs(value), 1e-6) * 1e-6)


def _rounded_up(value: float) -> float:
    """Return the next number of two digits that is not below."""
    if value == 0:
        return 0.0
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.12g}")


def _decimal(value: float) -> str:
    """Return a number as the API takes it: a decimal without exponent, at most nine places."""
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
