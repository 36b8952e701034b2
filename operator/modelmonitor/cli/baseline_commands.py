"""`modelmonitor baseline`: build a profile from rows, and put it into the cluster."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.text import Text

from modelmonitor.cli.baseline_view import profile_view
from modelmonitor.cli.cluster import Cluster
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.screen import screen
from modelmonitor.core.baseline.profile import (
    MAX_PROFILE_BYTES,
    PROFILE_KEY,
    ColumnRole,
    InvalidProfileError,
    OutputLocator,
    Profile,
    canonical,
    digest,
    load_profile,
)

TOLD_PROBLEMS: Final = 10
"""Problems with a sample that are told; usually they have one cause."""

app = typer.Typer(help="Build and apply baseline profiles.", no_args_is_help=True)


@app.command()
def build(
    data: Annotated[Path, typer.Option(help="Rows that the model should see: .csv or .parquet.")],
    prediction: Annotated[str, typer.Option(help="Column with the model's prediction.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File for the profile.")],
    prediction_at: Annotated[
        str | None,
        typer.Option(metavar="OUTPUT[:INDEX]", help="Where responses hold it; default: COLUMN."),
    ] = None,
    score: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN[=CLASS]",
            help="Column with the probability of a class: one of two, or one for each.",
        ),
    ] = None,
    score_at: Annotated[
        list[str] | None,
        typer.Option(
            metavar="OUTPUT[:INDEX]", help="Where responses hold each score; default: COLUMN."
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(help="Column with the true class, not served: performance is estimated."),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Column with the rows' times; tells how dependent they are.")
    ] = None,
    seasonality: Annotated[
        str | None,
        typer.Option(
            metavar="None|HourOfDay|HourOfWeek",
            help="Hours that rows are counted by; default: the finest that help.",
        ),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="IANA time zone of the clock that hours are of.")
    ] = "UTC",
    inputs: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,…", help="The model's inputs in serving order; default: the rest."
        ),
    ] = None,
    categorical: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Columns whose numbers are codes.")
    ] = None,
    derive: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=DERIVATION:INPUT",
            help="A number computed of an input, such as light=ImageBrightness:image.",
        ),
    ] = None,
    correlations: Annotated[
        str | None,
        typer.Option(metavar="all|A,B,…", help="Numeric inputs whose correlations are kept."),
    ] = None,
    embedding: Annotated[
        list[str] | None, typer.Option(metavar="INPUT", help="An input that holds an embedding.")
    ] = None,
    serving_sample: Annotated[
        Path | None,
        typer.Option(help="Recorded requests and responses, one JSON object a line: checked."),
    ] = None,
) -> None:
    """Build a baseline profile from rows with the model's predictions."""
    from modelmonitor.cli.baseline_additions import additions_of
    from modelmonitor.cli.baseline_clock import clock_of, with_expected_alarms
    from modelmonitor.cli.baseline_data import read_rows
    from modelmonitor.cli.baseline_scores import add_performance, scores_of, take_labels
    from modelmonitor.core.baseline.profile_builder import (
        BaselineDataError,
        OutputColumn,
        build_profile,
    )

    outputs = [OutputColumn(column=prediction, role=ColumnRole.LABEL, locator=_at(prediction_at))]
    scores = scores_of(score or [], score_at or [], _at)
    outputs += [each.output for each in scores]
    additions = additions_of(derive or [], correlations, embedding or [])
    clock = clock_of(seasonality, time_zone, time=time)
    rows = read_rows(data, time=time, leave_out=[])
    columns, labels = take_labels(rows.columns, label) if label else (rows.columns, None)
    try:
        profile = build_profile(
            columns,
            inputs=_names(inputs) or None,
            categorical=_names(categorical),
            outputs=outputs,
            times=rows.times,
            clock=clock,
        )
        profile = additions.to(profile, columns, rows.times)
    except BaselineDataError as error:
        raise CommandError(f"{data}: {error}") from error
    if labels is not None:
        profile = add_performance(profile, columns, prediction, labels, scores, rows.times)
    console = screen()
    profile = with_expected_alarms(profile, columns, rows.times, console)
    if serving_sample is not None:
        hold_against(profile, serving_sample, console)
    write_profile(profile, output, console)


def hold_against(profile: Profile, sample: Path, console: Console) -> None:
    """Check a profile against recorded traffic; say what is unusual in it.

    Raises
    ------
    CommandError
        If traffic like this would not be counted.
    """
    from modelmonitor.cli.serving_sample import check_sample, read_sample

    report = check_sample(profile, read_sample(sample))
    if report.problems:
        told = "\n".join(f"  {problem}" for problem in report.problems[:TOLD_PROBLEMS])
        more = len(report.problems) - TOLD_PROBLEMS
        rest = f"\n  and {more} more" if more > 0 else ""
        raise CommandError(
            f"{sample} does not fit the profile, which is not written:\n{told}{rest}"
        )
    for note in report.notes:
        console.print(note, markup=False, soft_wrap=True)
    text = f"{sample} fits: {report.exchanges} requests with {report.rows} rows\n"
    console.print(text, markup=False, soft_wrap=True)


def write_profile(profile: Profile, path: Path, console: Console) -> None:
    """Write a profile as canonical JSON, and show what is in it."""
    payload = canonical(profile)
    if len(payload) > MAX_PROFILE_BYTES:
        raise CommandError(
            f"the profile has {len(payload):,} bytes, more than {MAX_PROFILE_BYTES:,}: name fewer "
            "columns with --inputs"
        )
    try:
        path.write_bytes(payload)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    console.print(profile_view(profile))
    console.print(Text(f"\n{path}: {len(payload):,} bytes, {digest(profile)}"), soft_wrap=True)


@app.command()
def apply(
    profile: Annotated[Path, typer.Argument(help="File that `baseline build` wrote.")],
    name: Annotated[str, typer.Option(help="Name of the ConfigMap.")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace; default: the context's.")
    ] = None,
    force_conflicts: Annotated[
        bool, typer.Option("--force-conflicts", help="Take over what another manager applied.")
    ] = False,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
) -> None:
    """Put a baseline profile into a ConfigMap; monitors that name it take it up by themselves."""
    from modelmonitor.cli.kubernetes_cluster import KubernetesCluster

    try:
        payload = profile.read_bytes()
    except OSError as error:
        raise CommandError(f"{profile} cannot be read: {error.strerror}") from error
    cluster = KubernetesCluster(context)
    apply_profile(
        cluster,
        payload,
        namespace or cluster.namespace,
        name,
        screen(),
        force=force_conflicts,
    )


def apply_profile(
    cluster: Cluster, payload: bytes, namespace: str, name: str, console: Console, *, force: bool
) -> None:
    """Check a profile as the operator would, and apply it."""
    try:
        profile = load_profile(payload)
    except InvalidProfileError as error:
        raise CommandError(str(error)) from error
    text = canonical(profile).decode()
    cluster.apply_config_map(namespace, name, {PROFILE_KEY: text}, force=force)
    console.print(
        Text(f"ConfigMap {namespace}/{name} holds baseline {digest(profile)}"), soft_wrap=True
    )


def _at(text: str | None) -> OutputLocator | None:
    """Return the place that `OUTPUT` or `OUTPUT:INDEX` means."""
    if text is None:
        return None
    name, colon, index = text.rpartition(":")
    if not colon:
        return OutputLocator(output=text)
    if not index.isdecimal():
        raise CommandError(f"{text}: after the colon stands a position, as in predict_proba:1")
    return OutputLocator(output=name, index=int(index))


def _names(text: str | None) -> Sequence[str]:
    return [name.strip() for name in text.split(",") if name.strip()] if text else []
