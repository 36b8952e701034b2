"""`modelmonitor lint`: check monitors without a cluster, as the API server and the operator would.

Beyond both it names unknown fields, which the API server would only warn of and then drop.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from modelmonitor.api.v1alpha1.monitor import GROUP, KIND, VERSION
from modelmonitor.api.v1alpha1.parsing import (
    FieldProblem,
    InvalidMonitorError,
    format_path,
    parse_monitor,
)
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.manifests import Document, ManifestError, read_documents
from modelmonitor.core.injection.workloads import TARGETS, target_workload
from modelmonitor.crd.definition import monitor_schema
from modelmonitor.crd.schema import Schema

STDIN: Final = "-"

_ANYWHERE: Final = "default"
"""Namespace of a monitor that does not name one: it is given when the manifest is applied."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem and its place."""

    document: Document
    problem: FieldProblem

    def __str__(self) -> str:
        """Return `file:document:field path: message`."""
        return f"{self.document.file}:{self.document.number}:{self.problem}"


def lint(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="Manifest files; - reads standard input.")
    ],
) -> None:
    """Check ModelMonitors in manifest files; objects of other kinds are passed over.

    Needs no cluster. Exits with 1 if anything is wrong or no monitor was found, so that it can
    guard a repository.
    """
    console = Console(highlight=False, soft_wrap=True, markup=False)
    try:
        documents = [each for file in files for each in read_documents(file, text_of(file))]
    except ManifestError as error:
        raise CommandError(str(error)) from error
    monitors = [each for each in documents if is_monitor(each.body)]
    if not monitors:
        raise CommandError(
            f"no {KIND} found in {_count(len(files), 'file')}, so nothing was checked: name files "
            f"in which an object has kind: {KIND} and apiVersion: {GROUP}/{VERSION}"
        )
    findings = list(check(monitors))
    for finding in findings:
        console.print(str(finding))
    console.print(_summary(len(monitors), len(files), len(findings)))
    if findings:
        raise typer.Exit(1)


def check(documents: Iterable[Document]) -> Iterator[Finding]:
    """Yield what is wrong with the monitors in some documents."""
    schema = monitor_schema()
    for document in documents:
        for problem in problems(document.body, schema):
            yield Finding(document, problem)


def is_monitor(body: Mapping[str, Any]) -> bool:
    """Return whether an object means to be a ModelMonitor of ours, whatever its version."""
    return body.get("kind") == KIND and str(body.get("apiVersion")).split("/")[0] == GROUP


def problems(body: dict[str, Any], schema: Schema) -> list[FieldProblem]:
    """Return what is wrong with one monitor, unknown fields first.

    Parameters
    ----------
    body
        The object as it stands in the manifest.
    schema
        The structural schema of a ModelMonitor, `crd.definition.monitor_schema()`.
    """
    if body.get("apiVersion") != f"{GROUP}/{VERSION}":
        version = body.get("apiVersion")
        return [FieldProblem("apiVersion", f"{version} is unknown: write {GROUP}/{VERSION}")]
    found = [
        FieldProblem(format_path(path, body), message)
        for path, message in _unknown_fields(body, schema, ())
    ]
    try:
        monitor = parse_monitor(placed(body))
    except InvalidMonitorError as error:
        return [*found, *error.problems]
    target = monitor.spec.target_ref
    if target_workload(target) is None:
        kinds = " or ".join(f"{version} {kind}" for version, kind in TARGETS)
        message = f"{target.api_version} {target.kind} is no target: use {kinds}"
        found.append(FieldProblem("spec.targetRef", message))
    return found


def placed(body: dict[str, Any]) -> dict[str, Any]:
    """Return a monitor with the name and namespace that it would get when it is applied."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return body
    generated = {"name": f"{metadata['generateName']}xxxxx"} if "generateName" in metadata else {}
    return {**body, "metadata": {"namespace": _ANYWHERE, **generated, **metadata}}


def _unknown_fields(
    value: Any, schema: Schema, path: tuple[str | int, ...]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield path and message of every field that the schema does not know."""
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _unknown_fields(item, schema["items"], (*path, index))
    if not isinstance(value, dict) or "properties" not in schema:
        return
    known = schema["properties"]
    for name, member in value.items():
        if name in known:
            yield from _unknown_fields(member, known[name], (*path, name))
        elif not schema.get("x-kubernetes-preserve-unknown-fields"):
            yield (*path, str(name)), f"unknown field{_guess(str(name), known)}"


def _guess(name: str, known: Iterable[str]) -> str:
    by_lower = {each.lower(): each for each in known}
    near = get_close_matches(name.lower().replace("_", ""), by_lower, n=1)
    return f": did you mean {by_lower[near[0]]}?" if near else ""


def _summary(monitors: int, files: int, findings: int) -> str:
    problem_count = _count(findings, "problem") if findings else "no problem"
    return f"{problem_count} in {_count(monitors, KIND)} of {_count(files, 'file')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def text_of(file: str) -> str:
    """Return the text of a file; - is standard input.

    Raises
    ------
    CommandError
        If it cannot be read.
    """
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return data.decode()
    except OSError as error:
        raise CommandError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"cannot read {file}: it is not UTF-8 text") from error
