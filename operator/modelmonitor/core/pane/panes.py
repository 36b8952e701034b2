"""Pane algebra: panes of replicas and intervals become totals, by addition.

What happened on the wire (`Traffic`) adds up over everything. What the rows said (`ColumnTotals`)
adds up only within one revision and one baseline, because counts at different cut points mean
different things. Addition is associative and commutative, so the order of arrival does not matter.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile, Profile
from modelmonitor.core.counting.latency import merge
from modelmonitor.core.counting.novel import most_frequent
from modelmonitor.core.judging.codes import is_error
from modelmonitor.core.statistics.distinct import Registers
from modelmonitor.core.wire.pane import (
    ColumnCounts,
    GenerationCounts,
    LatencyCounts,
    Pane,
)

NOVEL_KEPT: Final = 8
"""New values of a column that are remembered of one pane; messages name fewer."""
MOST_NOVEL: Final = 4096
"""New values of a column that a sum names; of more, the most frequent. Below, sums are exact."""

NO_GENERATION: Final = GenerationCounts()

Counts = NDArray[np.int64]
Key = TypeVar("Key", str, int)


class MixedPanesError(ValueError):
    """Panes whose columns cannot be added: another revision, baseline or set of cells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What happened on the wire, summed over panes."""

    panes: int = 0
    seen: int = 0
    decoded: int = 0
    sampled: int = 0
    undecodable: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    """HTTP status code, `grpc-<code>`, or `none` → requests."""
    protocols: Mapping[str, int] = field(default_factory=dict)
    """`<port name>/<protocol>` → decoded requests."""
    generation: GenerationCounts = NO_GENERATION
    """Of text generation; all 0 where there was none."""
    latency: Mapping[str, LatencyCounts] = field(default_factory=dict)
    """`Response`, `FirstByte` and `FirstToken` → latencies."""
    forwarded_bytes: int = 0
    copied_bytes: int = 0
    gap: float = 0.0
    """Seconds without observer, summed over panes."""
    watched: float = 0.0
    """Seconds that the panes span, summed over panes."""

    def __add__(self, other: "Traffic") -> "Traffic":
        """Return both together."""
        return sum_traffic((self, other))

    def errors(self, classes: Iterable[str]) -> int:
        """Return the requests whose status code is one of `classes`, such as `5xx` or `429`.

        gRPC's codes count as the HTTP codes that they are mapped to. A request whose connection
        ended without a response is always an error.
        """
        wanted = tuple(classes)
        return sum(count for code, count in self.codes.items() if is_error(code, wanted))


NOTHING: Final = Traffic()
"""No pane at all; adding it changes nothing."""


class MarkTotals(NamedTuple):
    """How a column's values lie about one value."""

    below: int
    at: int
    counted: int
    """Values of the panes that counted there."""

    def plus(self, other: "MarkTotals") -> "MarkTotals":
        """Return both together."""
        return MarkTotals(*(left + right for left, right in zip(self, other, strict=True)))


class Sketched(NamedTuple):
    """Values, and what is known of how many of them differ."""

    values: int
    registers: Registers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ColumnTotals:
    """One column's values, summed over panes."""

    rows: int = 0
    missing: int = 0
    mismatched: int = 0
    infinite: int = 0
    below: int = 0
    above: int = 0
    unknown: int = 0
    cells: Counts
    """Shape `(n_cuts + 1,)` or `(n_categories + 1,)`, as in `ColumnCounts.cells`."""
    total: float = 0.0
    squares: float = 0.0
    novel: Mapping[str, int] = field(default_factory=dict)
    """Names of frequent values that the baseline does not list → rows, at least."""
    empty: int | None = 0
    """Texts without a character that is no space; None: some pane did not count them."""
    marks: Mapping[float, MarkTotals] = field(default_factory=dict)
    """Value that a metric asks for → how the values lie about it."""

    @property
    def valued(self) -> int:
        """Rows that carry a usable value: neither missing nor of the wrong type."""
        return int(self.cells.sum())

    def __add__(self, other: "ColumnTotals") -> "ColumnTotals":
        """Return both together.

        Raises
        ------
        MixedPanesError
            If the two have different numbers of cells.
        """
        return _sum_column((self, other))


def traffic_of(panes: Iterable[Pane]) -> Traffic:
    """Return the sum of what panes saw on the wire, over replicas, revisions and time."""
    return sum_traffic(_traffic(pane) for pane in panes)


def sum_columns(parts: Iterable[Mapping[str, ColumnTotals]]) -> dict[str, ColumnTotals]:
    """Return the sums of columns by name.

    Raises
    ------
    MixedPanesError
        If a column has different numbers of cells.
    """
    by_name: dict[str, list[ColumnTotals]] = {}
    for part in parts:
        for name, one in part.items():
            by_name.setdefault(name, []).append(one)
    return {name: _sum_column(totals) for name, totals in by_name.items()}


def without_details(counts: ColumnCounts) -> ColumnCounts:
    """Return what verdicts need of a column's counts; the rest is ten times as large."""
    few = len(counts.novel) <= NOVEL_KEPT
    if few and not counts.sketch and not counts.distinct:
        return counts
    novel = counts.novel if few else most_frequent(counts.novel, NOVEL_KEPT)
    return msgspec.structs.replace(counts, sketch=b"", distinct=b"", novel=novel)


def columns_of(panes: Iterable[Pane]) -> dict[str, ColumnTotals]:
    """Return the columns of panes, summed.

    Raises
    ------
    MixedPanesError
        If the panes are not all of one revision and one baseline.
    """
    taken = list(panes)
    origins = {(pane.revision, pane.baselineDigest) for pane in taken}
    if len(origins) > 1:
        raise MixedPanesError(
            f"panes of {len(origins)} revisions or baselines cannot be added: {sorted(origins)}"
        )
    return sum_columns(
        {name: _column(counts) for name, counts in pane.columns.items()} for pane in taken
    )


def fits(pane: Pane, profile: Profile) -> bool:
    """Return whether the pane counts every column in the cells that the profile has.

    Same digest means same cells; a collector that breaks this is not believed.
    """
    return all(
        column.name not in pane.columns
        or len(pane.columns[column.name].cells) == len(column.cells)
        or not pane.columns[column.name].cells
        for column in profile.columns
    )


def in_cells_of(column: ColumnProfile, totals: ColumnTotals | None) -> ColumnTotals:
    """Return totals in the cells of a profile's column; None: of no pane.

    A pane may say nothing about cells, as older collectors do of text: then none has a value.
    """
    cells = len(column.cells) if column.kind is not ColumnKind.IGNORED else 0
    if totals is None:
        return ColumnTotals(cells=np.zeros(cells, np.int64))
    if totals.cells.size == cells:
        return totals
    return replace(totals, cells=np.zeros(cells, np.int64))


def _traffic(pane: Pane) -> Traffic:
    requests = pane.requests
    return Traffic(
        panes=1,
        seen=requests.seen,
        decoded=requests.decoded,
        sampled=requests.sampled,
        undecodable=requests.undecodable,
        codes=requests.codes,
        protocols=requests.protocols,
        generation=pane.generation or NO_GENERATION,
        latency=pane.latency,
        forwarded_bytes=pane.forwardedBytes,
        copied_bytes=pane.copiedBytes,
        gap=pane.observerGapSeconds,
        watched=pane.end - pane.start,
    )


def _column(counts: ColumnCounts) -> ColumnTotals:
    return ColumnTotals(
        rows=counts.rows,
        missing=counts.missing,
        mismatched=counts.mismatched,
        infinite=counts.infinite,
        below=counts.below,
        above=counts.above,
        unknown=counts.unknown,
        cells=np.asarray(counts.cells, dtype=np.int64),
        total=counts.total,
        squares=counts.squares,
        novel=counts.novel,
        empty=counts.empty if counts.rows else 0,
        marks={
            mark.value: MarkTotals(mark.below, mark.at, sum(counts.cells)) for mark in counts.marks
        },
    )


def sum_traffic(parts: Iterable[Traffic]) -> Traffic:
    """Return everything together."""
    taken = list(parts)
    by_kind: dict[str, list[LatencyCounts]] = {}
    for part in taken:
        for kind, counts in part.latency.items():
            by_kind.setdefault(kind, []).append(counts)
    return Traffic(
        panes=sum(part.panes for part in taken),
        seen=sum(part.seen for part in taken),
        decoded=sum(part.decoded for part in taken),
        sampled=sum(part.sampled for part in taken),
        undecodable=_sum_counts(part.undecodable for part in taken),
        codes=_sum_counts(part.codes for part in taken),
        protocols=_sum_counts(part.protocols for part in taken),
        generation=_sum_generation(part.generation for part in taken),
        latency={kind: merge(counts) for kind, counts in by_kind.items()},
        forwarded_bytes=sum(part.forwarded_bytes for part in taken),
        copied_bytes=sum(part.copied_bytes for part in taken),
        gap=math.fsum(part.gap for part in taken),
        watched=math.fsum(part.watched for part in taken),
    )


def _sum_generation(parts: Iterable[GenerationCounts]) -> GenerationCounts:
    taken = list(parts)
    return GenerationCounts(
        requests=sum(part.requests for part in taken),
        streamed=sum(part.streamed for part in taken),
        uncounted=sum(part.uncounted for part in taken),
        promptTokens=sum(part.promptTokens for part in taken),
        completionTokens=sum(part.completionTokens for part in taken),
        finishReasons=_sum_counts(part.finishReasons for part in taken),
    )


_counts_of = attrgetter("rows", "missing", "mismatched", "infinite", "below", "above", "unknown")


def _sum_column(parts: Sequence[ColumnTotals]) -> ColumnTotals:
    if len(parts) == 1:
        return parts[0]
    filled = [part.cells for part in parts if part.cells.size]
    if len({cells.size for cells in filled}) > 1:
        sizes = sorted({cells.size for cells in filled})
        raise MixedPanesError(
            f"columns of {sizes} cells cannot be added: they were counted by different baselines"
        )
    # Windows hold many ticks: one pass over all counts, and none where there is nothing to add.
    rows, missing, mismatched, infinite, below, above, unknown = (
        sum(each) for each in zip(*map(_counts_of, parts), strict=True)
    )
    return ColumnTotals(
        rows=rows,
        missing=missing,
        mismatched=mismatched,
        infinite=infinite,
        below=below,
        above=above,
        unknown=unknown,
        cells=np.sum(filled, axis=0, dtype=np.int64) if filled else parts[0].cells,
        total=math.fsum([part.total for part in parts]),
        squares=math.fsum([part.squares for part in parts]),
        novel=_sum_novel([part.novel for part in parts if part.novel]),
        empty=_sum_empty(part.empty for part in parts),
        marks=_sum_marks([part.marks for part in parts if part.marks]),
    )


def _sum_empty(parts: Iterable[int | None]) -> int | None:
    total = 0
    for part in parts:
        if part is None:
            return None
        total += part
    return total


def _sum_marks(parts: Iterable[Mapping[float, MarkTotals]]) -> dict[float, MarkTotals]:
    summed: dict[float, MarkTotals] = {}
    for part in parts:
        for value, one in part.items():
            summed[value] = summed[value].plus(one) if value in summed else one
    return summed


def _sum_novel(parts: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    summed = _sum_counts(parts)
    return summed if len(summed) <= MOST_NOVEL else most_frequent(summed, MOST_NOVEL)


def _sum_counts(parts: Iterable[Mapping[Key, int]]) -> dict[Key, int]:
    summed: dict[Key, int] = {}
    for part in parts:
        for key, count in part.items():
            summed[key] = summed.get(key, 0) + count
    return summed
