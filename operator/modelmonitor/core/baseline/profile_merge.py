"""Merging profiles whose columns have the same cells: counts add up, doubts do not cancel."""

from typing import Final

import msgspec

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.profile import ColumnProfile, Envelope, HourCells, Profile
from modelmonitor.core.baseline.profile_hours import added, pack_hours, unpack_hours
from modelmonitor.core.baseline.profile_seasons import MOST_BYTES

UNMERGED: Final = "what labels and whole rows said of the model is not merged: build it afresh"


class UnmergeableError(ValueError):
    """Two profiles that count in different cells; the message says where."""


def merge_profiles(one: Profile, other: Profile) -> Profile:
    """Return the profile of the rows of both.

    Counts add up. Dependence is the larger of the two: what makes one half differ from the other
    is in neither. Columns keep their counts by hour where both have them. What cannot be told from
    counts (performance, correlations, expected alarms) is left out.

    Raises
    ------
    UnmergeableError
        If the columns, their cut points or categories, or the time zones differ.
    """
    if [each.name for each in one.columns] != [each.name for each in other.columns]:
        raise UnmergeableError("the profiles have other columns, or the same in another order")
    if one.timeZone != other.timeZone:
        raise UnmergeableError(f"timeZone: {one.timeZone} and {other.timeZone} differ")
    columns = [_merged(*pair) for pair in zip(one.columns, other.columns, strict=True)]
    lost = any(each.performance is not None or each.moments for each in (one, other))
    order = [each.value for each in Seasonality]
    return msgspec.structs.replace(
        one,
        rows=one.rows + other.rows,
        columns=columns,
        seasonality=min(one.seasonality, other.seasonality, key=order.index),
        firstTime=min(filter(None, (one.firstTime, other.firstTime)), default=""),
        lastTime=max(one.lastTime, other.lastTime),
        ordered=one.ordered and other.ordered,
        expectedAlarms=None,
        performance=None,
        moments=[],
        warnings=_union(one.warnings, other.warnings, [UNMERGED] if lost else []),
    )


def _merged(one: ColumnProfile, other: ColumnProfile) -> ColumnProfile:
    for field in ("kind", "role", "locator", "derived", "cuts", "categories"):
        if getattr(one, field) != getattr(other, field):
            raise UnmergeableError(f"columns[{one.name}].{field}: they differ")
    cells = [sum(pair) for pair in zip(one.cells, other.cells, strict=True)]
    return msgspec.structs.replace(
        one,
        rows=one.rows + other.rows,
        missing=one.missing + other.missing,
        complete=one.complete and other.complete,
        cells=cells,
        total=one.total + other.total,
        squares=one.squares + other.squares,
        phi=max(one.phi, other.phi),
        envelopes=_envelopes(one, other),
        hours=_hours(one, other, cells),
        warnings=_union(one.warnings, other.warnings),
    )


def _envelopes(one: ColumnProfile, other: ColumnProfile) -> list[Envelope]:
    known = {each.seconds: each for each in other.envelopes}
    return [
        Envelope(
            seconds=mine.seconds,
            phi=max(mine.phi, known[mine.seconds].phi),
            low=list(map(min, mine.low, known[mine.seconds].low)),
            high=list(map(max, mine.high, known[mine.seconds].high)),
        )
        for mine in one.envelopes
        if mine.seconds in known
    ]


def _hours(one: ColumnProfile, other: ColumnProfile, cells: list[int]) -> HourCells | None:
    mine, theirs = one.hours, other.hours
    if mine is None or theirs is None:
        return None
    counts = added(unpack_hours(mine.packed, one.cells), unpack_hours(theirs.packed, other.cells))
    packed = pack_hours(counts, MOST_BYTES, cells)
    if packed is None:
        return None
    days, weeks = (mine.phi_of_day, theirs.phi_of_day), (mine.phi_of_week, theirs.phi_of_week)
    return HourCells(
        packed=packed,
        phi_of_day=max(days) if min(days) >= 1 else 0.0,
        phi_of_week=max(weeks) if min(weeks) >= 1 else 0.0,
    )


def _union(*lists: list[str]) -> list[str]:
    return sorted({text for each in lists for text in each})
