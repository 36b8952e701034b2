"""Checks that need more than the counts of single columns: duplicates, constants, the schema."""

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist
from typing import Final

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import CompareAs, CompareTo
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile
from modelmonitor.core.counting.novel import shortened
from modelmonitor.core.counting.repetition import NOT_COUNTED, repetition
from modelmonitor.core.judging.comparison import Estimate, compared, worded
from modelmonitor.core.judging.judgement import (
    NAMED_COLUMNS,
    Measurement,
    Refusal,
    judged,
    too_few,
    unknown,
)
from modelmonitor.core.judging.rows import Reference, most_rows
from modelmonitor.core.judging.verdict import ColumnFinding, Verdict
from modelmonitor.core.judging.windows import Tick, Window
from modelmonitor.core.judging.worst import ColumnValue, judged_worst, worst_of
from modelmonitor.core.judging.worth import worth_of
from modelmonitor.core.pane.panes import ColumnTotals
from modelmonitor.core.pane.periods import previous_period
from modelmonitor.core.statistics.shares import wilson
from modelmonitor.core.wire.pane import ROWS, ColumnCounts

ERROR_LEVEL: Final = 0.05
"""Probability that a verdict is a breach by chance."""
NEARLY_ALL: Final = 0.95
"""Share of the rows of which a column is missing, or of another type, that changes the schema."""
HALF: Final = 0.5
"""What it must be for certain; and the share of the requests that an added column comes with."""
LEAST_NAMED: Final = 10
"""Requests that must name their inputs before one of them is taken for an added column."""
LONGEST_NAME: Final = 40
"""Characters of a column that a caller named, in a message."""
WHOLE_ROWS: Final = "rows"


def judge_duplicates(
    metric: Metric, reference: Reference, window: Window, ticks: Sequence[Tick]
) -> Verdict:
    """Return the verdict on the share of rows that repeat another one of the window."""
    now = _duplicates(metric, reference, window)
    samples = most_rows(reference.rows(window.ticks), reference.profile.inputs)
    if isinstance(now, Refusal):
        return unknown(metric, now, window, samples=samples)
    text = f"duplicates: {now.value:.2%} of {samples} rows"
    if metric.compare is not None and metric.compare.to is CompareTo.PREVIOUS_PERIOD:
        earlier = previous_period(metric, reference, ticks)
        before = _duplicates(metric, reference, earlier) if isinstance(earlier, Window) else earlier
        if isinstance(before, Refusal):
            return unknown(metric, before, window, samples=samples)
        if before is not None:
            now = compared(now, before, metric.compare.as_)
            text = f"{text}, {_compared_text(metric, now)}"
    ordered = worst_of(metric, [ColumnValue(WHOLE_ROWS, now)])
    measured = Measurement(now.value, samples, text)
    return judged_worst(metric, measured, ordered, window)


def _compared_text(metric: Metric, change: Estimate) -> str:
    if metric.compare is None:
        return ""
    if metric.compare.as_ is CompareAs.DIFFERENCE:
        side = "less" if change.value < 0 else "more"
        return f"{abs(change.value):.2%} {side} than in the previous period"
    return worded(metric.compare, change)


def _duplicates(metric: Metric, reference: Reference, window: Window) -> Estimate | Refusal:
    rows = sum(reference.count(tick) for tick in window.ticks)
    few = too_few(metric, rows, window, "rows")
    if few is not None:
        return few
    if not rows:
        return Refusal(VerdictReason.NO_DATA, "no row was seen", no_data=True)
    z = NormalDist().inv_cdf(1 - ERROR_LEVEL)
    found = repetition(reference, window.ticks, ROWS, rows, z)
    if isinstance(found, Refusal):
        return found
    distinct = found.distinct
    return Estimate(1 - distinct.value, 1 - distinct.high, 1 - distinct.low)


def judge_constants(
    metric: Metric, columns: Sequence[ColumnProfile], reference: Reference, window: Window
) -> Verdict:
    """Return the verdict on how many columns have become constant."""
    watched = [
        column
        for column in columns
        if column.kind is not ColumnKind.IGNORED and column.derived is None
    ]
    if not watched:
        refusal = Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            "ConstantColumns fits none of the columns: it needs counted ones that are sent",
        )
        return unknown(metric, refusal, window)
    rows = reference.rows(window.ticks)
    samples = most_rows(rows, columns)
    few = too_few(metric, samples, window, "rows")
    if few is not None:
        return unknown(metric, few, window, samples=samples)
    panes = [pane for tick in window.ticks for pane in reference.panes(tick)]
    if any(pane.alike is None and pane.columns for pane in panes):
        return unknown(metric, NOT_COUNTED, window, samples=samples)
    found = []
    for column in watched:
        values = {
            (pane.alike or {}).get(column.name)
            for pane in panes
            if column.name in pane.columns and _present(pane.columns[column.name])
        }
        alike = len(values) == 1 and None not in values
        if alike and _is_news(column, rows[column.name], len(watched), window):
            found.append(column.name)
    which = "1 column has" if len(found) == 1 else f"{len(found)} columns have"
    text = f"{which} become constant{_list(found)}, over {samples} rows"
    findings = tuple(ColumnFinding(name, 1.0) for name in found)
    return judged(metric, Measurement(float(len(found)), samples, text, findings), window)


def _present(counts: ColumnCounts) -> bool:
    return counts.rows > counts.missing + counts.mismatched


def _is_news(column: ColumnProfile, totals: ColumnTotals, columns: int, window: Window) -> bool:
    """Return whether equal values are more than the baseline and chance explain.

    n independent rows are all alike with probability sum p^n, at most p^(n - 1) with p the largest
    share of a value. Of numbers the share of a cell stands for it, which is not smaller.
    """
    if _was_constant(column):
        return False
    cells = column.cells
    present = totals.rows - totals.missing - totals.mismatched
    independent = present / worth_of(column, window.ticks[-1].interval)
    largest = max(cells, default=0) / sum(cells) if sum(cells) else 1.0
    if not cells:  # text whose lengths the baseline does not know: most of it differs
        largest = HALF
    if independent <= 1 or largest >= 1:
        return False
    return (independent - 1) * math.log(largest) < math.log(ERROR_LEVEL / columns)


def _was_constant(column: ColumnProfile) -> bool:
    if column.kind is ColumnKind.NUMERIC:
        return len(column.cuts) <= 1
    if column.kind is ColumnKind.CATEGORICAL:
        return sum(1 for count in column.cells if count) <= 1 and column.cells[-1] == 0
    return False


def judge_schema(metric: Metric, reference: Reference, window: Window) -> Verdict:
    """Return the verdict on how many inputs were added, are gone, or have another type."""
    inputs = [
        column for column in reference.profile.inputs if column.kind is not ColumnKind.IGNORED
    ]
    rows = reference.rows(window.ticks)
    samples = most_rows(rows, inputs)
    few = too_few(metric, samples, window, "rows")
    if few is not None:
        return unknown(metric, few, window, samples=samples)
    z = NormalDist().inv_cdf(1 - ERROR_LEVEL / max(1, 2 * len(inputs)))
    gone, retyped = [], []
    for column in inputs:
        totals = rows[column.name]
        worth = worth_of(column, window.ticks[-1].interval)
        before = column.missing / column.rows if column.rows else 0.0
        present = totals.rows - totals.missing
        if before < HALF and _nearly_all(totals.missing, totals.rows, worth, z):
            gone.append(column.name)
        elif _nearly_all(totals.mismatched, present, worth, z):
            retyped.append(column.name)
    added = _added(reference, window)
    if isinstance(added, Refusal):
        return unknown(metric, added, window, samples=samples)
    parts = [
        f"{word} {_names(names)}"
        for word, names in (("gone:", gone), ("of another type:", retyped), ("added:", added))
        if names
    ]
    changed = [*gone, *retyped, *added]
    count = "1 change" if len(changed) == 1 else f"{len(changed)} changes"
    which = f" ({'; '.join(parts)})" if parts else ""
    text = f"{count} of the schema{which}, over {samples} rows"
    findings = tuple(ColumnFinding(name, 1.0) for name in changed)
    measured = Measurement(float(len(changed)), samples, text, findings)
    return judged(metric, measured, window)


def _nearly_all(hits: int, of: int, worth: float, z: float) -> bool:
    if not of or hits < NEARLY_ALL * of:
        return False
    return wilson(hits / worth, of / worth, z)[0] >= HALF


def _added(reference: Reference, window: Window) -> list[str] | Refusal:
    """Return the inputs that at least half of the requests have and the baseline does not."""
    panes = [pane for tick in window.ticks for pane in reference.panes(tick)]
    if any(pane.names is None and pane.columns for pane in panes):
        return NOT_COUNTED
    told = [pane.names for pane in panes if pane.names is not None]
    requests = sum(each.requests for each in told)
    known = {column.name for column in reference.profile.columns}
    counts: dict[str, int] = {}
    for each in told:
        for name, times in each.unexpected.items():
            counts[name] = counts.get(name, 0) + times
    if requests < LEAST_NAMED:
        return []
    return sorted(
        name for name, times in counts.items() if times >= HALF * requests and name not in known
    )


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(shortened(name, LONGEST_NAME) for name in names[:NAMED_COLUMNS])
    more = len(names) - NAMED_COLUMNS
    return f"{shown} and {more} more" if more > 0 else shown


def _list(names: Iterable[str]) -> str:
    found = list(names)
    return f": {_names(found)}" if found else ""
