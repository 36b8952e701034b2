"""Building the baseline profile from the rows that the model should see: arrays in, profile out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.core.baseline.column_builder import (
    CATEGORY_LIMIT,
    EDGES,
    FEW_ROWS,
    BaselineDataError,
    Floats,
    Values,
    Wish,
    count_column,
    few_whole_numbers,
)
from modelmonitor.core.baseline.profile import (
    MAX_NAME,
    MAX_PROFILE_BYTES,
    ColumnRole,
    OutputLocator,
    Profile,
    canonical,
)
from modelmonitor.core.baseline.profile_seasons import (
    Clock,
    TimedColumn,
    clock_of,
    timed,
    with_hours,
)
from modelmonitor.core.statistics.dependence import Blocks, blocks_of
from modelmonitor.core.times import format_time

__all__ = [
    "CATEGORY_LIMIT",
    "EDGES",
    "BaselineDataError",
    "Clocked",
    "OutputColumn",
    "build_profile",
]

DAY: Final = 86_400.0
ENVELOPE_SECONDS: Final = (5.0, 60.0, 3600.0)
"""Block lengths of the envelopes; a monitor takes the longest that is not above its interval."""
RESERVE: Final = 48 * 1024
"""Bytes of a profile that are left for what is added to it after its columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """A column of the table that the model answers with.

    Attributes
    ----------
    column
        Name of the column.
    role
        Label (the predicted class or value) or Score.
    locator
        Where it stands in the response; the output of the same name if not given.
    """

    column: str
    role: ColumnRole
    locator: OutputLocator | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked:
    """How rows are counted by hour.

    Attributes
    ----------
    seasonality
        The finest hours that are counted; None: those that help, by what they say of weeks that
        were held out.
    zone
        IANA name of the time zone whose clock it is.
    """

    seasonality: Seasonality | None = None
    zone: str = "UTC"


BY_EVIDENCE: Final = Clocked()
"""The finest hours that help, in UTC."""


def build_profile(
    table: Mapping[str, Values],
    *,
    inputs: Sequence[str] | None = None,
    categorical: Collection[str] = (),
    outputs: Sequence[OutputColumn] = (),
    times: Floats | None = None,
    envelope_seconds: Sequence[float] = ENVELOPE_SECONDS,
    clock: Clocked = BY_EVIDENCE,
) -> Profile:
    """Return the profile of a table of rows.

    Parameters
    ----------
    table
        Column name → values, all of one length `n_rows`. None and NaN are missing. Numbers become
        numeric columns, everything else categorical ones.
    inputs
        The model's inputs in serving order; every column that is no output if not given.
    categorical
        Columns of numbers that are codes, not quantities.
    outputs
        The columns that the model answers with.
    times
        Seconds since the epoch of each row, shape `(n_rows,)`, in any order. Without times nothing
        is known about the rows' dependence.
    envelope_seconds
        Lengths of the blocks whose extremes are kept, increasing.
    clock
        By which clock rows are counted by hour, and how finely.

    Raises
    ------
    BaselineDataError
        If there are no rows, a column is missing, or lengths differ.
    """
    answered = [output.column for output in outputs]
    named = [name for name in table if name not in answered] if inputs is None else list(inputs)
    rows = _check_table(table, [*named, *answered], times)
    parts = _time_blocks(times, envelope_seconds)
    # The label comes before the score, in whichever order they are named.
    answers = sorted(outputs, key=lambda output: output.role is ColumnRole.SCORE)
    wishes = [
        *(Wish(name=name, categorical=name in categorical) for name in named),
        *(_output_wish(output, table[output.column], categorical) for output in answers),
    ]
    by_clock = clock_of(times, clock.zone) if times is not None and parts else None
    columns = [
        timed(count_column(table[wish.name], wish), parts, by_clock, clock.seasonality)
        for wish in wishes
    ]
    first, last = (float(times.min()), float(times.max())) if times is not None else (0.0, 0.0)
    profile = Profile(
        rows=rows,
        columns=[each.profile for each in columns],
        timeZone=clock.zone,
        firstTime=format_time(first) if parts else "",
        lastTime=format_time(last) if parts else "",
        ordered=bool(parts),
        warnings=[
            *_weaknesses(rows, last - first, ordered=bool(parts)),
            *_too_short(by_clock, clock.seasonality),
        ],
    )
    room = MAX_PROFILE_BYTES - RESERVE - len(canonical(profile))
    return msgspec.structs.replace(
        profile,
        columns=with_hours(columns, room),
        seasonality=_seasonality(columns, by_clock, clock.seasonality).value,
    )


def _seasonality(
    columns: Sequence[TimedColumn], clock: Clock | None, wanted: Seasonality | None
) -> Seasonality:
    """Return the seasonality that was asked for, else the finest by which a column is compared."""
    order = list(Seasonality)
    if clock is None:
        return Seasonality.NONE
    if wanted is not None:
        return min(wanted, clock.finest, key=order.index)
    return max((each.seasonality for each in columns), key=order.index)


def _too_short(clock: Clock | None, wanted: Seasonality | None) -> list[str]:
    order = list(Seasonality)
    finest = Seasonality.NONE if clock is None else clock.finest
    if wanted is None or order.index(wanted) <= order.index(finest):
        return []
    warning = (
        f"the rows do not show each {_WORDS[wanted]} at least twice, so that seasonality "
        f"{wanted.value} cannot be served: the profile has {finest.value}"
    )
    return [warning]


_WORDS: Final = {
    Seasonality.NONE: "hour",
    Seasonality.HOUR_OF_DAY: "hour of the day",
    Seasonality.HOUR_OF_WEEK: "hour of the week",
}


def _output_wish(output: OutputColumn, values: Values, categorical: Collection[str]) -> Wish:
    classes = output.role is ColumnRole.LABEL and few_whole_numbers(values)
    return Wish(
        name=output.column,
        role=output.role,
        locator=output.locator or OutputLocator(output=output.column),
        categorical=classes or output.column in categorical,
    )


def _check_table(table: Mapping[str, Values], names: Sequence[str], times: Floats | None) -> int:
    if not names:
        raise BaselineDataError("there is no column: name the model's inputs")
    for name in names:
        if name not in table:
            known = ", ".join(list(table)[:20])
            raise BaselineDataError(f"there is no column {name}: the columns are {known}")
        if not name or len(name) > MAX_NAME:
            raise BaselineDataError(f"column names have 1 to {MAX_NAME} characters: {name[:50]!r}")
    if len(set(names)) != len(names):
        raise BaselineDataError("a column is named twice: an output cannot be an input as well")
    lengths = {name: len(table[name]) for name in names}
    rows = lengths[names[0]]
    for name, length in lengths.items():
        if length != rows:
            raise BaselineDataError(f"column {name} has {length} values, {names[0]} has {rows}")
    if rows == 0:
        raise BaselineDataError("the table has no rows")
    if times is not None and (len(times) != rows or not np.all(np.isfinite(times))):
        raise BaselineDataError(
            "times must be one finite number a row: drop or repair the rows without a time"
        )
    return rows


def _time_blocks(times: Floats | None, seconds: Sequence[float]) -> list[Blocks]:
    """Return the blocks of each length; none if there is no time to order rows by."""
    if times is None or float(np.ptp(times)) == 0:
        return []
    # Times that are coarse make the shortest blocks alike; once is enough.
    parts = {
        blocks.seconds: blocks
        for blocks in (blocks_of(np.asarray(times, np.float64), each) for each in sorted(seconds))
    }
    return list(parts.values())


def _weaknesses(rows: int, span: float, *, ordered: bool) -> list[str]:
    found = []
    if rows < FEW_ROWS:
        found.append(f"the baseline has only {rows} rows; {FEW_ROWS} or more are needed")
    if not ordered:
        found.append(
            "the rows have no times, so they are taken for independent: drift of values that "
            "wander by themselves, such as weather, will be reported; build with --time"
        )
    elif span < DAY:
        found.append("the rows span less than a day: hours that they do not hold will be reported")
    return found
