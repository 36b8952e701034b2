"""`modelmonitor simulate`: what a monitor would have said of rows of the past."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from modelmonitor.api.v1alpha1.baseline import BaselineType
from modelmonitor.api.v1alpha1.metrics import MetricType
from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.screen import screen
from modelmonitor.core.baseline.profile import InvalidProfileError, Profile, digest, load_profile

if TYPE_CHECKING:
    from modelmonitor.cli.simulate_panes import PaneMaker
    from modelmonitor.cli.simulate_rows import RowFile
    from modelmonitor.core.replay.playback import History, LeftOut, Replay
    from modelmonitor.core.replay.suggestion import Span

NAMED: Final = 10
"""Columns that a note names."""
PICTURES: Final = (".html", ".png")
"""Endings of the files that a report can be."""


class FailOn(StrEnum):
    """The least severity of an alarm with which the command fails."""

    WARNING = Severity.WARNING.value
    CRITICAL = Severity.CRITICAL.value


def simulate(
    data: Annotated[Path, typer.Option(help="Rows of the past: .csv or .parquet.")],
    baseline: Annotated[Path, typer.Option(help="Profile that `baseline build` wrote.")],
    file: Annotated[Path, typer.Option("--file", "-f", help="Manifest with the monitor.")],
    time: Annotated[str | None, typer.Option(help="Column with the rows' times.")] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(metavar="ZONE", help="Zone of times that do not say theirs; default: UTC."),
    ] = None,
    monitor: Annotated[
        str | None, typer.Option(help="Name of the monitor, where the manifest holds several.")
    ] = None,
    incident: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FROM/TO",
            help="A time known to have been unusual: alarms in it are right. May be repeated.",
        ),
    ] = None,
    row_is_request: Annotated[
        bool, typer.Option(help="Every row was a request of its own: judge RequestRate, too.")
    ] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option(
            "--output", "-o", help="Report with pictures: .html or .png. May be repeated."
        ),
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="Exit with 1 after an alarm of this severity outside known incidents."),
    ] = None,
) -> None:
    """Replay rows of the past: what would have alarmed, when, and which thresholds would fit.

    Judges as the operator does, with the same baseline and the same monitor. Needs no cluster.
    """
    from modelmonitor.cli.simulate_view import simulation_view

    for path in output or []:
        if path.suffix not in PICTURES:
            raise CommandError(f"{path}: the name must end in .html or .png")
    zone = _zone(time_zone)
    found = run_simulation(
        Request(
            data=data,
            profile=read_profile(baseline),
            monitor=read_monitor(file, monitor),
            time=time,
            zone=zone,
            incidents=tuple(_incident(text, zone) for text in incident or []),
            requests_are_rows=row_is_request,
        )
    )
    screen().print(simulation_view(found))
    if output:
        from modelmonitor.cli.simulate_report import write_report

        for path in output:
            write_report(found, path)
    if fail_on is not None and found.alarmed(Severity(fail_on.value)):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be simulated.

    Attributes
    ----------
    data
        File of the rows.
    profile
        The baseline.
    monitor
        The monitor; its spec's own baseline is not looked at.
    time
        Column with the rows' times.
    zone
        Of times that do not say theirs, and of the times in the report; None: UTC.
    incidents
        Times that were unusual.
    requests_are_rows
        Every row was a request of its own.
    """

    data: Path
    profile: Profile
    monitor: ModelMonitor
    time: str | None
    zone: ZoneInfo | None = None
    incidents: tuple["Span", ...] = ()
    requests_are_rows: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What a simulation found.

    Attributes
    ----------
    request
        What was simulated.
    history
        What would have been said.
    rows
        Rows that were replayed.
    notes
        Sentences about what weakens the simulation.
    """

    request: Request
    history: "History"
    rows: int
    notes: tuple[str, ...]

    def alarmed(self, severity: Severity) -> bool:
        """Return whether anything alarmed with at least a severity outside known incidents."""
        from modelmonitor.core.replay.suggestion import unexpected

        return any(
            severity is Severity.WARNING or alarm.severity is Severity.CRITICAL
            for track in self.history.tracks
            for alarm in unexpected(track, self.history, self.request.incidents)
        )


def run_simulation(request: Request) -> Simulation:
    """Replay a history, with a progress bar on standard error if that is a terminal.

    Raises
    ------
    CommandError
        If the rows do not fit the baseline or the monitor.
    """
    from msgspec.structs import replace

    from modelmonitor.api.v1alpha1.base import parse_duration
    from modelmonitor.cli.simulate_panes import PaneMaker
    from modelmonitor.cli.simulate_rows import RowFile
    from modelmonitor.controller.reconcile.baseline import Loaded, configuration_for
    from modelmonitor.core.replay.playback import COLLECTOR, Replay, tellable

    known = [MetricType.REQUEST_RATE] if request.requests_are_rows else []
    spec, left_out = tellable(request.monitor.spec, known=known)
    if not spec.metrics:
        raise CommandError(
            f"rows tell nothing of the metrics of {request.monitor.metadata.name}: "
            + "; ".join(f"{each.metric.name}: {each.why}" for each in left_out)
        )
    rows = RowFile(request.data, request.time, request.zone)
    loaded = Loaded(request.profile, digest(request.profile))
    configuration = configuration_for(
        spec, COLLECTOR, parse_duration(spec.interval), loaded, hash_key=""
    )
    # Whoever has the rows may see their values.
    everything = [column.name for column in configuration.columns]
    maker = PaneMaker(replace(configuration, reveal=everything), rows.names)
    if not maker.names:
        raise CommandError(
            f"{request.data} has none of the baseline's columns, which are "
            f"{_listed(everything)}; its own are {_listed(rows.names)}"
        )
    replay = Replay(spec, loaded.profile, loaded.digest)
    _replay(replay, maker, rows)
    notes = [
        *(_left_out(each) for each in left_out),
        *_weaknesses(request, rows, maker),
        *maker.misfits(request.profile),
    ]
    return Simulation(request=request, history=replay.history(), rows=rows.rows, notes=tuple(notes))


def read_monitor(path: Path, name: str | None) -> ModelMonitor:
    """Return the monitor of a manifest, checked as `lint` checks it.

    Raises
    ------
    CommandError
        If there is none, several and no name, or something is wrong with it.
    """
    from modelmonitor.api.v1alpha1.parsing import parse_monitor
    from modelmonitor.cli.lint import check, is_monitor, placed, text_of
    from modelmonitor.cli.manifests import ManifestError, read_documents

    try:
        documents = [
            each for each in read_documents(str(path), text_of(str(path))) if is_monitor(each.body)
        ]
    except ManifestError as error:
        raise CommandError(str(error)) from error
    if not documents:
        raise CommandError(f"{path} holds no ModelMonitor")
    by_name = {str((each.body.get("metadata") or {}).get("name")): each for each in documents}
    if name is None and len(documents) > 1:
        raise CommandError(
            f"{path} holds {len(documents)} ModelMonitors: say with --monitor which one, of "
            f"{', '.join(by_name)}"
        )
    if name is not None and name not in by_name:
        raise CommandError(f"{path} holds no ModelMonitor {name}, but {', '.join(by_name)}")
    document = documents[0] if name is None else by_name[name]
    problems = list(check([document]))
    if problems:
        raise CommandError("the monitor is not valid\n" + "\n".join(map(str, problems)))
    return parse_monitor(placed(document.body))


def read_profile(path: Path) -> Profile:
    """Return the profile in a file, checked as the operator checks it.

    Raises
    ------
    CommandError
        If it cannot be read or is no profile.
    """
    try:
        return load_profile(path.read_bytes())
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
    except InvalidProfileError as error:
        raise CommandError(f"{path}: {error}") from error


def _replay(replay: "Replay", maker: "PaneMaker", rows: "RowFile") -> None:
    from modelmonitor.core.replay.playback import TooLongError

    console = Console(stderr=True)
    columns = (
        TextColumn("replaying"),
        BarColumn(),
        TaskProgressColumn(show_speed=False),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=rows.rows, rate="")
        try:
            for pane, done in maker.panes(rows.batches(maker.names)):
                replay.add(pane)
                speed = bar.tasks[task].speed if not bar.disable else None
                rate = f"{speed:,.0f} rows/s" if speed else ""
                bar.update(task, completed=done, rate=rate)
        except TooLongError as error:
            raise CommandError(f"{error}: is the time column right?") from error


def _left_out(left: "LeftOut") -> str:
    counted = left.metric.type is MetricType.REQUEST_RATE
    hint = ", unless --row-is-request says that each was one" if counted else ""
    return f"{left.metric.name} is left out: {left.why}{hint}"


def _weaknesses(request: Request, rows: "RowFile", maker: "PaneMaker") -> list[str]:
    columns = [each for each in request.profile.columns if each.derived is None]
    absent = [column.name for column in columns if column.name not in set(maker.names)]
    names = {column.name for column in columns}
    extra = [name for name in rows.names if name not in names]
    notes = []
    kept = request.monitor.spec.baseline
    if kept is not None and kept.type is not BaselineType.CONFIG_MAP:
        notes.append(
            f"the monitor's baseline is of type {kept.type.value}: here the given profile is "
            "compared with all the time"
        )
    if rows.without_zone:
        notes.append("the times say no zone and are taken for UTC: say with --time-zone if not")
    if rows.was_unsorted:
        notes.append("the rows were not in the order of time, and were sorted")
    if rows.untimed:
        notes.append(f"{rows.untimed:,} rows without a time are left out")
    if absent:
        notes.append(f"the data has no column {_listed(absent)}: not judged")
    if extra:
        notes.append(f"the baseline has no column {_listed(extra)}: not looked at")
    return notes


def _zone(name: str | None) -> ZoneInfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise CommandError(
            f"{name} is no time zone: write for example Europe/Berlin or UTC"
        ) from error


def _incident(text: str, zone: ZoneInfo | None) -> "Span":
    from modelmonitor.core.replay.suggestion import Span

    begin, slash, end = text.partition("/")
    try:
        moments = [datetime.fromisoformat(each) for each in (begin, end)]
    except ValueError:
        moments = []
    if not slash or not moments:
        raise CommandError(
            f"--incident {text}: write two times as 2026-01-31T12:00/2026-02-02T18:00"
        )
    first, last = (
        (each if each.tzinfo else each.replace(tzinfo=zone or ZoneInfo("UTC"))).timestamp()
        for each in moments
    )
    if first >= last:
        raise CommandError(f"--incident {text}: the first time must be before the second")
    return Span(first, last)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
