"""Reading the rows of a history in the order of time: all times at once, columns piece by piece."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet

from modelmonitor.cli.baseline_data import Values, read_csv, times_of, values_of
from modelmonitor.cli.errors import CommandError

BATCH_ROWS: Final = 65_536
"""Rows that are read in one go: 13 MB of 25 columns."""
LATEST: Final = 7_258_118_400.0
"""The year 2200, seconds since the epoch: later times are in another unit."""
NAMED: Final = 20
"""Columns that a message names."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, in the order of time.

    Attributes
    ----------
    times
        Seconds since the epoch, shape `(n_rows,)`, finite.
    columns
        Name → values, each of `n_rows`.
    """

    times: Floats
    columns: Mapping[str, Values]


class RowFile:
    """A CSV or Parquet file whose rows have times.

    A Parquet file is read piece by piece, as long as its rows are in the order of time; one whose
    rows are not is sorted in memory, as is every CSV file.

    Parameters
    ----------
    path
        Its ending, `.csv` or `.parquet`, says which kind it is.
    time
        Name of the column with the rows' times.
    zone
        Zone of times that do not say theirs; None: UTC.

    Raises
    ------
    CommandError
        If the file cannot be read, or has no such times.
    """

    def __init__(self, path: Path, time: str | None, zone: ZoneInfo | None) -> None:
        self._path = path
        self._table: pa.Table | None = None
        self.names: Sequence[str]
        """All columns but the times'."""
        self._open(time)
        if time is None or time not in self.names:
            known = ", ".join(self.names[:NAMED])
            missing = "say with --time which column holds the rows' times"
            raise CommandError(
                f"{missing}: the columns of {path} are {known}"
                if time is None
                else f"{path} has no column {time}: {missing}, of {known}"
            )
        self.names = [name for name in self.names if name != time]
        column = self._read([time]).column(time)
        self.without_zone = _is_naive(column)
        """The times do not say their zone, and none was given for them."""
        if zone is not None and self.without_zone:
            column, self.without_zone = _placed(column, zone), False
        times = _checked(path, time, times_of(time, column))
        self._usable = np.isfinite(times)
        self.times: Floats = times[self._usable]
        """Of all rows that have one, in the order of time, seconds since the epoch."""
        self.untimed = int(times.size - self.times.size)
        """Rows without a time, which are left out."""
        self._order: NDArray[np.int64] | None = None
        if np.any(np.diff(self.times) < 0):
            self._order = np.argsort(self.times, kind="stable")
            self.times = self.times[self._order]
        if not self.times.size:
            raise CommandError(f"{path}: no row has a time in column {time}")

    @property
    def rows(self) -> int:
        """Rows that have a time."""
        return int(self.times.size)

    @property
    def was_unsorted(self) -> bool:
        """Whether the rows were not in the order of time."""
        return self._order is not None

    def batches(self, names: Sequence[str]) -> Iterator[Batch]:
        """Yield the rows in the order of time, with some columns.

        Raises
        ------
        CommandError
            If a column holds what cannot be counted, or the file cannot be read any more.
        """
        done = 0
        for piece in self._pieces(names):
            end = done + piece.num_rows
            columns = {name: values_of(name, piece.column(name)) for name in names}
            yield Batch(self.times[done:end], columns)
            done = end

    def _pieces(self, names: Sequence[str]) -> Iterator[pa.Table]:
        if self._order is None and self._table is None:
            yield from self._streamed(names)
            return
        table = self._read(names)
        if not self._usable.all():
            table = table.filter(pa.array(self._usable))
        if self._order is not None:
            table = table.take(pa.array(self._order))
        for start in range(0, table.num_rows, BATCH_ROWS):
            yield table.slice(start, BATCH_ROWS)

    def _streamed(self, names: Sequence[str]) -> Iterator[pa.Table]:
        start = 0
        file = parquet.ParquetFile(self._path)
        try:
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=list(names)):
                usable = self._usable[start : start + batch.num_rows]
                start += batch.num_rows
                piece = pa.Table.from_batches([batch])
                yield piece if usable.all() else piece.filter(pa.array(usable))
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{self._path} is not readable: {error}") from error

    def _open(self, time: str | None) -> None:
        path = self._path
        try:
            if path.suffix == ".parquet":
                self.names = parquet.ParquetFile(path).schema_arrow.names
            elif path.suffix == ".csv":
                self._table = read_csv(path, time)
                self.names = self._table.column_names
            else:
                raise CommandError(f"{path}: the name must end in .csv or .parquet")
        except FileNotFoundError as error:
            raise CommandError(f"there is no file {path}") from error
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{path} is not readable: {error}") from error

    def _read(self, names: Sequence[str]) -> pa.Table:
        if self._table is not None:
            return self._table.select(list(names))
        try:
            return parquet.read_table(self._path, columns=list(names))
        except (pa.ArrowException, OSError) as error:
            raise CommandError(f"{self._path} is not readable: {error}") from error


def _checked(path: Path, time: str, times: Floats) -> Floats:
    if np.nanmin(times, initial=0.0) < 0:
        raise CommandError(
            f"{path}: column {time} holds times before 1970, which panes cannot have"
        )
    latest = float(np.nanmax(times, initial=0.0))
    if latest > LATEST:
        raise CommandError(
            f"{path}: column {time} holds {latest:.4g}, which is after the year 2200: numbers must "
            "be seconds since the epoch, so divide milliseconds by 1,000 first"
        )
    return times


def _is_naive(column: pa.ChunkedArray) -> bool:
    kind = column.type
    if pa.types.is_timestamp(kind):
        return kind.tz is None
    if pa.types.is_date(kind):
        return True
    if _is_text(kind):
        texts = (text for text in column.to_pylist() if text is not None)
        first = _moment(next(texts, None))
        return first is not None and first.tzinfo is None
    return False


def _placed(column: pa.ChunkedArray, zone: ZoneInfo) -> Any:
    """Return times without zone as times of a zone; an hour that clocks repeat is the first one."""
    if _is_text(column.type):
        found = [_moment(text) for text in column.to_pylist()]
        moments = [
            each if each is None or each.tzinfo else each.replace(tzinfo=zone) for each in found
        ]
        utc = [None if each is None else each.astimezone(UTC) for each in moments]
        return pa.chunked_array([pa.array(utc, pa.timestamp("us", "UTC"))])
    return compute.assume_timezone(
        column.cast(pa.timestamp("us"), safe=False),
        zone.key,
        ambiguous="earliest",
        nonexistent="latest",
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else datetime.fromisoformat(text)
    except ValueError:
        return None


def _is_text(kind: Any) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    )
