"""Learning a baseline's cut points and categories from panes alone.

Collectors count by cut points that are given to them, so these are found by asking twice more: the
first panes are counted in cells that hold any number (a logarithmic grid, both signs), the next
ones in cells of about equal rows within those, and so on; every round narrows the cells where rows
are by the number of cells. Of values a narrow band far from 0, such as times, three rounds leave
cells of a millionth of their size. The rows of the last round, counted exactly in the cells that
stay, become the baseline; those before are not part of it.

Sketches in panes would need one round only, but their library does not survive every payload, and
panes come from pods that may send anything. Counts in cells can only be wrong numbers.

Categories are the values that panes name as new; what was found is listed in the next round, so
that rarer ones can be named then.
"""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from modelmonitor.api.v1alpha1.learned import LearnedBaseline, LearnedKind
from modelmonitor.core.baseline.profile import (
    MAX_CUTS,
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    OutputLocator,
    Profile,
)
from modelmonitor.core.counting.novel import MAX_NOVEL_NAME, most_frequent
from modelmonitor.core.pane.history import MOST_CELLS, ColumnHour, Hour
from modelmonitor.core.statistics.shares import Floats

ROUNDS: Final = 3
"""Rounds of panes that only find cut points."""
ROUND_PART: Final = 8
"""Each of them takes this part of `minRows`."""
EDGES: Final = 20
"""Quantile edges between minimum and maximum in the end, as of baselines that are built."""
MOST_CATEGORIES: Final = 200
"""Categories that are listed; what is rarer is counted together."""
SMALLEST: Final = 1e-9
LARGEST: Final = 1e12
"""Sizes between which the first grid tells numbers apart."""
LONGEST_TEXT: Final = 1e7
LEAST_GRID: Final = 16
"""Cut points of the first grid where there are very many columns."""


class Skeleton(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far learning is."""

    schema: str
    """What was declared; another declaration begins anew."""
    stage: int = 0
    """Finished rounds; with `ROUNDS` the cells stay."""
    digest: str = ""
    """Of the profile whose cells are counted now; its counts are 0."""


def schema_of(learned: LearnedBaseline) -> str:
    """Return what of a declaration the cells depend on, as text."""
    return learned.model_dump_json(by_alias=True, include={"inputs", "outputs"})


def rows_of_round(learned: LearnedBaseline) -> int:
    """Return the rows that a round takes which only finds cut points."""
    return max(1, learned.min_rows // ROUND_PART)


def first_skeleton(learned: LearnedBaseline) -> Profile:
    """Return the columns with the cells of the first round, and no counts."""
    size = _grid_size(learned)
    columns = [_bare(each.name, each.kind, ColumnRole.INPUT, None, size) for each in learned.inputs]
    outputs = sorted(learned.outputs, key=lambda each: each.role.value)  # Label before Score
    columns += [
        _bare(
            each.name,
            each.kind,
            ColumnRole(each.role.value),
            OutputLocator(output=each.output, index=each.index),
            size,
        )
        for each in outputs
    ]
    return Profile(rows=0, columns=columns)


def next_skeleton(
    learned: LearnedBaseline, skeleton: Profile, digest: str, hours: Sequence[Hour], stage: int
) -> Profile:
    """Return the columns with the cells of the next round, and no counts.

    Parameters
    ----------
    learned
        As declared.
    skeleton
        The columns of the round that is over.
    digest
        Its digest.
    hours
        What panes counted in it; in any order.
    stage
        Finished rounds, this one included; with `ROUNDS` the cells are those that stay.
    """
    size = EDGES + 2 if stage >= ROUNDS else _grid_size(learned)
    parts: dict[str, list[ColumnHour]] = {column.name: [] for column in skeleton.columns}
    for hour in sorted(hours, key=lambda each: each.start):
        for origin in hour.origins:
            if origin.digest == digest:
                for name, column in origin.columns.items():
                    parts[name].append(column)
    columns = [_refined(column, parts[column.name], size, stage) for column in skeleton.columns]
    return msgspec.structs.replace(skeleton, columns=columns)


def _grid_size(learned: LearnedBaseline) -> int:
    columns = len(learned.inputs) + len(learned.outputs)
    return max(LEAST_GRID, min(MAX_CUTS, MOST_CELLS // columns - 1))


def _bare(
    name: str, kind: LearnedKind, role: ColumnRole, locator: OutputLocator | None, size: int
) -> ColumnProfile:
    cuts = _first_cuts(kind, size)
    return ColumnProfile(
        name=name,
        kind=ColumnKind(kind.value),
        role=role,
        locator=locator,
        cuts=cuts,
        complete=False,
        cells=[0] * (len(cuts) + 1),
    )


def _first_cuts(kind: LearnedKind, size: int) -> list[float]:
    if kind is LearnedKind.CATEGORICAL:
        return []
    if kind is LearnedKind.TEXT:
        return [0.0, *(float(cut) for cut in np.geomspace(1, LONGEST_TEXT, size - 1))]
    half = (size - 1) // 2
    positive = np.geomspace(SMALLEST, LARGEST, half)
    return [float(cut) for cut in np.concatenate([-positive[::-1], [0.0], positive])]


def _refined(
    column: ColumnProfile, parts: Sequence[ColumnHour], size: int, stage: int
) -> ColumnProfile:
    if column.kind is ColumnKind.CATEGORICAL:
        return _with_categories(column, parts)
    cells = np.sum([part.cells for part in parts], axis=0) if parts else np.zeros(0)
    if not cells.sum():
        return column
    choose = last_cuts if stage >= ROUNDS else refined_cuts
    cuts = choose(np.array(column.cuts), cells.astype(np.float64), size)
    return msgspec.structs.replace(column, cuts=cuts, cells=[0] * (len(cuts) + 1))


def refined_cuts(cuts: Floats, cells: Floats, size: int) -> list[float]:
    """Return cut points between which about equally many rows lie.

    Within a cell rows are taken to be spread evenly. The first and last cut are the ends of the
    outermost cells that hold rows, so that nothing that was seen lies outside.

    Parameters
    ----------
    cuts
        Those that the rows were counted by, strictly increasing, shape `(n_cuts,)`.
    cells
        Rows in each cell, shape `(n_cuts + 1,)`, some more than 0.
    size
        How many to return at most, at least 2.
    """
    ends, reached = _ends_and_parts(cuts, cells)
    held = np.flatnonzero(cells)
    inner = np.interp(np.linspace(0, 1, size)[1:-1], reached, ends)
    found = np.unique(np.concatenate([[ends[held[0]]], inner, [ends[held[-1] + 1]]]))
    return [float(cut) for cut in found]


def last_cuts(cuts: Floats, cells: Floats, size: int) -> list[float]:
    """Return those of the cut points that the rows' quantiles lie at.

    Parameters are those of `refined_cuts`. Nothing is taken between cut points: rows that are all
    at one value would get cells without rows there.
    """
    ends, reached = _ends_and_parts(cuts, cells)
    held = np.flatnonzero(cells)
    levels = np.linspace(0, 1, size)[1:-1]
    inner = ends[np.searchsorted(reached, levels, side="left")]
    found = np.unique(np.concatenate([[ends[held[0]]], inner, [ends[held[-1] + 1]]]))
    return [float(cut) for cut in found]


def _ends_and_parts(cuts: Floats, cells: Floats) -> tuple[Floats, Floats]:
    """Return the ends of all cells, and the part of the rows that lies at or below each.

    The open cells have no outer end: what lies there counts as being at their inner one.
    """
    ends = np.concatenate([cuts[:1], cuts, cuts[-1:]])
    return ends, np.concatenate([[0.0], np.cumsum(cells)]) / cells.sum()


def _with_categories(column: ColumnProfile, parts: Sequence[ColumnHour]) -> ColumnProfile:
    counts: dict[str, int] = dict.fromkeys(column.categories, 0)
    for part in parts:
        for name, rows in zip(column.categories, part.cells, strict=False):
            counts[name] += rows
        for name, rows in part.novel.items():
            if _is_whole(name):
                counts[name] = counts.get(name, 0) + rows
    listed = list(most_frequent(counts, MOST_CATEGORIES))
    return msgspec.structs.replace(
        column, categories=listed, complete=False, cells=[0] * (len(listed) + 1)
    )


def _is_whole(name: str) -> bool:
    """Return whether a new value's name is the value: not cut off, nothing replaced in it."""
    return len(name) < MAX_NOVEL_NAME and "\N{REPLACEMENT CHARACTER}" not in name


def settled(profile: Profile) -> Profile:
    """Return a learned profile that says of which columns every value was listed."""
    columns = [
        msgspec.structs.replace(column, complete=column.cells[-1] == 0)
        if column.kind is ColumnKind.CATEGORICAL
        else column
        for column in profile.columns
    ]
    return msgspec.structs.replace(profile, columns=columns)
