"""False alarms a day where nothing is wrong, ours beside peers' rules on the same kinds of traffic.

Ours goes the whole way, from rows to the profile and from counts through panes to verdicts. A page
is a verdict that begins or becomes worse: what wakes somebody up. Of peers, who have no verdicts
but one answer a window, the windows with any alarm are counted; so they are of ours, beside it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.report import Bar, Bound, figure, table
from bench.statistics import poisson
from bench.statistics.ours import Watch, baseline_of, spec_of
from bench.statistics.peers import ask, asked, install
from bench.statistics.scale import Scale, in_parallel
from bench.statistics.traffic import DAY, LIVE_BEGINS, PANE, Run, Traffic, kinds
from modelmonitor.core.verdict import Level

ROWS: Final = (200, 1000, 5000)
"""Rows a window."""
PER_DAY: Final = 1 / 7 + 1 / 90
"""Pages a day that the shipped budgets of both severities allow together."""
CRITICAL_PER_DAY: Final = 1 / 90


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One kind of traffic at one rate; a part of its days."""

    kind: int
    rows: int
    part: int
    panes: int


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was said over some days."""

    days: float = 0.0
    pages: int = 0
    critical: int = 0
    windows: int = 0
    """With any alarm."""

    def __add__(self, other: "Tally") -> "Tally":
        """Return both together."""
        return Tally(
            days=self.days + other.days,
            pages=self.pages + other.pages,
            critical=self.critical + other.critical,
            windows=self.windows + other.windows,
        )


def watch(cell: Cell) -> Tally:
    """Return what ours said over a part of a cell's days."""
    random = np.random.default_rng([cell.kind, cell.rows, cell.part])
    kind = kinds()[cell.kind]
    profile = baseline_of(random, kind)
    run = Run(begins=LIVE_BEGINS, panes=cell.panes, rows=cell.rows)
    counts = kind.counts(random, profile, run)
    monitor = Watch(spec_of(PANE, kind.seasonality), profile, LIVE_BEGINS, PANE)
    levels = [
        monitor.see([[column[pane] for column in counts]]).level for pane in range(cell.panes)
    ]
    return tally(levels, cell.panes * PANE / DAY)


def tally(levels: list[Level | None], days: float) -> Tally:
    """Return how often a sequence of verdicts pages: where it begins or becomes worse."""
    grades = [{None: 0, Level.WARNING: 1, Level.CRITICAL: 2}[level] for level in levels]
    steps = list(zip([0, *grades], grades, strict=False))
    return Tally(
        days=days,
        pages=sum(now > before for before, now in steps),
        critical=sum(now == 2 and before < 2 for before, now in steps),
        windows=sum(now > 0 for now in grades),
    )


def measure(scale: Scale) -> Iterator[Bar]:
    """Yield one bar a cell, and those of all cells together."""
    traffic = kinds()
    panes = round(scale.null_days * DAY / PANE / scale.null_parts)
    cells = [
        Cell(kind=kind, rows=rows, part=part, panes=panes)
        for kind in range(len(traffic))
        for rows in ROWS
        for part in range(scale.null_parts)
    ]
    found: dict[tuple[int, int], Tally] = {}
    for cell, one in in_parallel(scale, watch, cells, "null streams, ours"):
        key = (cell.kind, cell.rows)
        found[key] = found.get(key, Tally()) + one
    lines = [
        (f"{traffic[kind].name}, n={rows}", *_words(one))
        for (kind, rows), one in sorted(found.items())
    ]
    print(table("null streams, ours", _HEAD, lines), flush=True)
    for (kind, rows), one in sorted(found.items()):
        if traffic[kind].expected_quiet:
            yield _bar(f"null_{traffic[kind].name}_n{rows}", one)
    quiet = [one for (kind, _), one in found.items() if traffic[kind].expected_quiet]
    yield from _together(sum(quiet, Tally()))
    _peers(scale, traffic)


_HEAD: Final = ("traffic", "days", "pages", "critical", "pages/day", "at most", "windows/day")


def _words(one: Tally) -> tuple[str, ...]:
    return (
        f"{one.days:g}",
        str(one.pages),
        str(one.critical),
        figure(one.pages / one.days),
        figure(poisson.most(one.pages) / one.days),
        figure(one.windows / one.days),
    )


def _bar(name: str, one: Tally) -> Bar:
    return Bar(
        name=name,
        ours=one.pages / one.days,
        unit="/day",
        bound=Bound(of="ours", operator="<=", limit=round(PER_DAY, 4)),
        notes=(
            f"days={one.days:g}",
            f"pages={one.pages}",
            f"critical={one.critical}",
            f"poisson95<={figure(poisson.most(one.pages) / one.days)}/day",
        ),
    )


def _together(one: Tally) -> Iterator[Bar]:
    """Yield the bars of all cells together, which are enough days for an upper bound."""
    for name, events, limit in (
        ("null_pages_poisson95", one.pages, PER_DAY),
        ("null_critical_poisson95", one.critical, CRITICAL_PER_DAY),
    ):
        yield Bar(
            name=name,
            ours=poisson.most(events) / one.days,
            unit="/day",
            bound=Bound(of="ours", operator="<=", limit=round(limit, 4)),
            notes=(f"days={one.days:g}", f"events={events}"),
        )


def _peers(scale: Scale, traffic: list[Traffic]) -> None:
    """Print what peers' rules say; there is nothing to hold."""
    install()
    jobs = asked(len(traffic), ROWS, scale)
    found: dict[str, dict[tuple[int, int], tuple[float, float]]] = {}
    for job, rules in in_parallel(scale, ask, jobs, "null streams, peers"):
        for rule, alarms in rules.items():
            each = alarms.any(axis=1).sum() / job.days, alarms.sum() / job.days
            found.setdefault(rule, {})[job.kind, job.rows] = each
    for kind, one in enumerate(traffic):
        lines = [
            (rule, *(_pair(cells.get((kind, rows))) for rows in ROWS))
            for rule, cells in sorted(found.items())
        ]
        title = f"null streams, peers: {one.name}: windows of 288 with an alarm / alarms, a day"
        print(table(title, ["rule", *(f"n={rows}" for rows in ROWS)], lines), flush=True)


def _pair(cell: tuple[float, float] | None) -> str:
    return "-" if cell is None else f"{figure(cell[0])} / {figure(cell[1])}"
