"""Reading the rows of a baseline: CSV or Parquet to columns, as the profile builder takes them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv, parquet

from modelmonitor.cli.errors import CommandError

MISSING: Final = ("", "NA", "NaN", "nan", "null", "NULL")
"""Unquoted CSV fields that stand for a missing value."""

Values = NDArray[Any] | list[Any]


@dataclass(frozen=True)
class Rows:
    """The rows of a file, by column.

    Attributes
    ----------
    columns
        Name → values: numbers as an array with NaN for missing ones, everything else as a list
        with None.
    times
        Seconds since the epoch of each row, shape `(n_rows,)`, NaN where there is none; None
        without a time column.
    """

    columns: Mapping[str, Values]
    times: NDArray[np.float64] | None


def read_rows(path: Path, *, time: str | None, leave_out: Collection[str]) -> Rows:
    """Return the rows of a CSV or Parquet file.

    Parameters
    ----------
    path
        File; its ending, `.csv` or `.parquet`, says which kind it is.
    time
        Name of the column with the rows' times: timestamps, RFC 3339 text, or seconds since the
        epoch. Times without a zone are UTC.
    leave_out
        Columns that are not wanted.

    Raises
    ------
    CommandError
        If the file cannot be read, or a column is missing or of a kind that cannot be counted.
    """
    table = _read(path, time)
    for name in [*leave_out, *([time] if time else [])]:
        if name not in table.column_names:
            known = ", ".join(table.column_names[:20])
            raise CommandError(f"{path} has no column {name}: its columns are {known}")
    unwanted = {*leave_out, time}
    return Rows(
        columns={
            name: values_of(name, table.column(name))
            for name in table.column_names
            if name not in unwanted
        },
        times=times_of(time, table.column(time)) if time else None,
    )


def _read(path: Path, time: str | None) -> pa.Table:
    try:
        if path.suffix == ".parquet":
            return parquet.read_table(path)
        if path.suffix == ".csv":
            return read_csv(path, time)
    except FileNotFoundError as error:
        raise CommandError(f"there is no file {path}") from error
    except (pa.ArrowException, OSError) as error:
        raise CommandError(f"{path} is not readable: {error}") from error
    raise CommandError(f"{path}: the name must end in .csv or .parquet")


def read_csv(path: Path, time: str | None) -> pa.Table:
    """Return a CSV's table; dates stay text but in the time column, since requests hold text."""
    table = csv.read_csv(path, convert_options=_convert_options({}))
    dates = [
        field.name
        for field in table.schema
        if pa.types.is_temporal(field.type) and field.name != time
    ]
    if not dates:
        return table
    return csv.read_csv(path, convert_options=_convert_options(dict.fromkeys(dates, pa.string())))


def _convert_options(types: Mapping[str, Any]) -> csv.ConvertOptions:
    return csv.ConvertOptions(
        null_values=list(MISSING),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
        column_types=dict(types),
    )


def values_of(name: str, column: pa.ChunkedArray) -> Values:
    """Return the values of a column as the counters take them.

    Raises
    ------
    CommandError
        If they are of a kind that cannot be counted.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = kind.value_type
    if pa.types.is_decimal(kind):
        column = column.cast(pa.float64())
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(column.to_numpy())
    if pa.types.is_temporal(kind):
        return list(column.cast(pa.string()).to_pylist())
    if pa.types.is_boolean(kind) or _is_text(kind) or pa.types.is_null(kind) or _is_payload(kind):
        return list(column.to_pylist())
    raise CommandError(
        f"column {name} holds {kind}, which cannot be counted: leave it out with --inputs, or "
        "write its parts as columns of their own"
    )


def times_of(name: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    """Return the seconds since the epoch that a column means, NaN where it says nothing.

    Raises
    ------
    CommandError
        If it holds no times.
    """
    kind = column.type
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        instants = column.cast(pa.timestamp("us")).cast(pa.int64())
        return np.asarray(instants.to_numpy(), np.float64) / 1e6
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return np.asarray(column.to_numpy(), np.float64)
    if _is_text(kind):
        return np.array(_parsed(name, column.to_pylist()), np.float64)
    raise CommandError(f"column {name} holds {kind}, not times")


def _parsed(name: str, texts: Sequence[str | None]) -> list[float]:
    return [float("nan") if text is None else _seconds(name, text) for text in texts]


def _seconds(name: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CommandError(
            f"column {name} holds {text!r}: write times as 2026-01-31T12:00:00Z, or as seconds "
            "since the epoch"
        ) from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )


def _is_payload(kind: Any) -> bool:
    """Return whether values are pictures, sounds or embeddings, which are not counted."""
    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or any(is_list(kind) for is_list in lists)
    )
