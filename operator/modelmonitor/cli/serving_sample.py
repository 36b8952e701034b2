"""A baseline profile held against recorded traffic: its columns are found, or the user is told.

It decodes with the collector's own decoders and counts with its own counter, so that what passes
here is counted in production, and what fails here is told before it is.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modelmonitor.cli.errors import CommandError
from modelmonitor.collector.protocols.base import (
    Call,
    Column,
    Decoder,
    Schema,
    UndecodableError,
    columns_of,
)
from modelmonitor.collector.protocols.pointers import PointerError, parse_pointer
from modelmonitor.collector.protocols.recognition import AUTO, JSON, recognise, target_of
from modelmonitor.collector.protocols.registry import decoders
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, OutputLocator, Profile
from modelmonitor.core.counting.columns import ColumnCounter
from modelmonitor.core.wire.configuration import JSONPaths
from modelmonitor.core.wire.pane import ColumnCounts, Undecodable

NOTED_SHARE: Final = 0.1
"""Share of unusual values from which a column is worth a note."""

_SENTENCES: Final = {
    Undecodable.REQUEST_SHAPE: "the request does not hold the profile's inputs: named as in the "
    "profile, or unnamed and in its order",
    Undecodable.RESPONSE_SHAPE: "the response's outputs do not have one value a row at the places "
    "that --prediction-at and --score-at name",
}


@dataclass(frozen=True)
class Exchange:
    """One recorded request with its response."""

    line: int
    path: str
    request: Any
    """A document, or text that is no JSON, such as CSV."""
    response: Any
    """None if it was not recorded."""
    content_type: str = "application/json"
    """Of the request."""
    paths: JSONPaths | None = None
    """Where generic JSON has rows and results, if the monitor declares it."""


@dataclass(frozen=True)
class SampleReport:
    """What a sample says about a profile.

    Attributes
    ----------
    exchanges, rows
        How much was read.
    problems
        Sentences about what would not be counted; empty if the profile fits.
    notes
        Sentences about values unlike the baseline's.
    """

    exchanges: int
    rows: int
    problems: list[str]
    notes: list[str]


def read_sample(path: Path) -> Iterator[Exchange]:
    """Yield the exchanges of a file with one JSON object a line.

    Raises
    ------
    CommandError
        If the file is not of this form.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _exchange(path, number, line)


def _exchange(path: Path, number: int, line: str) -> Exchange:
    try:
        document = json.loads(line)
        return Exchange(
            line=number,
            path=str(document.get("path", "")),
            request=document["request"],
            response=document.get("response"),
            content_type=str(document.get("contentType", "application/json")),
            paths=_paths(document.get("jsonPaths")),
        )
    except PointerError as error:
        raise CommandError(f"{path}:{number}: jsonPaths: {error}") from error
    except (ValueError, KeyError, AttributeError) as error:
        raise CommandError(
            f'{path}:{number}: write one object a line, {{"path": …, "request": …, "response": …}}'
        ) from error


def _paths(document: Any) -> JSONPaths | None:
    if document is None:
        return None
    paths = JSONPaths(rows=str(document.get("rows", "")), results=str(document.get("results", "")))
    for pointer in (paths.rows, paths.results):
        parse_pointer(pointer)
    return paths


def check_sample(profile: Profile, exchanges: Iterable[Exchange]) -> SampleReport:
    """Return how a profile fits recorded traffic."""
    tally = _Tally(profile)
    for exchange in exchanges:
        tally.add(exchange)
    return tally.report()


class _Tally:
    """Counts a sample's columns as the collector would."""

    def __init__(self, profile: Profile) -> None:
        self._inputs = profile.inputs
        self._outputs = profile.outputs
        self._schema = Schema(
            inputs=tuple(column.name for column in self._inputs),
            outputs=tuple(column.locator or OutputLocator() for column in self._outputs),
        )
        self._counters = {
            column.name: ColumnCounter(column.kind, cuts=column.cuts, categories=column.categories)
            for column in profile.columns
        }
        self._problems: list[str] = []
        self._exchanges = self._rows = self._answered = 0

    def add(self, exchange: Exchange) -> None:
        self._exchanges += 1
        schema = self._schema
        if exchange.response is None:
            schema = Schema(inputs=schema.inputs, outputs=())
        call = Call(
            path=exchange.path.encode(),
            request_headers={b"content-type": exchange.content_type.encode()},
            request=_body(exchange.request, exchange.content_type),
            response_headers={},
            response=_body(exchange.response),
        )
        try:
            found = _decoder(exchange, call).decode(call, schema)
        except UndecodableError as error:
            sentence = _SENTENCES.get(error.reason, f"it cannot be decoded ({error.reason.value})")
            self._problems.append(f"line {exchange.line}: {sentence}")
            return
        rows = found.inputs.rows
        self._rows += rows
        self._count(self._inputs, rows, columns_of(found.inputs, len(schema.inputs)))
        if schema.outputs:
            self._answered += rows
            self._count(self._outputs, rows, found.outputs)

    def report(self) -> SampleReport:
        """Return what was found out."""
        problems = list(self._problems)
        notes: list[str] = []
        if self._rows:
            problems += _absent(self._inputs, self._counters)
        if self._answered:
            problems += _absent(self._outputs, self._counters)
        for column in [*self._inputs, *self._outputs]:
            counts = self._counters[column.name].counts()
            problems += _mismatches(column, counts)
            notes += _oddities(column, counts)
        if not self._exchanges:
            problems.append("the sample is empty")
        elif not self._rows and not problems:
            problems.append("no request of the sample has a row with the profile's columns")
        elif self._rows and self._outputs and not self._answered:
            notes.append("the sample has no responses: outputs were not checked")
        return SampleReport(self._exchanges, self._rows, problems, notes)

    def _count(self, columns: list[ColumnProfile], rows: int, values: Sequence[Column]) -> None:
        for column, present in zip(columns, values, strict=True):
            if present is None:
                self._counters[column.name].add_missing(rows)
            else:
                self._counters[column.name].add(present)


def _decoder(exchange: Exchange, call: Call) -> Decoder:
    if exchange.paths is not None:
        return decoders(exchange.paths)[JSON]
    target = target_of(AUTO, b"POST", call.path, exchange.content_type.encode())
    return decoders()[(target.recognition or recognise(call)).protocol]


def _body(document: Any, content_type: str = "application/json") -> bytes:
    """Return the body that a document or text came in."""
    if isinstance(document, str) and "json" not in content_type.lower():
        return document.encode()
    return json.dumps(document).encode()


def _absent(columns: list[ColumnProfile], counters: dict[str, ColumnCounter]) -> list[str]:
    never = []
    for column in columns:
        counts = counters[column.name].counts()
        if column.kind is not ColumnKind.IGNORED and counts.missing == counts.rows:
            where = f" at {_place(column.locator)}" if column.locator else ""
            never.append(f"{column.name}: no value was found{where}")
    return never


def _place(locator: OutputLocator) -> str:
    return f"{locator.output or 'the first output'}:{locator.index}"


def _mismatches(column: ColumnProfile, counts: ColumnCounts) -> list[str]:
    if not counts.mismatched:
        return []
    expected = "numbers" if column.kind is ColumnKind.NUMERIC else "categories"
    sentence = (
        f"{column.name}: {counts.mismatched} of {counts.rows} values are no {expected}; build the "
        "baseline from rows like those that are served"
    )
    return [sentence]


def _oddities(column: ColumnProfile, counts: ColumnCounts) -> list[str]:
    present = counts.rows - counts.missing - counts.mismatched
    outside = counts.below + counts.above
    notes = []
    if column.complete and counts.unknown > NOTED_SHARE * present:
        notes.append(f"{column.name}: {counts.unknown} of {present} values are new categories")
    if outside > NOTED_SHARE * present:
        notes.append(f"{column.name}: {outside} of {present} values are out of range")
    if counts.rows and counts.missing == counts.rows:
        return notes
    usual = column.missing / column.rows if column.rows else 0.0
    if counts.rows and counts.missing / counts.rows > usual + NOTED_SHARE:
        notes.append(f"{column.name}: {counts.missing} of {counts.rows} values are missing")
    return notes
