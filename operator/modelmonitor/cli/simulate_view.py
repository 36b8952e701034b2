"""How a simulation looks on a terminal."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.cli.simulate import Simulation
from modelmonitor.cli.simulate_sheets import (
    Sheet,
    alarms_sheet,
    expectations,
    headline,
    metrics_sheet,
    notes,
    thresholds_sheet,
)

_STYLES: Final = {Severity.CRITICAL.value: "bold red", Severity.WARNING.value: "yellow"}


def simulation_view(found: Simulation) -> RenderableType:
    """Return everything that a simulation says, from the alarms to the notes."""
    title = Text(found.request.monitor.metadata.name, "bold")
    title.append(f"  {headline(found)}", "dim")
    parts: list[RenderableType] = [title]
    for sheet in (alarms_sheet(found), metrics_sheet(found), thresholds_sheet(found)):
        parts += [_heading(sheet.title), _table(sheet)]
    parts += [_heading("False alarms to expect"), *map(Text, expectations(found))]
    weaknesses = notes(found)
    if weaknesses:
        parts += [_heading("Notes"), *map(Text, weaknesses)]
    return Group(*parts)


def _table(sheet: Sheet) -> RenderableType:
    if not sheet.rows:
        return Text(sheet.nothing)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in sheet.headings:
        numbers = heading.endswith(" ")
        table.add_column(heading.rstrip(), justify="right" if numbers else "left", overflow="fold")
    for row in sheet.rows:
        table.add_row(*(Text(cell, _STYLES.get(cell, "")) for cell in row))
    return table


def _heading(text: str) -> Text:
    return Text(f"\n{text}", "bold")
