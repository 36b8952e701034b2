"""Pictures of a simulation: one metric a panel, its alarms shaded, over one axis of time.

The colours are those of Okabe and Ito (2008), which people with any colour vision can tell apart;
severities also differ in hatching, and lines in their dashes.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogFormatterSciNotation
from numpy.typing import NDArray

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.metrics import Metric, MetricType
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.cli.simulate import Simulation
from modelmonitor.cli.simulate_sheets import clock_of, headline
from modelmonitor.core.judging.verdict import Level
from modelmonitor.core.replay.suggestion import Span
from modelmonitor.core.replay.track import Alarm, Phase, Track

WIDTH: Final = 12.0
PANEL: Final = 1.9
"""Height of a panel, inches."""
HEAD: Final = 1.25
"""Height of title and legend, inches."""
MOST_POINTS: Final = 1500
"""Points of a line; where there are more ticks, each stands for the lowest to the highest value."""
SHIFT_POINTS: Final = 250
"""Points of a column's moved share, each the largest of some ticks."""
LEAST_STRENGTH: Final = 1e-4
"""Evidence below this part of what alarms is drawn here."""
DAY: Final = 86_400.0

INK: Final = "#333333"
BLUE: Final = "#0072B2"
GREEN: Final = "#009E73"
PURPLE: Final = "#AA4499"
ORANGE: Final = "#E69F00"
VERMILION: Final = "#D55E00"
GREY: Final = "#B8B8B8"

_SEVERITY: Final = {Severity.WARNING: ORANGE, Severity.CRITICAL: VERMILION}
_COLUMNS: Final = ((BLUE, "-"), (GREEN, "--"), (PURPLE, "-."))
_UNITS: Final = {
    MetricType.REQUEST_RATE: "requests a second",
    MetricType.DRIFT: "moved share",
    MetricType.DATA_QUALITY: "share of the rows",
}

Floats = NDArray[np.float64]


class Thinned(NamedTuple):
    """A line that is short enough to draw."""

    days: Floats
    """Times as matplotlib counts them."""
    low: Floats
    high: Floats


def picture(found: Simulation) -> Figure:
    """Return one figure with every metric."""
    panels = sum(_panels(track) for track in found.history.tracks)
    figure = Figure(figsize=(WIDTH, HEAD + PANEL * panels + 0.4), layout="constrained")
    # An empty title keeps the place in which the two lines stand.
    figure.suptitle("\n\n", fontsize=12)
    _draw(figure, found, found.history.tracks)
    name, what = found.request.monitor.metadata.name, headline(found)
    high = figure.get_figheight()
    figure.text(0.01, 1 - 0.34 / high, name, fontsize=15, fontweight="bold", color=INK)
    figure.text(0.01, 1 - 0.58 / high, what, fontsize=9, color="#666666")
    return figure


def metric_picture(found: Simulation, track: Track) -> Figure:
    """Return a figure of one metric."""
    figure = Figure(figsize=(WIDTH, 0.8 + PANEL * _panels(track)), layout="constrained")
    _draw(figure, found, [track])
    return figure


def thinned(ends: Floats, values: Floats, interval: float, most: int = MOST_POINTS) -> Thinned:
    """Return the lowest and highest value of each of at most `most` stretches of ticks.

    Parameters
    ----------
    ends
        Increasing, seconds since the epoch, shape `(n_ticks,)`.
    values
        NaN where there is none, shape `(n_ticks,)`. A stretch without values is a gap.
    interval
        Seconds; ticks further apart than this have a gap between them.
    most
        Points.
    """
    jumps = np.flatnonzero(np.diff(ends) > 1.5 * interval) + 1
    times = np.insert(ends, jumps, ends[jumps] - interval)
    shown = np.insert(values, jumps, np.nan)
    size = -(-times.size // most)
    starts = np.arange(0, times.size, max(1, size))
    low = np.minimum.reduceat(np.where(np.isnan(shown), np.inf, shown), starts)
    high = np.maximum.reduceat(np.where(np.isnan(shown), -np.inf, shown), starts)
    low[np.isinf(low)] = high[np.isinf(high)] = np.nan
    return Thinned(np.asarray(times[starts] / DAY), low, high)


def _panels(track: Track) -> int:
    return 2 if track.metric.drift is not None else 1


def _draw(figure: Figure, found: Simulation, tracks: Sequence[Track]) -> None:
    panels = sum(_panels(track) for track in tracks)
    axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0]
    row: Iterator[Axes] = iter(axes)
    for track in tracks:
        value = next(row)
        _value_panel(value, found, track)
        if track.metric.drift is not None:
            _evidence_panel(next(row), found, track)
    _time_axis(axes[-1], found)
    figure.legend(
        handles=_legend(found),
        loc="outside upper right",
        ncols=6,
        frameon=False,
        fontsize=8.5,
        labelcolor=INK,
    )


def _value_panel(axes: Axes, found: Simulation, track: Track) -> None:
    _prepare(axes, found, track, f"{track.metric.name}", _unit(track.metric))
    if track.metric.drift is not None and track.moved:
        for (name, shares), (colour, dashes) in zip(track.moved.items(), _COLUMNS, strict=False):
            # What moved stands out in some ticks and not in others: the largest of a stretch tells.
            line = thinned(track.ends, shares, found.history.interval, SHIFT_POINTS)
            axes.plot(
                line.days, line.high, color=colour, linestyle=dashes, linewidth=1.3, label=name
            )
        axes.legend(loc="upper left", fontsize=8, frameon=False, ncols=3, labelcolor=INK)
    else:
        _line(axes, track, track.values, found.history.interval, BLUE, "-")
    bounds = list(_bounds(track.metric))
    _scale(axes, track, [bound for _, bound in bounds])
    for severity, bound in bounds:
        _threshold(axes, bound, severity)
    _label(axes, sorted({bound for _, bound in bounds}))


def _evidence_panel(axes: Axes, found: Simulation, track: Track) -> None:
    _prepare(axes, found, track, "", "evidence")
    axes.set_yscale("log")
    for level, strength in track.strength.items():
        shown = np.maximum(strength, LEAST_STRENGTH)
        dashes = "-" if level is Level.CRITICAL else "--"
        colour = _SEVERITY[Severity(level.value)]
        _line(axes, track, shown, found.history.interval, colour, dashes)
    axes.axhline(1.0, color=INK, linewidth=1.0, linestyle=":")
    axes.annotate(
        "alarms above",
        (1.005, 1.0),
        xycoords=("axes fraction", "data"),
        va="center",
        fontsize=8,
        color=INK,
        annotation_clip=False,
    )
    highest = max((float(each.max(initial=0.0)) for each in track.strength.values()), default=0.0)
    axes.set_ylim(LEAST_STRENGTH / 2, max(30.0, 3 * highest))
    axes.yaxis.set_major_formatter(LogFormatterSciNotation(labelOnlyBase=True))


def _prepare(axes: Axes, found: Simulation, track: Track, title: str, unit: str) -> None:
    """Draw what every panel has: its name, its alarms, and when nothing could be said."""
    if title:
        axes.set_title(title, loc="left", fontsize=11, fontweight="bold", color=INK)
    axes.set_ylabel(unit, fontsize=8.5, color=INK)
    axes.tick_params(labelsize=8.5, colors=INK)
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for span in found.request.incidents:
        _bracket(axes, span)
    for alarm in track.alarms:
        _shade(axes, alarm, found.history.last, found.history.interval)
    for begin, end in _unknown_spans(track, found.history.interval):
        axes.axvspan(begin / DAY, end / DAY, ymax=0.045, color=GREY, linewidth=0)
    axes.set_xlim(found.history.first / DAY, found.history.last / DAY)


def _shade(axes: Axes, alarm: Alarm, last: float, interval: float) -> None:
    begin, end = alarm.began - interval, (alarm.ended or last) - interval * bool(alarm.ended)
    critical = alarm.severity is Severity.CRITICAL
    shade = axes.axvspan(
        begin / DAY,
        max(end, alarm.began) / DAY,
        facecolor=_SEVERITY[alarm.severity],
        edgecolor=_SEVERITY[alarm.severity],
        alpha=0.22,
        hatch="//" if critical else None,
        linewidth=0,
    )
    shade.set_hatch_linewidth(0.6)


def _bracket(axes: Axes, span: Span) -> None:
    axes.axvspan(span.begin / DAY, span.end / DAY, ymin=0.955, color=INK, linewidth=0, zorder=4)


def _line(
    axes: Axes,
    track: Track,
    values: Floats,
    interval: float,
    colour: str,
    dashes: str,
) -> None:
    line = thinned(track.ends, values, interval)
    axes.plot(line.days, line.high, color=colour, linestyle=dashes, linewidth=1.2)
    if np.nanmax(line.high - line.low, initial=0.0) > 0:
        axes.fill_between(line.days, line.low, line.high, color=colour, alpha=0.3, linewidth=0)


def _threshold(axes: Axes, bound: float, severity: Severity) -> None:
    colour = _SEVERITY[severity]
    dashes = "-" if severity is Severity.CRITICAL else (0, (6, 3))
    axes.axhline(bound, color=colour, linewidth=1.2, linestyle=dashes)


def _label(axes: Axes, bounds: Sequence[float]) -> None:
    """Write thresholds beside their lines, far enough from each other to be read."""
    low, high = axes.get_ylim()
    least, place = 0.09 * (high - low), -np.inf
    for bound in bounds:
        place = max(bound, place + least)
        axes.annotate(
            f"{bound:g}",
            (1.005, place),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=8,
            color=INK,
            annotation_clip=False,
        )


def _bounds(metric: Metric) -> Iterator[tuple[Severity, float]]:
    """Yield every value at which a metric changes its severity."""
    for severity in (Severity.CRITICAL, Severity.WARNING):
        name = severity.value.lower()
        if metric.drift is not None:
            bound = getattr(metric.drift.tolerance, name)
        elif metric.threshold is not None:
            bound = getattr(metric.threshold, name)
            ranged = getattr(metric.threshold, f"{name}_range")
            if ranged is not None:
                yield severity, parse_decimal(ranged.low)
                yield severity, parse_decimal(ranged.high)
        else:
            bound = None
        if bound is not None:
            yield severity, parse_decimal(bound)


def _scale(axes: Axes, track: Track, bounds: Sequence[float]) -> None:
    """Show the values and every threshold that is not far beyond them."""
    values = track.values[np.isfinite(track.values)]
    shown = [*bounds, *([float(values.min()), float(values.max())] if values.size else [])]
    low, high = min([0.0, *shown]), max([0.0, *shown])
    room = 0.12 * (high - low) or 1.0
    axes.set_ylim(low - (room if low < 0 else 0.0), high + room)
    if not values.size:
        axes.text(
            0.5, 0.5, "never measured", transform=axes.transAxes, ha="center", color="#666666"
        )


def _unit(metric: Metric) -> str:
    if metric.distance is not None:
        return metric.distance.statistic.value
    if metric.statistic is not None:
        return f"{metric.statistic.of.value} of {metric.statistic.column}"
    return _UNITS.get(metric.type, "value")


def _unknown_spans(track: Track, interval: float) -> Iterator[tuple[float, float]]:
    """Yield the times in which nothing could be said; long silences are one span each."""
    unknown = track.phases == int(Phase.UNKNOWN)
    edges = np.diff(np.r_[False, unknown, False].astype(np.int8))
    for first, last in zip(np.flatnonzero(edges == 1), np.flatnonzero(edges == -1), strict=True):
        yield float(track.ends[first] - interval), float(track.ends[last - 1])
    for place in np.flatnonzero((np.diff(track.ends) > 1.5 * interval) & unknown[:-1]):
        yield float(track.ends[place]), float(track.ends[place + 1] - interval)


def _time_axis(axes: Axes, found: Simulation) -> None:
    clock = clock_of(found)
    locator = AutoDateLocator(tz=clock.place, minticks=5, maxticks=12)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=clock.place))
    axes.set_xlabel(f"time ({clock.zone})", fontsize=8.5, color=INK)
    begin = datetime.fromtimestamp(found.history.first, clock.place)
    end = datetime.fromtimestamp(found.history.last, clock.place)
    axes.set_xlim(float(date2num(begin)), float(date2num(end)))


def _legend(found: Simulation) -> list[Patch | Line2D]:
    shades = [
        Patch(facecolor=ORANGE, alpha=0.35, label="Warning"),
        Patch(facecolor=VERMILION, alpha=0.35, hatch="//", label="Critical"),
        Patch(facecolor=GREY, label="Unknown"),
    ]
    lines = [
        Line2D([], [], color=ORANGE, linestyle=(0, (6, 3)), label="warning threshold"),
        Line2D([], [], color=VERMILION, label="critical threshold"),
    ]
    known = [Patch(facecolor=INK, label="known incident")] if found.request.incidents else []
    return [*shades, *lines, *known]
