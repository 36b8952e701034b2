"""The checks of columns: which flaw each looks for, where it fits, and how it is estimated."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from modelmonitor.api.v1alpha1.quality_options import DataQualityCheck
from modelmonitor.core.baseline.profile import ColumnKind, ColumnProfile
from modelmonitor.core.counting.repetition import NOT_COUNTED, repetition
from modelmonitor.core.judging.comparison import Estimate, exactly
from modelmonitor.core.judging.judgement import Refusal
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.windows import Window
from modelmonitor.core.judging.worth import worth_of
from modelmonitor.core.pane.panes import ColumnTotals
from modelmonitor.core.statistics.shares import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One column in one window.

    Attributes
    ----------
    column
        As the baseline has it.
    totals
        Its counts in the window.
    window, reference
        Where they are from.
    z
        Standard deviations from an estimate to each end of its interval.
    level
        Probability that belongs to it: that the truth is beyond one end.
    """

    column: ColumnProfile
    totals: ColumnTotals
    window: Window
    reference: Reference
    z: float
    level: float

    @property
    def worth(self) -> float:
        """Rows that are worth one independent row."""
        return worth_of(self.column, self.window.ticks[-1].interval)

    def share(self, hits: int, of: int) -> Estimate | None:
        """Return the estimate of a share of the window; None where there is nothing to share."""
        return _share(hits, of, self.worth, self.z) if of else None

    def share_before(self, hits: int, of: int) -> Estimate:
        """Return the estimate of a share of the baseline; 0 where it is empty."""
        return _share(hits, of, self.column.phi, self.z) if of else exactly(0.0)


Measure: TypeAlias = Callable[[Look], Estimate | Refusal | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnCheck:
    """One check of columns.

    Attributes
    ----------
    word
        What the share is of, in messages.
    needs
        Which columns it fits, in words.
    fits
        Whether it fits a column.
    now
        The estimate in a window; None where the column has no value, a refusal where it cannot be
        measured.
    before
        The estimate in the baseline.
    """

    word: str
    needs: str
    fits: Callable[[ColumnProfile], bool]
    now: Measure
    before: Measure


def _share(hits: int, of: int, worth: float, z: float) -> Estimate:
    low, high = wilson(hits / worth, of / worth, z)
    return Estimate(hits / of, low, high)


def _is_counted(column: ColumnProfile) -> bool:
    return column.kind is not ColumnKind.IGNORED


def _is_sent(column: ColumnProfile) -> bool:
    return _is_counted(column) and column.derived is None


def _is_bounded(column: ColumnProfile) -> bool:
    return column.kind.ordered and bool(column.cuts)


def _is_categorical(column: ColumnProfile) -> bool:
    return column.kind is ColumnKind.CATEGORICAL


def _is_numeric(column: ColumnProfile) -> bool:
    return column.kind is ColumnKind.NUMERIC


def _nothing(look: Look) -> Estimate:
    del look
    return exactly(0.0)


def _missing(look: Look) -> Estimate | None:
    return look.share(look.totals.missing, look.totals.rows)


def _missing_before(look: Look) -> Estimate:
    return look.share_before(look.column.missing, look.column.rows)


def _empty(look: Look) -> Estimate | Refusal | None:
    if look.column.kind is ColumnKind.NUMERIC:
        return _missing(look)
    if look.totals.empty is None:
        return NOT_COUNTED
    return look.share(look.totals.missing + look.totals.empty, look.totals.rows)


def _empty_before(look: Look) -> Estimate | Refusal:
    column = look.column
    empty = 0 if column.kind is ColumnKind.NUMERIC else column.empty
    if empty is None:
        return NOT_IN_BASELINE
    return look.share_before(column.missing + empty, column.rows)


def _mismatched(look: Look) -> Estimate | None:
    return look.share(look.totals.mismatched, look.totals.rows - look.totals.missing)


def _infinite(look: Look) -> Estimate | None:
    return look.share(look.totals.infinite, look.totals.valued)


def _infinite_before(look: Look) -> Estimate | Refusal:
    """Return 0 where nothing is beyond the cuts; the baseline's extremes are finite."""
    cells = look.column.cells
    return look.share_before(cells[-1], sum(cells)) if cells else exactly(0.0)


def _out_of_range(look: Look) -> Estimate | None:
    return look.share(look.totals.below + look.totals.above, look.totals.valued)


def _new(look: Look) -> Estimate | None:
    return look.share(look.totals.unknown, look.totals.valued)


def _new_before(look: Look) -> Estimate:
    cells = look.column.cells
    return look.share_before(cells[-1], sum(cells))


def _vanished(look: Look) -> Estimate | None:
    """Return the share of the baseline whose categories are gone.

    A category is gone if it was not seen among n independent rows, and its share p makes that too
    improbable, (1 - p)^n, where p is as small as the baseline leaves possible.
    """
    before, now = look.column.cells[:-1], look.totals.cells[:-1]
    values, independent = look.totals.valued, look.totals.valued / look.worth
    if not values or not sum(before):
        return None
    least = math.log(look.level / max(1, len(before)))
    gone = 0
    for was, seen in zip(before, now, strict=True):
        if was and not seen:
            share = look.share_before(was, sum(look.column.cells)).low
            if share >= 1 or independent * math.log1p(-share) < least:
                gone += was
    return look.share_before(gone, sum(look.column.cells))


def _distinct(look: Look) -> Estimate | Refusal | None:
    values = look.totals.rows - look.totals.missing - look.totals.mismatched
    if not values:
        return None
    found = repetition(look.reference, look.window.ticks, look.column.name, values, look.z)
    return found if isinstance(found, Refusal) else found.distinct


NOT_IN_BASELINE: Final = Refusal(
    reason=NOT_COUNTED.reason,
    message="the baseline does not tell how many texts are empty: build it anew from rows, or "
    "compare with PreviousPeriod",
)

CHECKS: Final[Mapping[DataQualityCheck, ColumnCheck]] = {
    DataQualityCheck.MISSING_RATIO: ColumnCheck(
        word="missing",
        needs="counted",
        fits=_is_counted,
        now=_missing,
        before=_missing_before,
    ),
    DataQualityCheck.EMPTY_RATIO: ColumnCheck(
        word="empty",
        needs="counted",
        fits=_is_counted,
        now=_empty,
        before=_empty_before,
    ),
    DataQualityCheck.TYPE_MISMATCH_RATIO: ColumnCheck(
        word="of the wrong type",
        needs="counted",
        fits=_is_counted,
        now=_mismatched,
        before=_nothing,
    ),
    DataQualityCheck.INFINITE_RATIO: ColumnCheck(
        word="infinite",
        needs="numeric",
        fits=_is_numeric,
        now=_infinite,
        before=_infinite_before,
    ),
    DataQualityCheck.OUT_OF_RANGE_RATIO: ColumnCheck(
        word="out of range",
        needs="numeric or text",
        fits=_is_bounded,
        now=_out_of_range,
        before=_nothing,
    ),
    DataQualityCheck.NEW_CATEGORY_RATIO: ColumnCheck(
        word="new",
        needs="categorical",
        fits=_is_categorical,
        now=_new,
        before=_new_before,
    ),
    DataQualityCheck.VANISHED_CATEGORY_RATIO: ColumnCheck(
        word="vanished of the baseline",
        needs="categorical",
        fits=_is_categorical,
        now=_vanished,
        before=_nothing,
    ),
    DataQualityCheck.DISTINCT_RATIO: ColumnCheck(
        word="different",
        needs="counted, but no derived,",
        fits=_is_sent,
        now=_distinct,
        before=_nothing,
    ),
}
