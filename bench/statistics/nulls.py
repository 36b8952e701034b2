"""False alarms a day where nothing is wrong: ours, by the controller's own path.

From rows to the profile, and from counts through panes to verdicts, with the seasonality that the
builder recommends. A page is a verdict that begins or becomes worse: what wakes somebody up. What
peers' rules say of the same kinds of traffic is in `peers`: they have one answer a window, so that
windows with any alarm are counted, and of ours too.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from bench.report import Bar, Bound, figure, table
from bench.statistics import poisson
from bench.statistics.ours import Watch, baseline_of, spec_of
from bench.statistics.scale import Scale, in_parallel
from bench.statistics.traffic import DAY, LIVE_BEGINS, PANE, WINDOW_ROWS, Run, kinds
from modelmonitor.core.judging.verdict import Level

PER_DAY: Final = 1 / 7 + 1 / 90
"""Pages a day that the shipped budgets of both severities allow together."""
CRITICAL_PER_DAY: Final = 1 / 90


@dataclass(frozen=True, kw_only=True)
class Part:
    """Some days of one kind of traffic, at every rate, with one baseline."""

    kind: int
    number: int
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


def watch(part: Part) -> dict[int, Tally]:
    """Return what ours said, by rows a window."""
    random = np.random.default_rng([part.kind, part.number])
    kind = kinds()[part.kind]
    profile = baseline_of(random, kind)
    seasonality = profile.seasonality if kind.declared else "None"
    found = {}
    for rows in WINDOW_ROWS:
        run = Run(begins=LIVE_BEGINS, panes=part.panes, rows=rows)
        counts = kind.counts(random, profile, run)
        monitor = Watch(spec_of(PANE, seasonality), profile, LIVE_BEGINS, PANE)
        levels = [
            monitor.see([[column[pane] for column in counts]]).level for pane in range(part.panes)
        ]
        found[rows] = tally(levels, part.panes * PANE / DAY)
    return found


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
    parts = [
        Part(kind=kind, number=number, panes=panes)
        for number in range(scale.null_parts)
        for kind in range(len(traffic))
    ]
    found: dict[tuple[int, int], Tally] = {}
    for part, tallies in in_parallel(scale, watch, parts, "null streams"):
        for rows, one in tallies.items():
            key = (part.kind, rows)
            found[key] = found.get(key, Tally()) + one
    lines = [
        (f"{traffic[kind].name}, n={rows}", *_words(one))
        for (kind, rows), one in sorted(found.items())
    ]
    print(table("null streams, ours", _HEAD, lines), flush=True)
    for (kind, rows), one in sorted(found.items()):
        if traffic[kind].declared:
            yield _bar(f"null_{traffic[kind].name}_n{rows}", one)
    quiet = [one for (kind, _), one in found.items() if traffic[kind].declared]
    yield from _together(sum(quiet, Tally()))


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
