"""How a baseline profile looks on a terminal."""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.cli.performance_view import performance_facts
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Profile
from modelmonitor.core.baseline.profile_hours import DAYS, HOURS_OF_DAY, unpack_hours
from modelmonitor.core.judging.judgement import words_of

NAMED_CATEGORIES: Final = 4
"""Categories that are spelled out."""


def profile_view(profile: Profile) -> RenderableType:
    """Return a table with one row a column, and below it everything that weakens the baseline."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("COLUMN", "ROLE", "KIND"):
        table.add_column(heading, overflow="fold")
    table.add_column("MISSING", justify="right")
    table.add_column("VALUES", overflow="fold")
    table.add_column("PHI", justify="right")
    table.add_column("COMPARED WITH", overflow="fold")
    for column in profile.columns:
        table.add_row(
            column.name,
            column.role.value,
            column.kind.value,
            f"{column.missing / column.rows:.1%}",
            _values(column),
            _phi(column) if profile.ordered else "-",
            _compared(column),
        )
    facts: list[str | Text] = [
        *_hours(profile),
        *_alarms(profile),
        *performance_facts(profile.performance),
    ]
    warnings = [*profile.warnings, *_column_warnings(profile)]
    return Group(
        _headline(profile),
        "",
        table,
        *([""] if facts else []),
        *facts,
        *([""] if warnings else []),
        *(Text(f"! {warning}", "yellow") for warning in warnings),
    )


def _headline(profile: Profile) -> Text:
    text = Text(f"{profile.rows:,} rows, {len(profile.columns)} columns", "bold")
    if profile.firstTime:
        text.append(f"  {profile.firstTime} to {profile.lastTime}", "dim")
    return text


def _phi(column: ColumnProfile) -> str:
    """Return phi, and what is left of it about the hours that the column is compared with."""
    hours = column.hours
    if hours is None:
        return f"{column.phi:.1f}"
    return f"{column.phi:.1f} → {hours.phi_of_week or hours.phi_of_day:.1f}"


def _compared(column: ColumnProfile) -> str:
    if column.hours is None:
        return "all hours"
    return "hour of the week" if column.hours.phi_of_week else "hour of the day"


def _hours(profile: Profile) -> list[str]:
    """Return which seasonality a monitor may ask for, and the rows that each hour then has."""
    if profile.seasonality == Seasonality.NONE.value:
        return ["No column follows the clock: seasonality None."] if profile.ordered else []
    asked = (
        f"Seasonality {profile.seasonality}, by the clock of {profile.timeZone}: monitors have it "
        f"with spec.baseline.seasonality: {profile.seasonality}."
    )
    column = next((each for each in profile.columns if each.hours is not None), None)
    if column is None or column.hours is None:
        return [asked]
    rows = unpack_hours(column.hours.packed, column.cells).rows
    of_day = rows.reshape(DAYS, HOURS_OF_DAY).sum(axis=0)
    cells = [f"all hours {rows.sum():,}", f"hour of the day {_spread(of_day)}"]
    if profile.seasonality == Seasonality.HOUR_OF_WEEK.value:
        cells.append(f"hour of the week {_spread(rows)}")
    return [asked, f"Rows per cell: {'; '.join(cells)}."]


def _spread(rows: NDArray[np.int64]) -> str:
    return f"{np.median(rows):,.0f} ({rows.min():,} to {rows.max():,})"


def _alarms(profile: Profile) -> list[str]:
    """Return how often drift would have alarmed on the baseline itself."""
    alarms = profile.expectedAlarms
    if alarms is None:
        return []
    culprits = ", ".join(alarms.columns[:NAMED_CATEGORIES])
    more = len(alarms.columns) - NAMED_CATEGORIES
    rest = f" and {more} more" if more > 0 else ""
    of_columns = f", of {culprits}{rest}" if culprits else ""
    often = (
        "Alarms to expect of drift in all columns (tolerances 0.02 and 0.05): "
        f"{alarms.critical:.2g} Critical and {alarms.warning:.2g} Warning a week{of_columns}."
    )
    why = (
        f"So many there were when each part of these {alarms.days:g} days was held against the "
        f"others, in ticks of {words_of(alarms.interval)}."
    )
    return [often, why]


def _column_warnings(profile: Profile) -> list[str]:
    return [f"{column.name}: {text}" for column in profile.columns for text in column.warnings]


def _values(column: ColumnProfile) -> str:
    if column.kind.ordered and column.cuts:
        what = "length " if column.kind is ColumnKind.TEXT else ""
        return f"{what}{column.cuts[0]:g} … {column.cuts[-1]:g}, {len(column.cuts)} cuts"
    if column.kind is ColumnKind.CATEGORICAL:
        named = ", ".join(column.categories[:NAMED_CATEGORIES])
        more = len(column.categories) - NAMED_CATEGORIES
        rest = f" and {more} more" if more > 0 else ""
        return f"{named}{rest}" if column.complete else f"{named}{rest}, others together"
    return "-"
