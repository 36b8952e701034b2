"""The command line: which commands there are. What they do is in a module each."""

from collections.abc import Sequence

import typer
from rich.console import Console

import modelmonitor
from modelmonitor.cli import baseline_commands, doctor, lint, roles, simulate, status
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.screen import screen
from modelmonitor.core.settings import InvalidSettingError

app = typer.Typer(
    name="modelmonitor",
    help="Watch production ML models on Kubernetes.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("status")(status.status)
app.command("doctor")(doctor.doctor)
app.command("lint")(lint.lint)
app.command("simulate")(simulate.simulate)
app.add_typer(baseline_commands.app, name="baseline")
app.command("controller")(roles.controller)
app.command("injector")(roles.injector)
app.command("collector")(roles.collector)


@app.command("version")
def version() -> None:
    """Print the version."""
    screen().print(modelmonitor.__version__)


def run(arguments: Sequence[str]) -> int:
    """Run one command; return 0, or 1 after one sentence about what went wrong.

    Raises
    ------
    SystemExit
        With the exit code that a command chose, and with 2 for a misspelt command line.
    """
    try:
        app(args=list(arguments))
    except (CommandError, InvalidSettingError) as error:
        console = Console(stderr=True, highlight=False, soft_wrap=True)
        console.print(f"error: {error}", markup=False)
        return 1
    return 0
