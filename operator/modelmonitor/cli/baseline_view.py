"""How a baseline profile looks on a terminal."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelmonitor.core.profile import ColumnKind, ColumnProfile, Profile

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
    for column in profile.columns:
        table.add_row(
            column.name,
            column.role.value,
            column.kind.value,
            f"{column.missing / column.rows:.1%}",
            _values(column),
            f"{column.phi:.1f}" if profile.ordered else "-",
        )
    warnings = [*profile.warnings, *_column_warnings(profile)]
    return Group(_headline(profile), "", table, *([""] if warnings else []), *warnings)


def _headline(profile: Profile) -> Text:
    text = Text(f"{profile.rows:,} rows, {len(profile.columns)} columns", "bold")
    if profile.firstTime:
        text.append(f"  {profile.firstTime} to {profile.lastTime}", "dim")
    return text


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
