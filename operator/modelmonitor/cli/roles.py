"""The processes of the operator; the chart starts them, people rarely do."""

import os

import typer

from modelmonitor.core.settings import settings_from


def controller() -> None:
    """Run the controller (inside the cluster; the chart starts it)."""
    from modelmonitor.controller.main import run

    raise typer.Exit(run(settings_from(os.environ)))


def injector() -> None:
    """Run the admission webhook (inside the cluster; the chart starts it)."""
    from modelmonitor.injector.main import run

    raise typer.Exit(run(settings_from(os.environ)))


def collector() -> None:
    """Run the collector (inside a model's pod; the webhook puts it there)."""
    from modelmonitor.collector.main import run

    raise typer.Exit(run(os.environ))
