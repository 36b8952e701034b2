"""`modelmonitor simulate`: from rows of the past to what would have alarmed."""

import base64
import dataclasses
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
import yaml
from msgspec.structs import replace
from pyarrow import csv, parquet

from modelmonitor.api.v1alpha1.spec import Severity
from modelmonitor.cli.app import run
from modelmonitor.cli.errors import CommandError
from modelmonitor.cli.simulate import (
    Request,
    Simulation,
    read_monitor,
    read_profile,
    run_simulation,
)
from modelmonitor.cli.simulate_plot import MOST_POINTS, thinned
from modelmonitor.cli.simulate_sheets import expectations
from modelmonitor.core.baseline.profile import ColumnRole, ExpectedAlarms, canonical
from modelmonitor.core.baseline.profile_builder import OutputColumn, build_profile
from modelmonitor.core.replay.track import Phase, Track

BEGIN: Final = 1_767_225_600
"""2026-01-01T00:00:00Z."""
PER_TICK: Final = 60
HOURS: Final = 48
BROKEN: Final = range(30, 36)
"""Hours in which a sensor fails."""
ROWS: Final = PER_TICK * HOURS

METRICS: Final[list[dict[str, Any]]] = [
    {
        "name": "latency",
        "type": "Latency",
        "latency": {"quantile": "0.9"},
        "threshold": {"operator": "GreaterThan", "warning": "1"},
    },
    {
        "name": "inputs",
        "type": "Drift",
        "drift": {"columns": {"group": "Inputs"}, "tolerance": {"critical": "0.3"}},
    },
    {
        "name": "missing",
        "type": "DataQuality",
        "dataQuality": {"check": "MissingRatio", "columns": {"group": "Inputs"}},
        "threshold": {"operator": "GreaterThan", "warning": "0.1", "critical": "0.5"},
    },
    {
        "name": "out-of-range",
        "type": "DataQuality",
        "dataQuality": {"check": "OutOfRangeRatio", "columns": {"group": "Inputs"}},
        "threshold": {"operator": "GreaterThan", "warning": "0.5"},
    },
]


def history() -> pa.Table:
    """Return two days of rows, one a minute, with six hours in which half of `temp` is missing."""
    draw = np.random.default_rng(11)
    temp = draw.normal(20, 3, ROWS)
    hour = np.arange(ROWS) // PER_TICK
    temp[np.isin(hour, BROKEN) & (np.arange(ROWS) % 10 < 7)] = np.nan
    return pa.table(
        {
            "at": pa.array((BEGIN + 60 * np.arange(ROWS)) * 10**6, pa.timestamp("us", "UTC")),
            "temp": pa.array(temp, from_pandas=True),
            "carrier": pa.array([("AA", "B6", "UA")[each] for each in draw.integers(0, 3, ROWS)]),
            "predicted": pa.array(draw.integers(0, 2, ROWS)),
        }
    )


def as_parquet(table: pa.Table, folder: Path) -> Path:
    path = folder / "history.parquet"
    parquet.write_table(table, path, row_group_size=700)
    return path


def as_csv(table: pa.Table, folder: Path) -> Path:
    path = folder / "history.csv"
    csv.write_csv(table, path)
    return path


def manifest(name: str = "flights", **changes: Any) -> dict[str, Any]:
    spec = {
        "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "model"},
        "collection": {"ports": [{"name": "http"}]},
        "baseline": {"type": "ConfigMap", "configMap": {"name": "baseline"}},
        "interval": "1h",
        "metrics": METRICS,
    }
    return {
        "apiVersion": "modelmonitor.dev/v1alpha1",
        "kind": "ModelMonitor",
        "metadata": {"name": name},
        "spec": spec | changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a history, a baseline and a monitor."""
    draw = np.random.default_rng(5)
    rows = 20_000
    profile = build_profile(
        {
            "temp": draw.normal(20, 3, rows),
            "carrier": [("AA", "B6", "UA")[each] for each in draw.integers(0, 3, rows)],
            "predicted": draw.integers(0, 2, rows),
        },
        outputs=[OutputColumn(column="predicted", role=ColumnRole.LABEL)],
    )
    (tmp_path / "profile.json").write_bytes(canonical(profile))
    (tmp_path / "monitor.yaml").write_text(yaml.safe_dump(manifest()))
    as_parquet(history(), tmp_path)
    return tmp_path


def words(folder: Path, *more: str, data: str = "history.parquet", time: str = "at") -> list[str]:
    found = ["simulate", "--data", str(folder / data), "--time", time]
    found += ["--baseline", str(folder / "profile.json"), "-f", str(folder / "monitor.yaml")]
    return [*found, *more]


def simulated(folder: Path, data: Path | None = None, **more: Any) -> Simulation:
    request = {
        "data": data or folder / "history.parquet",
        "profile": read_profile(folder / "profile.json"),
        "monitor": read_monitor(folder / "monitor.yaml", None),
        "time": "at",
    }
    return run_simulation(Request(**{**request, **more}))


def track(found: Simulation, name: str) -> Track:
    return next(each for each in found.history.tracks if each.metric.name == name)


def code_of(arguments: list[str]) -> int | str | None:
    """Return the exit code of a command."""
    try:
        return run(arguments)
    except SystemExit as end:
        return end.code


@pytest.mark.parametrize("write", [as_parquet, as_csv])
def test_an_alarm_is_found_where_the_sensor_failed(
    write: Callable[[pa.Table, Path], Path], folder: Path
) -> None:
    found = simulated(folder, write(history(), folder))

    (alarm,) = track(found, "missing").alarms
    assert alarm.began == BEGIN + 3600 * (BROKEN.start + 1)
    assert alarm.ended == BEGIN + 3600 * (BROKEN.stop + 1)
    assert alarm.severity is Severity.CRITICAL
    assert alarm.value == pytest.approx(0.7)
    assert [each.column for each in alarm.columns] == ["temp"]
    assert track(found, "out-of-range").alarms == ()
    assert found.rows == ROWS
    assert found.history.ticks == found.history.filled == HOURS


def test_rows_in_any_order_and_in_pieces_are_the_same_history(folder: Path) -> None:
    table = history()
    order = np.random.default_rng(3).permutation(ROWS)

    straight = simulated(folder)
    mixed = simulated(folder, as_parquet(table.take(pa.array(order)), folder))

    for left, right in zip(straight.history.tracks, mixed.history.tracks, strict=True):
        np.testing.assert_array_equal(left.values, right.values)
        assert left.alarms == right.alarms
    assert "the rows were not in the order of time, and were sorted" in mixed.notes
    assert not any("order" in note for note in straight.notes)


def test_rows_without_a_time_are_left_out_and_counted(folder: Path) -> None:
    table = history()
    times = table.column("at").to_pylist()
    times[10] = times[2000] = None
    table = table.set_column(0, "at", pa.array(times, pa.timestamp("us", "UTC")))

    found = simulated(folder, as_parquet(table, folder))

    assert found.rows == ROWS - 2
    assert "2 rows without a time are left out" in found.notes


def test_hours_without_rows_are_ticks_without_data(folder: Path) -> None:
    table = history()
    parts = [table.slice(0, 10 * PER_TICK), table.slice(20 * PER_TICK)]

    found = simulated(folder, as_parquet(pa.concat_tables(parts), folder))

    assert found.history.ticks == HOURS
    assert found.history.filled == HOURS - 10
    assert track(found, "missing").reasons == {"NoTraffic": 10}
    assert track(found, "missing").share(Phase.UNKNOWN) > 0


def test_times_without_a_zone_are_of_the_one_that_is_given(folder: Path) -> None:
    table = history()
    naive = table.column("at").cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    data = as_parquet(table.set_column(0, "at", naive), folder)

    in_utc = simulated(folder, data)
    in_berlin = simulated(folder, data, zone=ZoneInfo("Europe/Berlin"))

    assert in_utc.history.first == BEGIN
    assert in_berlin.history.first == BEGIN - 3600
    assert any("taken for UTC" in note for note in in_utc.notes)
    assert not any("UTC" in note for note in in_berlin.notes)


def test_text_times_of_a_csv_are_of_the_zone_that_is_given(folder: Path) -> None:
    data = folder / "local.csv"
    data.write_text(
        "at,temp,carrier,predicted\n2026-01-01 00:00:00.5,20,AA,1\n2026-01-01 01:30:00,21,B6,0\n"
    )

    found = simulated(folder, data, zone=ZoneInfo("America/New_York"))

    assert found.history.first == BEGIN + 5 * 3600
    assert found.history.ticks == 2


def test_columns_that_one_side_lacks_are_told(folder: Path) -> None:
    table = history().drop_columns(["carrier"]).append_column("humid", pa.array([0.5] * ROWS))

    found = simulated(folder, as_parquet(table, folder))

    assert "the data has no column carrier: not judged" in found.notes
    assert "the baseline has no column humid: not looked at" in found.notes
    assert track(found, "missing").alarms[0].severity is Severity.CRITICAL


def test_a_baseline_of_another_kind_is_told(folder: Path) -> None:
    table = history()
    table = table.set_column(1, "temp", pa.array(["warm"] * ROWS))
    table = table.set_column(2, "carrier", pa.array(["Lufthansa"] * ROWS))

    notes = simulated(folder, as_parquet(table, folder)).notes

    assert any(
        "column temp: 100% of the values are of another type than the baseline's, which is Numeric"
        in note
        for note in notes
    )
    assert any(
        "column carrier: 100% of the values are none of the baseline's categories" in note
        for note in notes
    )


def test_a_baseline_that_would_move_is_said_to_stand_still(folder: Path) -> None:
    moving = {
        "type": "Production",
        "production": {"configMap": {"name": "baseline"}, "period": "168h"},
    }
    (folder / "monitor.yaml").write_text(yaml.safe_dump(manifest(baseline=moving)))

    found = simulated(folder)

    assert any(
        "baseline is of type Production: here the given profile" in each for each in found.notes
    )
    assert len(track(found, "missing").alarms) == 1


def test_request_rates_are_judged_only_where_rows_are_requests(folder: Path) -> None:
    rate = {
        "name": "traffic",
        "type": "RequestRate",
        "threshold": {"operator": "LessThan", "warning": "0.001"},
    }
    (folder / "monitor.yaml").write_text(yaml.safe_dump(manifest(metrics=[*METRICS, rate])))

    guessed = simulated(folder)
    said = simulated(folder, requests_are_rows=True)

    assert all(each.metric.name != "traffic" for each in guessed.history.tracks)
    assert any("traffic is left out" in note for note in guessed.notes)
    np.testing.assert_allclose(track(said, "traffic").values, PER_TICK / 3600)
    assert any("latency is left out" in note for note in said.notes)


def test_everything_is_told_on_the_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(words(folder)) == 0

    told = capsys.readouterr()
    assert told.err == ""
    lines = [re.split(r"\s{2,}", line.strip()) for line in told.out.splitlines()]
    assert ["missing", "Critical", "2026-01-02 07:00", "6h", "0.7", "temp 0.7"] in lines
    assert any(line[:3] == ["missing", "Warning", "> 0.1"] for line in lines)
    assert any(line[:4] == ["out-of-range", "Warning", "> 0.5", "never"] for line in lines)
    assert "2,880 rows, 2026-01-01 00:00 to 2026-01-03 00:00 UTC, 48 ticks of 1h" in told.out
    assert "at most 4.3 Warnings and 0.33 Criticals a month" in told.out
    assert "latency is left out: rows do not say how long answers took" in told.out
    assert "The history is 2d long" in told.out


def test_what_the_baseline_knows_of_its_own_alarms_is_told(folder: Path) -> None:
    found = simulated(folder)
    known = ExpectedAlarms(interval=300, days=58.2, warning=0.7, critical=0.07, columns=["temp"])
    profile = replace(found.request.profile, expectedAlarms=known)

    told = expectations(
        dataclasses.replace(found, request=dataclasses.replace(found.request, profile=profile))
    )

    assert "3 Warnings and 0.3 Criticals a month, in temp (58.2 days, ticks of 5m)." in told[1]
    assert not any("parts" in each or "each part" in each for each in expectations(found))


def test_a_known_incident_is_no_false_alarm(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    incident = ["--incident", "2026-01-02T06:00/2026-01-02T12:00"]

    assert code_of(words(folder, *incident)) == 0
    assert "temp 0.7; known incident" in capsys.readouterr().out
    assert code_of(words(folder, *incident, "--fail-on", "Warning")) == 0


def test_an_alarm_can_fail_a_pipeline(folder: Path) -> None:
    assert code_of(words(folder)) == 0
    assert code_of(words(folder, "--fail-on", "Warning")) == 1
    assert code_of(words(folder, "--fail-on", "Critical")) == 1


def test_without_alarms_nothing_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parquet.write_table(history().slice(0, 20 * PER_TICK), folder / "history.parquet")
    assert code_of(words(folder, "--fail-on", "Warning")) == 0
    assert re.search(r"Alarms\nnone", capsys.readouterr().out)


def test_reports_hold_everything_in_one_file(folder: Path) -> None:
    page, picture = folder / "report.html", folder / "report.png"

    assert code_of(words(folder, "-o", str(page), "--output", str(picture))) == 0

    assert picture.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert "<script" not in text
    assert not re.search(r"(src|href)=\"(?!data:)", text)
    drawn = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)"', text)
    assert len(drawn) == len(METRICS) - 1  # all but latency, of which rows do not tell
    assert all(b"<svg" in base64.b64decode(each) for each in drawn)
    assert "temp 0.7" in text


def test_names_in_a_report_are_text_and_nothing_else(folder: Path) -> None:
    table = history().rename_columns(["at", "temp", "carrier", "<b>predicted</b>"])
    page = folder / "report.html"
    as_parquet(table, folder)

    assert code_of(words(folder, "-o", str(page))) == 0

    assert "<b>" not in page.read_text()
    assert "&lt;b&gt;predicted&lt;/b&gt;" in page.read_text()


def failed(folder: Path, *more: str, capsys: pytest.CaptureFixture[str], **kinds: str) -> str:
    assert code_of(words(folder, *more, **kinds)) == 1
    return capsys.readouterr().err


def test_mistakes_on_the_command_line_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def error(*more: str, **kinds: str) -> str:
        return failed(folder, *more, capsys=capsys, **kinds)

    assert "has no column when: say with --time which column" in error(time="when")
    assert "there is no file" in error(data="other.parquet")
    assert "the name must end in .html or .png" in error("-o", "report.pdf")
    assert "is no time zone: write for example Europe/Berlin" in error("--time-zone", "Mars/Base")
    assert "write two times as" in error("--incident", "yesterday")
    assert "must be before" in error("--incident", "2026-01-02/2026-01-01")
    assert "holds no ModelMonitor trains, but flights" in error("--monitor", "trains")
    assert "cannot be written" in error("-o", str(folder / "no" / "report.png"))


def test_without_a_time_column_the_columns_are_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    without = [word for word in words(folder) if word not in {"--time", "at"}]

    assert code_of(without) == 1

    told = capsys.readouterr().err
    assert "say with --time which column holds the rows' times: the columns of" in told
    assert "at, temp, carrier, predicted" in told


def test_data_of_another_model_are_told(folder: Path) -> None:
    table = history().rename_columns(["at", "a", "b", "c"])
    with pytest.raises(CommandError, match="none of the baseline's columns, which are temp"):
        simulated(folder, as_parquet(table, folder))


def test_milliseconds_are_not_taken_for_seconds(folder: Path) -> None:
    times = pa.array((BEGIN + 60 * np.arange(ROWS)) * 1000)
    data = as_parquet(history().set_column(0, "at", times), folder)
    with pytest.raises(CommandError, match=r"after the year 2200: .* divide milliseconds by 1,000"):
        simulated(folder, data)


def test_times_before_1970_are_refused(folder: Path) -> None:
    data = as_parquet(history().set_column(0, "at", pa.array(np.arange(ROWS) - 5)), folder)
    with pytest.raises(CommandError, match="before 1970"):
        simulated(folder, data)


def test_a_row_of_another_age_is_told(folder: Path) -> None:
    (folder / "monitor.yaml").write_text(yaml.safe_dump(manifest(interval="5s")))
    seconds = BEGIN + np.arange(ROWS)
    seconds[0] = 100
    data = as_parquet(history().set_column(0, "at", pa.array(seconds)), folder)
    with pytest.raises(
        CommandError, match=r"more than 5,000,000 ticks .* is the time column right"
    ):
        simulated(folder, data)


def test_a_monitor_of_which_rows_tell_nothing_is_refused(folder: Path) -> None:
    (folder / "monitor.yaml").write_text(yaml.safe_dump(manifest(metrics=METRICS[:1])))
    with pytest.raises(CommandError, match="rows tell nothing of the metrics of flights: latency"):
        simulated(folder)


def test_of_several_monitors_one_is_named(folder: Path) -> None:
    path = folder / "monitor.yaml"
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}
    path.write_text(yaml.safe_dump_all([other, manifest("trains"), manifest("flights")]))

    with pytest.raises(
        CommandError, match=r"2 ModelMonitors: say with --monitor .* trains, flight"
    ):
        read_monitor(path, None)
    assert read_monitor(path, "flights").metadata.name == "flights"


def test_an_invalid_monitor_is_told_as_lint_tells_it(folder: Path) -> None:
    path = folder / "monitor.yaml"
    path.write_text(yaml.safe_dump(manifest(intervall="1h")))
    with pytest.raises(CommandError, match=r"spec\.intervall: unknown field: did you mean interv"):
        read_monitor(path, None)

    path.write_text("kind: [")
    with pytest.raises(CommandError, match="not YAML"):
        read_monitor(path, None)

    path.write_text("kind: ConfigMap\n")
    with pytest.raises(CommandError, match="holds no ModelMonitor"):
        read_monitor(path, None)


def test_a_profile_that_is_none_is_told(folder: Path) -> None:
    path = folder / "profile.json"
    path.write_text("{}")
    with pytest.raises(CommandError, match=r"profile\.json: the profile is not readable"):
        read_profile(path)


def test_long_lines_keep_their_extremes_and_gaps() -> None:
    ends = np.arange(1.0, 100_001.0)
    values = np.sin(ends / 5000)
    values[51_234], values[77_777] = 9.0, -9.0
    values[20_000:30_000] = np.nan

    line = thinned(ends, values, 1.0)

    assert line.days.size <= MOST_POINTS
    assert np.nanmax(line.high) == 9.0
    assert np.nanmin(line.low) == -9.0
    hidden = np.isnan(line.high)
    assert 0.08 < hidden.mean() < 0.12
    np.testing.assert_array_equal(hidden, np.isnan(line.low))


def test_a_silence_breaks_the_line() -> None:
    ends = np.array([1.0, 2.0, 3.0, 90.0, 91.0])

    line = thinned(ends, np.ones(5), 1.0)

    assert np.isnan(line.high).tolist() == [False, False, False, True, False, False]
