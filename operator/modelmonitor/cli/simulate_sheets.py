"""What a simulation says, as tables of text: alarms in time, what each threshold did, what fits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.api.v1alpha1.thresholds import ValueRange
from modelmonitor.cli.simulate import Simulation
from modelmonitor.core.judging.judgement import words_of
from modelmonitor.core.judging.thresholds import SIGNS
from modelmonitor.core.replay.suggestion import (
    MONTH,
    Span,
    Suggestion,
    Use,
    suggest,
    unexpected,
    uses,
    usual_seconds,
)
from modelmonitor.core.replay.track import WORST_COLUMNS, Alarm, Phase, Track
from modelmonitor.core.times import parse_time

TOLD_ALARMS: Final = 12
"""Alarms of one metric that are told one by one."""
SELDOM: Final = 0.5
"""Share of the ticks below which it is told why a metric is not judged more often."""
NONE: Final = "-"
MINUTE: Final = 60.0
HOUR: Final = 3600.0
DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A table of text.

    Attributes
    ----------
    title
        What it is about.
    headings
        One a column; those of columns of numbers end with a space.
    rows
        As many texts each; a severity stands alone in its cell.
    nothing
        What is said where there are no rows.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    nothing: str = NONE


class TimeFormat:
    """Writes times in one zone, with seconds only where ticks are shorter than a minute."""

    def __init__(self, zone: tzinfo, name: str, interval: float) -> None:
        self.place = zone
        """The zone."""
        self.zone = name
        """Its name."""
        self._format = "%Y-%m-%d %H:%M:%S" if interval < MINUTE else "%Y-%m-%d %H:%M"

    def moment(self, seconds: float) -> str:
        """Return seconds since the epoch as date and time."""
        return datetime.fromtimestamp(seconds, self.place).strftime(self._format)


def clock_of(found: Simulation) -> TimeFormat:
    """Return how times of a simulation are written."""
    zone = found.request.zone
    return TimeFormat(zone or UTC, "UTC" if zone is None else zone.key, found.history.interval)


def headline(found: Simulation) -> str:
    """Return what was replayed, in one line."""
    history, clock = found.history, clock_of(found)
    return (
        f"{found.rows:,} rows, {clock.moment(history.first)} to {clock.moment(history.last)} "
        f"{clock.zone}, {history.ticks:,} ticks of {words_of(history.interval)}, "
        f"{history.filled:,} with rows"
    )


def length(seconds: float) -> str:
    """Return a duration for people: `90s`, `5m`, `3.5h`, `12d`."""
    for size, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.0f}s"


def bound_of(metric: Metric, severity: Severity) -> str:
    """Return what a severity of a metric is declared with: `> 0.25`, or `tolerates 0.05`."""
    name = severity.value.lower()
    if metric.drift is not None:
        return f"tolerates {getattr(metric.drift.tolerance, name)}"
    if metric.threshold is None:
        return NONE
    sign = SIGNS[metric.threshold.operator]
    bounds = getattr(metric.threshold, f"{name}_range")
    if isinstance(bounds, ValueRange):
        return f"{sign} {bounds.low} to {bounds.high}"
    return f"{sign} {getattr(metric.threshold, name)}"


def alarms_sheet(found: Simulation) -> Sheet:
    """Return the alarms in time."""
    told = [row for track in found.history.tracks for row in _told(found, track)]
    return Sheet(
        title="Alarms",
        headings=("METRIC", "SEVERITY", "BEGAN", "LASTED", "WORST", "WHY"),
        rows=[
            _alarm_row(found, alarm, notes)
            for alarm, notes in sorted(told, key=lambda each: each[0].began)
        ],
        nothing="none",
    )


def _alarm_row(found: Simulation, alarm: Alarm, notes: Sequence[str]) -> list[str]:
    lasted = length((alarm.ended or found.history.last) - alarm.began)
    return [
        alarm.metric,
        alarm.severity.value,
        clock_of(found).moment(alarm.began),
        lasted if alarm.ended is not None else f"{lasted}, goes on",
        NONE if alarm.value is None else f"{alarm.value:.3g}",
        "; ".join([_why(alarm), *notes]),
    ]


def _why(alarm: Alarm) -> str:
    columns = [f"{each.column} {each.value:.2g}" for each in alarm.columns if each.value]
    return ", ".join(columns) or alarm.message


def _told(found: Simulation, track: Track) -> Iterator[tuple[Alarm, list[str]]]:
    """Yield the alarms of a metric that are told one by one, and what is to be said of each."""
    surprising = unexpected(track, found.history, found.request.incidents)
    more = len(track.alarms) - TOLD_ALARMS
    for number, alarm in enumerate(track.alarms[:TOLD_ALARMS], start=1):
        notes = [] if alarm in surprising else ["known incident"]
        if number == TOLD_ALARMS and more:
            notes.append(f"{more} more alarms of {track.metric.name} until the end")
        yield alarm, notes


def metrics_sheet(found: Simulation) -> Sheet:
    """Return what each metric did."""
    return Sheet(
        title="Metrics",
        headings=(
            *("METRIC", "TYPE", "TICKS ", "JUDGED ", "WARNING ", "CRITICAL "),
            *("SMALLEST ", "LARGEST ", "UNKNOWN, MOSTLY"),
        ),
        rows=[_metric_row(track) for track in found.history.tracks],
    )


def _metric_row(track: Track) -> list[str]:
    values = track.values[np.isfinite(track.values)]
    return [
        track.metric.name,
        track.metric.type.value,
        f"{track.ticks:,}",
        f"{track.judged / max(1, track.ticks):.1%}",
        _share(track.share(Phase.WARNING)),
        _share(track.share(Phase.CRITICAL)),
        f"{values.min():.3g}" if values.size else NONE,
        f"{values.max():.3g}" if values.size else NONE,
        _unknown(track),
    ]


def _share(share: float) -> str:
    return f"{share:.1%}" if share else NONE


def _unknown(track: Track) -> str:
    if not track.reasons:
        return NONE
    reason = max(track.reasons, key=lambda name: (track.reasons[name], name))
    return f"{reason} {track.reasons[reason] / track.ticks:.1%}"


def thresholds_sheet(found: Simulation) -> Sheet:
    """Return what each severity did, and which threshold would have kept to the budget."""
    rows = []
    for track in found.history.tracks:
        fitting = suggest(
            track, found.history, found.request.monitor.spec.drift, found.request.incidents
        )
        rows += [
            [
                track.metric.name,
                use.severity.value,
                bound_of(track.metric, use.severity),
                _fired(track, use),
                f"{use.per_month:.2g}",
                f"{use.at_most:.2g}",
                _fitting(fitting, use.severity),
            ]
            for use in uses(track, found.history, found.request.incidents)
        ]
    return Sheet(
        title="Thresholds",
        headings=(
            *("METRIC", "SEVERITY", "DECLARED", "FIRED", "ALARMS A MONTH ", "AT MOST "),
            "WOULD HAVE FITTED",
        ),
        rows=rows,
    )


def _fired(track: Track, use: Use) -> str:
    if not track.judged:
        return "never judged"
    if use.never:
        return "never"
    return "always" if use.always else f"{use.share:.2%} of the time"


def _fitting(fitting: Iterable[Suggestion], severity: Severity) -> str:
    for each in fitting:
        if not each.field.startswith(severity.value.lower()):
            continue
        if not each.value:
            return "none: a column moved altogether"
        if not each.allowed:
            return f"{each.value}, never exceeded"
        times = "once" if each.allowed == 1 else f"{each.allowed} times"
        return f"{each.value}, exceeded at most {times}"
    return NONE


def expectations(found: Simulation) -> list[str]:
    """Return what false alarms are to be expected, as sentences."""
    history, incidents = found.history, found.request.incidents
    sentences = []
    if any(track.metric.drift is not None for track in history.tracks):
        between = found.request.monitor.spec.drift.false_alarm_interval
        warnings, criticals = (
            MONTH / parse_duration(each) for each in (between.warning, between.critical)
        )
        sentences.append(
            f"By their budget, all drift metrics together: at most {warnings:.2g} Warnings and "
            f"{criticals:.2g} Criticals a month."
        )
        sentences += _left_out_in_turn(found)
    others = [track for track in history.tracks if track.metric.drift is None]
    if others:
        sentences.append(
            "Other metrics, if all of this history but known incidents was usual: "
            + "; ".join(_rate(track, found) for track in others)
            + "."
        )
    sentences += _in_own_time(found)
    usual = usual_seconds(history, incidents)
    if usual < MONTH:
        sentences.append(
            f"The history is {length(usual)} long, so alarms a month are extrapolated; AT MOST is "
            "what it cannot rule out (95 %)."
        )
    return sentences


def _left_out_in_turn(found: Simulation) -> list[str]:
    """Return what the baseline knows of itself: how its parts are judged by all the others."""
    alarms = found.request.profile.expectedAlarms
    if alarms is None:
        return []
    weeks = MONTH / (7 * DAY)
    often = f"{alarms.warning * weeks:.2g} Warnings and {alarms.critical * weeks:.2g} Criticals"
    columns = f", in {', '.join(alarms.columns[:WORST_COLUMNS])}" if alarms.columns else ""
    basis = f"{alarms.days:.3g} days, ticks of {words_of(alarms.interval)}"
    judged = "Drift with default tolerances, each part of the baseline judged by the others"
    return [f"{judged}: {often} a month{columns} ({basis})."]


def _rate(track: Track, found: Simulation) -> str:
    rates = []
    for use in uses(track, found.history, found.request.incidents):
        often = "always" if use.always else f"{use.per_month:.2g} times"
        rates.append(f"{often} {use.severity.value}")
    return f"{track.metric.name} {', '.join(reversed(rates))}"


def _in_own_time(found: Simulation) -> list[str]:
    """Return how often anything alarmed in the time that the baseline was built from."""
    profile, history = found.request.profile, found.history
    if not profile.firstTime or not profile.lastTime:
        return []
    begin = max(parse_time(profile.firstTime), history.first)
    end = min(parse_time(profile.lastTime), history.last)
    if begin >= end:
        return []
    own = Span(begin, end)
    alarms = [
        alarm
        for track in history.tracks
        for alarm in unexpected(track, history, found.request.incidents)
        if own.touches(alarm.began, alarm.began + history.interval)
    ]
    began = f"{len(alarms)} alarms began" if len(alarms) != 1 else "1 alarm began"
    own_time = f"the {length(end - begin)} of the baseline's own time"
    return [f"{began} in {own_time}: false by definition, and other usual times bring more."]


def notes(found: Simulation) -> list[str]:
    """Return sentences about what weakens the simulation."""
    return [*_rarely_judged(found.history.tracks), *found.notes]


def _rarely_judged(tracks: Iterable[Track]) -> list[str]:
    found = []
    for track in tracks:
        if track.judged > SELDOM * track.ticks:
            continue
        reason = max(track.reasons, key=lambda name: (track.reasons[name], name))
        found.append(
            f"{track.metric.name} could be judged at {track.judged / track.ticks:.1%} of the ticks "
            f"only, mostly because of {reason}: {track.examples[reason]}"
        )
    return found
