"""Reports of a simulation: one picture, or one page that needs nothing else."""

import base64
import io
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

from modelmonitor.cli.errors import CommandError
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

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH: Final = 130

_STYLE: Final = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; margin: 2rem auto;
  max-width: 76rem; padding: 0 1.5rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p.what { color: #666; margin-top: .2rem; }
table { border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th { text-align: left; color: #666; font-weight: 500; font-size: .75rem; letter-spacing: .03em; }
th, td { padding: .25rem 1.2rem .25rem 0; vertical-align: top; border-bottom: 1px solid #eee; }
.number { text-align: right; }
.Critical { color: #a64400; font-weight: 600; }
.Warning { color: #8a5f00; font-weight: 600; }
img { width: 100%; display: block; margin: .5rem 0 1rem; }
div.wide { overflow-x: auto; }
""".strip()


def write_report(found: Simulation, path: Path) -> None:
    """Write a report; the ending of the file, `.html` or `.png`, says of which kind.

    Raises
    ------
    CommandError
        If the file cannot be written, or matplotlib is not installed.
    """
    try:
        from modelmonitor.cli.simulate_plot import picture
    except ModuleNotFoundError as error:
        raise CommandError(
            "reports need matplotlib: install it with `pip install 'modelmonitor[operator,report]'`"
        ) from error
    as_page = path.suffix == ".html"
    payload = page(found).encode() if as_page else _drawn(picture(found), "png")
    try:
        path.write_bytes(payload)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error


def page(found: Simulation) -> str:
    """Return a page with all tables and pictures in it; it loads and runs nothing."""
    name = escape(found.request.monitor.metadata.name)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f"<title>{name}: simulation</title>",
        f"<style>{_STYLE}</style></head><body>",
        f'<h1>{name}</h1><p class="what">{escape(headline(found))}</p>',
        _table(alarms_sheet(found)),
        _table(thresholds_sheet(found)),
        _list("False alarms to expect", expectations(found)),
        _list("Notes", notes(found)),
        "<h2>In time</h2>",
        *_pictures(found),
        _table(metrics_sheet(found)),
        "</body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _pictures(found: Simulation) -> Iterable[str]:
    from modelmonitor.cli.simulate_plot import metric_picture

    for track in found.history.tracks:
        drawn = base64.b64encode(_drawn(metric_picture(found, track), "svg")).decode()
        alternative = escape(
            f"{track.metric.name} over time, with {len(track.alarms)} alarms", quote=True
        )
        yield f'<img alt="{alternative}" src="data:image/svg+xml;base64,{drawn}">'


def _drawn(figure: "Figure", kind: str) -> bytes:
    file = io.BytesIO()
    # Without the date of drawing, equal simulations give equal files.
    metadata = {"Date": None} if kind == "svg" else {}
    figure.savefig(file, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return file.getvalue()


def _table(sheet: Sheet) -> str:
    title = f"<h2>{escape(sheet.title)}</h2>"
    if not sheet.rows:
        return f"{title}<p>{escape(sheet.nothing)}</p>"
    numbers = [heading.endswith(" ") for heading in sheet.headings]
    head = "".join(
        f"<th{_class('number' if number else '')}>{escape(heading.strip())}</th>"
        for heading, number in zip(sheet.headings, numbers, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(
            f"<td{_class('number' if number else _severity(cell))}>{escape(cell)}</td>"
            for cell, number in zip(row, numbers, strict=True)
        )
        + "</tr>"
        for row in sheet.rows
    )
    return f'{title}<div class="wide"><table><tr>{head}</tr>\n{body}</table></div>'


def _severity(cell: str) -> str:
    return cell if cell in {"Critical", "Warning"} else ""


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""


def _list(title: str, sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(each)}</li>" for each in sentences)
    return f"<h2>{escape(title)}</h2><ul>{items}</ul>" if items else ""
