"""`modelmonitor baseline`: from rows to a profile to a ConfigMap."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from msgspec.structs import replace
from PIL import Image
from pyarrow import csv, parquet

from modelmonitor.cli.app import run
from modelmonitor.cli.baseline_commands import apply_profile, write_profile
from modelmonitor.cli.baseline_view import profile_view
from modelmonitor.cli.errors import CommandError
from modelmonitor.core.baseline.profile import (
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    OutputLocator,
    Profile,
    canonical,
    digest,
    load_profile,
)
from tests.cli.memory import MemoryCluster, Screen

ROWS = 2400


def flights() -> pa.Table:
    """Return rows of every kind that files hold."""
    numbers = np.arange(ROWS)
    return pa.table(
        {
            "carrier": pa.array([("AA", "B6", "UA")[n % 3] for n in numbers]).dictionary_encode(),
            "temp": pa.array([None if n % 100 == 0 else 20 + n % 37 / 2 for n in numbers]),
            "terminal": pa.array(1 + numbers % 4),
            "holiday": pa.array(numbers % 7 == 0),
            "late": pa.array(numbers % 5 == 0),
            "predicted": pa.array((numbers % 4 == 0).astype(int)),
            "probability": pa.array(numbers % 101 / 100),
            "at": pa.array(numbers * 300 * 10**6, pa.timestamp("us", "UTC")),
        }
    )


def as_parquet(folder: Path) -> Path:
    path = folder / "flights.parquet"
    parquet.write_table(flights(), path)
    return path


def as_csv(folder: Path) -> Path:
    path = folder / "flights.csv"
    table = flights()
    csv.write_csv(table.set_column(0, "carrier", table.column("carrier").cast(pa.string())), path)
    return path


def build(data: Path, *more: str) -> Profile:
    """Run `baseline build` as a user does and return what it wrote."""
    path = data.with_name("profile.json")
    words = ["--data", str(data), "--prediction", "predicted", "-o", str(path), *more]
    assert ended_well(["baseline", "build", *words])
    return load_profile(path.read_bytes())


def ended_well(arguments: list[str]) -> bool:
    try:
        return run(arguments) == 0
    except SystemExit as end:
        return end.code == 0


WORDS = (
    *("--label", "late", "--time", "at", "--categorical", "terminal"),
    *("--score", "probability", "--score-at", "predict_proba:1"),
)


@pytest.mark.parametrize("write", [as_parquet, as_csv])
def test_a_profile_holds_the_serving_schema_in_order(
    write: Callable[[Path], Path], tmp_path: Path
) -> None:
    profile = build(write(tmp_path), *WORDS)

    kinds = {column.name: (column.role, column.kind) for column in profile.columns}
    assert list(kinds.items()) == [
        ("carrier", (ColumnRole.INPUT, ColumnKind.CATEGORICAL)),
        ("temp", (ColumnRole.INPUT, ColumnKind.NUMERIC)),
        ("terminal", (ColumnRole.INPUT, ColumnKind.CATEGORICAL)),
        ("holiday", (ColumnRole.INPUT, ColumnKind.CATEGORICAL)),
        ("predicted", (ColumnRole.LABEL, ColumnKind.CATEGORICAL)),
        ("probability", (ColumnRole.SCORE, ColumnKind.NUMERIC)),
    ]
    assert profile.rows == ROWS
    assert profile.ordered


def test_csv_and_parquet_of_the_same_rows_give_the_same_profile(tmp_path: Path) -> None:
    assert digest(build(as_csv(tmp_path), *WORDS)) == digest(build(as_parquet(tmp_path), *WORDS))


def test_building_twice_gives_the_same_digest(tmp_path: Path) -> None:
    data = as_parquet(tmp_path)

    assert digest(build(data, *WORDS)) == digest(build(data, *WORDS))


def test_missing_values_are_counted_whatever_the_file_calls_them(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    rows = ["1,AA,0", 'NA,"NA",1', ",,0", "null,B6,1", "nan,NaN,0", "7,AA,1"]
    data.write_text("\n".join(["x,carrier,predicted", *rows]) + "\n")

    profile = build(data)

    missing = {column.name: column.missing for column in profile.columns}
    assert missing == {"x": 4, "carrier": 2, "predicted": 0}
    (carrier,) = (column for column in profile.columns if column.name == "carrier")
    assert carrier.categories == ["AA", "B6", "NA"]


def test_dates_that_are_inputs_stay_the_text_that_requests_hold(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("day,predicted\n2026-01-01,0\n2026-01-02,1\n2026-01-01,0\n")

    profile = build(data)

    assert profile.columns[0].categories == ["2026-01-01", "2026-01-02"]


def test_named_inputs_are_taken_in_the_order_given(tmp_path: Path) -> None:
    profile = build(as_parquet(tmp_path), "--inputs", "temp, carrier")

    assert [column.name for column in profile.inputs] == ["temp", "carrier"]


def test_outputs_are_found_where_the_user_says(tmp_path: Path) -> None:
    profile = build(as_parquet(tmp_path), *WORDS, "--prediction-at", "dense:0:2")

    assert [column.locator for column in profile.outputs] == [
        OutputLocator(output="dense:0", index=2),
        OutputLocator(output="predict_proba", index=1),
    ]


TIMES = {
    "text": ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01 01:00"],
    "seconds": ["1767225600", "1767225600.0", "1767229200"],
}


def test_payloads_are_watched_by_what_is_computed_of_them(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("L", (4, 4), 51).save(file, "PNG")
    draw = np.random.default_rng(1)
    table = {
        "image": [file.getvalue()] * 50,
        "vector": draw.normal(size=(50, 4)).tolist(),
        "a": draw.normal(size=50),
        "b": draw.normal(size=50),
        "predicted": [0, 1] * 25,
    }
    data = tmp_path / "payloads.parquet"
    parquet.write_table(pa.table(table), data)
    profile = build(
        *(data, "--derive", "light=ImageBrightness:image", "--derive", "wide=ImageWidth:image"),
        *("--embedding", "vector", "--correlations", "all"),
    )
    totals = {column.name: column.total for column in profile.columns}
    assert totals["light"] == pytest.approx(10.0)
    assert totals["wide"] == 200.0
    assert [each.view.columns for each in profile.moments] == [["a", "b"], ["vector"]]


@pytest.mark.parametrize("texts", TIMES.values(), ids=TIMES.keys())
def test_times_may_be_text_or_seconds(tmp_path: Path, texts: list[str]) -> None:
    data = tmp_path / "rows.csv"
    data.write_text("x,at,predicted\n" + "".join(f"{text},{text},1\n" for text in texts))

    profile = build(data, "--time", "at", "--inputs", "x")

    assert profile.firstTime == "2026-01-01T00:00:00Z"
    assert profile.lastTime == "2026-01-01T01:00:00Z"


COMPLAINTS = {
    "no file": ("gone.csv", (), "there is no file .*gone.csv"),
    "another kind of file": ("rows.txt", (), "must end in .csv or .parquet"),
    "no CSV": ("broken.csv", (), "broken.csv is not readable: CSV parse error"),
    "no Parquet": ("broken.parquet", (), "broken.parquet is not readable"),
    "no such label": ("rows.csv", ("--label", "y"), "has no column y: its columns are x, at"),
    "no such prediction": ("other.csv", (), "there is no column predicted: the columns are x"),
    "times that are none": ("rows.csv", ("--time", "x"), "column x holds 'one': write times as"),
    "an unknown derivation": (
        *("rows.csv", ("--derive", "light=Luminance:x")),
        "Luminance is unknown; use one of TextLength",
    ),
    "a derivation of nothing": ("rows.csv", ("--derive", "n=TextLength:y"), "no input y"),
    "no derivation": ("rows.csv", ("--derive", "n=TextLength"), "write NAME=DERIVATION:INPUT"),
    "correlations of text": ("rows.csv", ("--correlations", "x"), "x is no numeric input"),
    "an embedding of text": ("rows.csv", ("--embedding", "x"), "x holds no embedding"),
    "a score nowhere": ("rows.csv", ("--score-at", "p:1"), "--score names no column"),
    "a position that is none": (
        *("rows.csv", ("--prediction-at", "predict:first")),
        "predict:first: after the colon stands a position",
    ),
}


@pytest.mark.parametrize(("file", "words", "sentence"), COMPLAINTS.values(), ids=COMPLAINTS.keys())
def test_what_cannot_be_built_is_said_in_a_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file: str,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    (tmp_path / "rows.csv").write_text("x,at,predicted\none,2026-01-01,1\n")
    (tmp_path / "rows.txt").write_text("x,predicted\n1,1\n")
    (tmp_path / "other.csv").write_text("x\n1\n")
    (tmp_path / "broken.csv").write_text("x,predicted\n1\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR?")
    out = str(tmp_path / "profile.json")

    words = ("--data", str(tmp_path / file), "--prediction", "predicted", "-o", out, *words)

    assert run(["baseline", "build", *words]) == 1
    assert re.search(sentence, capsys.readouterr().err)


def profile() -> Profile:
    column = ColumnProfile(
        name="temp",
        kind=ColumnKind.NUMERIC,
        role=ColumnRole.INPUT,
        rows=3,
        missing=1,
        cuts=[0.5, 2.0],
        cells=[1, 1, 0],
        warnings=["the column has only 2 values; 1000 or more are needed"],
    )
    return Profile(rows=3, columns=[column], warnings=["the rows have no times"])


def many_columns() -> Profile:
    categories = ["AA", "B6", "UA", "DL", "WN", "AS"]
    column = ColumnProfile(
        name="carrier",
        kind=ColumnKind.CATEGORICAL,
        role=ColumnRole.INPUT,
        rows=3000,
        categories=categories,
        cells=[500] * 6 + [0],
        phi=1.25,
    )
    return Profile(
        rows=3000,
        firstTime="2026-01-01T00:00:00Z",
        lastTime="2026-02-28T23:00:00Z",
        ordered=True,
        columns=[
            column,
            replace(
                column, name="gate", complete=False, categories=categories[:2], cells=[1, 1, 2]
            ),
            replace(
                column,
                name="temp",
                kind=ColumnKind.NUMERIC,
                missing=31,
                categories=[],
                cuts=[-12.5, 3.0, 31.25],
                cells=[0, 1, 1, 0],
                phi=104.31,
            ),
            replace(
                column,
                name="note",
                kind=ColumnKind.TEXT,
                categories=[],
                cells=[],
                warnings=["most values differ: the column is taken for text, not watched"],
            ),
            replace(
                column,
                name="predicted",
                role=ColumnRole.LABEL,
                categories=["0", "1"],
                cells=[1, 2, 0],
                locator=OutputLocator(output="predict"),
            ),
        ],
    )


def test_what_was_built_looks_as_in_the_golden_file(
    golden: Callable[[str, bytes], None], tmp_path: Path
) -> None:
    screen = Screen()

    write_profile(many_columns(), tmp_path / "profile.json", screen.console)

    golden("cli/baseline-build.txt", screen.text.replace(f"{tmp_path}/", "").encode())


def seasonal(folder: Path) -> Path:
    """Return rows of four weeks, of which `temp` follows the clock of Berlin."""
    draw = np.random.default_rng(0)
    times = np.sort(draw.integers(0, 28 * 86_400, 6000)) + 1_767_600_000
    temp = draw.standard_normal(times.size) + 2 * np.sin((times % 86_400) * 2 * np.pi / 86_400)
    table = pa.table(
        {
            "temp": temp,
            "carrier": draw.choice(["AA", "B6"], times.size),
            "predicted": draw.integers(0, 2, times.size),
            "at": pa.array(times * 10**6, pa.timestamp("us", "UTC")),
        }
    )
    path = folder / "seasonal.parquet"
    parquet.write_table(table, path)
    return path


def test_columns_that_follow_the_clock_are_counted_by_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = build(seasonal(tmp_path), "--time", "at", "--time-zone", "Europe/Berlin")
    assert (profile.seasonality, profile.timeZone) == ("HourOfDay", "Europe/Berlin")
    assert [each.hours is not None for each in profile.columns] == [True, False, False]
    assert profile.expectedAlarms is not None
    assert profile.expectedAlarms.critical == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "Seasonality HourOfDay, by the clock of Europe/Berlin" in told
    assert "Rows per cell: all hours 6,000; hour of the day " in told
    assert "0 Critical and 0 Warning a week" in told


def test_hours_are_not_counted_where_that_is_not_wanted(tmp_path: Path) -> None:
    profile = build(seasonal(tmp_path), "--time", "at", "--seasonality", "None")
    assert profile.seasonality == "None"
    assert all(each.hours is None for each in profile.columns)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--time", "at", "--seasonality", "Yearly"], "write None, HourOfDay, HourOfWeek"),
        (["--time", "at", "--time-zone", "Middle/Earth"], "there is no such time zone"),
        (["--seasonality", "HourOfDay"], "needs the rows' times: name --time"),
    ],
)
def test_hours_that_cannot_be_counted_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    data, output = str(seasonal(tmp_path)), str(tmp_path / "profile.json")
    given = ["baseline", "build", "--data", data, "--prediction", "predicted", "-o", output, *more]
    assert not ended_well(given)
    assert words in " ".join(capsys.readouterr().err.split())


def test_weaknesses_of_a_baseline_are_told() -> None:
    screen = Screen()

    screen.console.print(profile_view(profile()))

    assert "the rows have no times\n" in screen.text
    assert "temp: the column has only 2 values; 1000 or more are needed\n" in screen.text


def test_a_profile_is_applied_as_the_key_that_the_operator_reads() -> None:
    cluster, screen = MemoryCluster(), Screen()

    apply_profile(
        cluster, canonical(profile()), "models", "temp-baseline", screen.console, force=False
    )

    assert cluster.config_maps["models", "temp-baseline"].keys() == {"profile.json"}
    stored = cluster.config_maps["models", "temp-baseline"]["profile.json"].encode()
    assert load_profile(stored) == profile()
    assert cluster.forced == []
    assert screen.text == f"ConfigMap models/temp-baseline holds baseline {digest(profile())}\n"


def test_conflicts_are_forced_only_when_asked() -> None:
    cluster = MemoryCluster()

    apply_profile(cluster, canonical(profile()), "models", "b", Screen().console, force=True)

    assert cluster.forced == [("models", "b")]


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"{}", "build it with `modelmonitor baseline build`"),
        (b" " * (900 * 1024 + 1), "fewer columns or categories"),
        (canonical(replace(profile(), schema=99)), "rebuild the profile"),
    ],
    ids=["no profile", "too large", "another schema"],
)
def test_what_the_operator_would_refuse_is_refused_before_it_is_applied(
    payload: bytes, sentence: str
) -> None:
    cluster = MemoryCluster()

    with pytest.raises(CommandError, match=sentence):
        apply_profile(cluster, payload, "models", "b", Screen().console, force=False)
    assert not cluster.config_maps


SAMPLE = {
    "path": "/v2/models/flights/infer",
    "request": {
        "inputs": [
            {"name": "carrier", "shape": [1, 1], "datatype": "BYTES", "data": ["AA"]},
            {"name": "temp", "shape": [1, 1], "datatype": "FP64", "data": [25.5]},
        ]
    },
}


def test_a_sample_that_fits_is_said_to_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = tmp_path / "sample.jsonl"
    sample.write_text(json.dumps(SAMPLE))

    build(as_parquet(tmp_path), "--inputs", "carrier,temp", "--serving-sample", str(sample))

    assert "fits: 1 requests with 1 rows" in capsys.readouterr().out


def test_a_profile_that_does_not_fit_a_sample_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = tmp_path / "sample.jsonl"
    sample.write_text(json.dumps(SAMPLE))
    out = tmp_path / "out.json"
    words = ["--data", str(as_parquet(tmp_path)), "--prediction", "predicted", "-o", str(out)]

    code = run(["baseline", "build", *words, *WORDS, "--serving-sample", str(sample)])

    assert code == 1
    assert "terminal: no value was found" in capsys.readouterr().err
    assert not out.exists()
