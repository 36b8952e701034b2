"""`modelmonitor status`: how the models are, at a glance or one in depth."""

import json
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from modelmonitor.api.v1alpha1.monitor import ModelMonitor
from modelmonitor.cli.cluster import Cluster
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.screen import screen
from modelmonitor.cli.status_view import monitor_view, overview


class Output(StrEnum):
    """How the answer is written."""

    TEXT = "text"
    JSON = "json"


def status(
    name: Annotated[
        str | None, typer.Argument(help="Name of a ModelMonitor; without one, all are listed.")
    ] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace; default: the context's.")
    ] = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="List the monitors of all namespaces.")
    ] = False,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="text, or json as the API server has it.")
    ] = Output.TEXT,
    context: Annotated[str | None, typer.Option(help="Context of the kubeconfig.")] = None,
) -> None:
    """Show how models are: verdicts, conditions, collectors, retraining."""
    from modelmonitor.cli.kubernetes_cluster import KubernetesCluster

    if name and all_namespaces:
        raise CommandError("give a name or --all-namespaces, not both")
    cluster = KubernetesCluster(context)
    place = None if all_namespaces else namespace or cluster.namespace
    console = screen()
    if name:
        show_one(cluster, console, place or "", name, output, time.time)
    else:
        show_all(cluster, console, place, output, time.time)


def show_one(
    cluster: Cluster,
    console: Console,
    namespace: str,
    name: str,
    output: Output,
    clock: Callable[[], float],
) -> None:
    """Print one monitor; `clock` returns seconds since the epoch."""
    body = cluster.monitor(namespace, name)
    if output is Output.JSON:
        _print_json(console, body)
    else:
        console.print(monitor_view(_parsed(body), clock()))


def show_all(
    cluster: Cluster,
    console: Console,
    namespace: str | None,
    output: Output,
    clock: Callable[[], float],
) -> None:
    """Print the monitors of one namespace, or of all for None."""
    bodies = cluster.monitors(namespace)
    if output is Output.JSON:
        _print_json(console, {"apiVersion": "v1", "kind": "List", "items": bodies})
        return
    if not bodies:
        place = "in any namespace" if namespace is None else f"in namespace {namespace}"
        console.print(f"No ModelMonitor {place}.", markup=False)
        return
    console.print(overview([_parsed(body) for body in bodies], clock()))


def _print_json(console: Console, body: Any) -> None:
    console.print(json.dumps(body, indent=2), markup=False, soft_wrap=True)


def _parsed(body: dict[str, Any]) -> ModelMonitor:
    try:
        return ModelMonitor.model_validate(body)
    except ValidationError as error:
        metadata = body.get("metadata", {})
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise CommandError(
            f"{metadata.get('namespace')}/{metadata.get('name')} is not readable by this version "
            f"({field}: {first['msg']}): use the command line of the installed operator"
        ) from error
