import csv
import gzip
from pathlib import Path

import pytest

from demo.flights.columns import INPUTS, LABEL, PART, PARTS, TIME
from demo.flights.prepare import prepare


def rows_of(table: Path) -> list[dict[str, str]]:
    with gzip.open(table, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_each_season_gets_its_months_without_flights_that_never_arrived(
    package: Path, tmp_path: Path
) -> None:
    assert prepare(package, tmp_path / "out") == {"winter": 2, "july": 1}


def test_rows_are_in_time_order_with_all_inputs(package: Path, tmp_path: Path) -> None:
    prepare(package, tmp_path)
    rows = rows_of(tmp_path / "winter.csv.gz")
    assert [row[TIME] for row in rows] == [
        "2013-01-01T22:00:00+00:00",
        "2013-01-02T10:00:00+00:00",
    ]
    assert list(rows[0]) == [TIME, *INPUTS, LABEL, PART]


def test_a_flight_is_late_above_a_quarter_of_an_hour(package: Path, tmp_path: Path) -> None:
    prepare(package, tmp_path)
    assert [row[LABEL] for row in rows_of(tmp_path / "winter.csv.gz")] == ["0", "1"]


def test_the_weather_is_that_of_the_airport_and_the_hour(package: Path, tmp_path: Path) -> None:
    prepare(package, tmp_path)
    (flight,) = rows_of(tmp_path / "july.csv.gz")
    assert (flight["origin"], flight["temp"], flight["hour"]) == ("LGA", "80.5", "6.000")
    assert (flight["weekday"], flight["distance"]) == ("4", "762")


def test_what_was_not_measured_is_empty(package: Path, tmp_path: Path) -> None:
    prepare(package, tmp_path)
    without_station, without_pressure = rows_of(tmp_path / "winter.csv.gz")
    assert {without_station[name] for name in ("temp", "pressure", "visib")} == {""}
    assert (without_pressure["temp"], without_pressure["pressure"]) == ("39.02", "")


def test_the_same_package_gives_the_same_bytes(package: Path, tmp_path: Path) -> None:
    prepare(package, tmp_path / "one")
    prepare(package, tmp_path / "two")
    for name in ("winter.csv.gz", "july.csv.gz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_every_row_has_a_use(package: Path, tmp_path: Path) -> None:
    prepare(package, tmp_path)
    assert {row[PART] for row in rows_of(tmp_path / "winter.csv.gz")} <= set(PARTS)
    assert sum(PARTS.values()) == pytest.approx(1)
