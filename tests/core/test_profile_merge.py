"""Merging profiles: counts add up to those of the whole."""

import msgspec
import numpy as np
import pytest

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.column_builder import CountedColumn
from modelmonitor.core.baseline.profile import (
    ColumnProfile,
    HourCells,
    Profile,
    canonical,
    load_profile,
)
from modelmonitor.core.baseline.profile_builder import Clocked, build_profile
from modelmonitor.core.baseline.profile_hours import HOURS_OF_WEEK, pack_hours, unpack_hours
from modelmonitor.core.baseline.profile_merge import UnmergeableError, merge_profiles
from modelmonitor.core.baseline.profile_seasons import clock_of, timed, with_hours
from modelmonitor.core.baseline.seasons import hours_of_week
from modelmonitor.core.counting.columns import cells_of
from modelmonitor.core.statistics.dependence import blocks_of

MONDAY = 1_357_516_800.0
ROWS = 20_000

draw = np.random.default_rng(0)
TIMES = MONDAY + np.sort(draw.random(ROWS)) * 56 * 86_400
VALUES = draw.standard_normal(ROWS) + np.sin(hours_of_week(TIMES, "UTC") * np.pi / 12)
VALUES[::50] = np.nan
NAMES = np.where(draw.random(ROWS) < 0.3, "a", "b")
WHOLE = build_profile({"x": VALUES, "y": NAMES.tolist()}, times=TIMES)


def part_of(column: ColumnProfile, rows: slice) -> ColumnProfile:
    """Return a column's profile of some of the rows, in the whole's cells."""
    if column.name == "x":
        found = VALUES[rows]
        cells = np.full(found.size, -1, np.int64)
        cells[~np.isnan(found)] = cells_of(found[~np.isnan(found)], column.cuts)
        total, squares = float(np.nansum(found)), float(np.nansum(found**2))
    else:
        cells = np.array([column.categories.index(name) for name in NAMES[rows]], np.int64)
        total = squares = 0.0
    counted = msgspec.structs.replace(
        column,
        rows=cells.size,
        missing=int((cells < 0).sum()),
        cells=np.bincount(cells[cells >= 0], minlength=len(column.cells)).tolist(),
        total=total,
        squares=squares,
    )
    times = TIMES[rows]
    blocks = [blocks_of(times, seconds) for seconds in (60.0, 3600.0)]
    made = timed(CountedColumn(counted, cells), blocks, clock_of(times, "UTC"), None)
    return with_hours([made], 10**6)[0]


def part(rows: slice) -> Profile:
    columns = [part_of(column, rows) for column in WHOLE.columns]
    size = len(TIMES[rows])
    return msgspec.structs.replace(WHOLE, rows=size, columns=columns)


def test_the_counts_of_halves_add_up_to_those_of_the_whole() -> None:
    merged = merge_profiles(part(slice(0, 9000)), part(slice(9000, None)))
    assert merged.rows == WHOLE.rows
    for got, whole in zip(merged.columns, WHOLE.columns, strict=True):
        assert (got.rows, got.missing, got.cells) == (whole.rows, whole.missing, whole.cells)
        assert (got.cuts, got.categories) == (whole.cuts, whole.categories)
        assert got.total == pytest.approx(whole.total)
        assert got.squares == pytest.approx(whole.squares)
    x, whole_x = merged.columns[0], WHOLE.columns[0]
    assert x.hours is not None
    assert whole_x.hours is not None
    one, other = (
        unpack_hours(each.hours.packed, each.cells) for each in (x, whole_x) if each.hours
    )
    assert np.array_equal(one.cells, other.cells)
    assert np.array_equal(one.rows, other.rows)
    assert load_profile(canonical(merged)) == merged


def test_the_order_does_not_matter() -> None:
    one, other = part(slice(0, 9000)), part(slice(9000, None))
    assert canonical(merge_profiles(one, other)) == canonical(merge_profiles(other, one))


def test_dependence_and_envelopes_are_the_worse_of_both() -> None:
    one, other = part(slice(0, 9000)), part(slice(9000, None))
    merged = merge_profiles(one, other).columns[0]
    assert merged.phi == max(one.columns[0].phi, other.columns[0].phi)
    assert merged.envelopes
    for got, mine, theirs in zip(
        merged.envelopes, one.columns[0].envelopes, other.columns[0].envelopes, strict=True
    ):
        assert got.low == np.minimum(mine.low, theirs.low).tolist()
        assert got.high == np.maximum(mine.high, theirs.high).tolist()


def test_hours_that_one_of_both_lacks_are_lost() -> None:
    one, other = part(slice(0, 9000)), part(slice(9000, None))
    bare = msgspec.structs.replace(
        other, columns=[msgspec.structs.replace(each, hours=None) for each in other.columns]
    )
    assert merge_profiles(one, bare).columns[0].hours is None


def test_scaled_hours_keep_their_rows() -> None:
    counts = np.random.default_rng(1).poisson(40_000, (HOURS_OF_WEEK, 5)).astype(np.int64)
    packed = pack_hours(counts, 1200)
    assert packed is not None
    hours = HourCells(packed=packed, phi_of_day=1.0)
    column = msgspec.structs.replace(
        WHOLE.columns[0],
        rows=int(counts.sum()),
        missing=0,
        cuts=[0.0, 1.0, 2.0, 3.0],
        cells=counts.sum(axis=0).tolist(),
        hours=hours,
        envelopes=[],
    )
    profile = msgspec.structs.replace(WHOLE, rows=column.rows, columns=[column])
    merged = load_profile(canonical(merge_profiles(profile, profile))).columns[0]
    assert merged.hours is not None
    found = unpack_hours(merged.hours.packed, merged.cells)
    assert np.array_equal(found.rows, 2 * counts.sum(axis=1))
    assert np.allclose(found.shares, counts / counts.sum(axis=1)[:, None], atol=0.02)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cuts": [1.0] * 22}, r"columns\[x\].cuts: they differ"),
        ({"name": "z"}, "other columns"),
    ],
)
def test_other_cells_do_not_merge(change: dict[str, object], words: str) -> None:
    odd = msgspec.structs.replace(WHOLE.columns[0], **change)
    with pytest.raises(UnmergeableError, match=words):
        merge_profiles(WHOLE, msgspec.structs.replace(WHOLE, columns=[odd, WHOLE.columns[1]]))
    with pytest.raises(UnmergeableError, match="timeZone"):
        merge_profiles(WHOLE, msgspec.structs.replace(WHOLE, timeZone="Europe/Berlin"))


def test_a_clock_may_be_left_out() -> None:
    bare = build_profile({"x": VALUES}, times=TIMES, clock=Clocked(seasonality=Seasonality.NONE))
    assert merge_profiles(bare, bare).seasonality == "None"
