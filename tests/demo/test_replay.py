import asyncio
import gzip
import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import BaseTestServer, TestServer

from demo.flights.columns import CATEGORICAL, INPUTS, PART, TIME
from demo.flights.replay import Plan, Tally, read_rows, replay, request_body, shuffled_forever

ROW = dict.fromkeys(INPUTS, "1.5") | {"origin": "JFK", "carrier": "B6", "pressure": ""}
ROWS_PER_REQUEST = 2


def write_table(path: Path, distances: range, part: str = "replay") -> None:
    header = ",".join([TIME, *INPUTS, PART])
    lines = [
        ",".join(
            ["2013-01-01T00:00:00Z", *({**ROW, "distance": str(one)}[n] for n in INPUTS), part]
        )
        for one in distances
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join([header, *lines]) + "\n")


def plan(server: BaseTestServer, folder: Path) -> Plan:
    return Plan(
        url=str(server.make_url("/infer")),
        data=folder,
        phase_file=folder / "phase",
        rows_per_second=200,
        rows_per_request=ROWS_PER_REQUEST,
        report_every=0.05,
        timeout=5,
    )


def test_each_column_is_an_input_of_its_own_in_serving_order() -> None:
    inputs = request_body([ROW, ROW], "x-1")["inputs"]
    assert [one["name"] for one in inputs] == list(INPUTS)
    assert {tuple(one["shape"]) for one in inputs} == {(2, 1)}
    assert {one["name"] for one in inputs if one["datatype"] == "BYTES"} == set(CATEGORICAL)


def test_values_travel_as_numbers_strings_and_null() -> None:
    data = {one["name"]: one["data"] for one in request_body([ROW], "x-1")["inputs"]}
    assert (data["temp"], data["carrier"], data["pressure"]) == ([1.5], ["B6"], [None])


def test_class_and_probabilities_are_asked_for() -> None:
    outputs = request_body([ROW], "x-1")["outputs"]
    assert outputs == [{"name": "predict"}, {"name": "predict_proba"}]


def test_only_rows_kept_for_replay_are_sent(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv.gz", range(3), part="train")
    assert read_rows(tmp_path / "t.csv.gz") == []


def test_all_rows_are_sent_before_any_is_sent_again() -> None:
    rows = [{"distance": str(number)} for number in range(50)]
    drawn = list(islice(shuffled_forever(rows, 1), 100))
    first, second = drawn[:50], drawn[50:]

    def distance(row: dict[str, str]) -> int:
        return int(row["distance"])

    assert sorted(first, key=distance) == sorted(second, key=distance) == rows
    assert first != rows
    assert first != second


def test_a_report_names_failures_and_the_slowest_answer() -> None:
    tally = Tally("july", sent=3, rows=6, failed=1, seconds=[0.3, 0.1], errors={"boom"})
    assert json.loads(tally.report()) == {
        "phase": "july",
        "sent": 3,
        "rows": 6,
        "failed": 1,
        "median": 0.3,
        "slowest": 0.3,
        "errors": ["boom"],
    }


async def test_the_season_changes_with_the_phase_file_and_nothing_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path / "winter.csv.gz", range(10))
    write_table(tmp_path / "july.csv.gz", range(100, 110))
    seen: asyncio.Queue[float] = asyncio.Queue()

    async def infer(request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        for value in next(one["data"] for one in body["inputs"] if one["name"] == "distance"):
            seen.put_nowait(value)
        return web.json_response({})

    app = web.Application()
    app.router.add_post("/infer", infer)
    async with TestServer(app) as server, asyncio.timeout(30):
        client = asyncio.create_task(replay(plan(server, tmp_path)))
        first = {await seen.get() for _ in range(10)}
        (tmp_path / "phase").write_text("july\n")
        while await seen.get() < 100:
            pass
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    assert first == set(range(10))
    assert '"phase": "winter"' in capsys.readouterr().out


async def test_a_server_that_fails_is_reported_and_does_not_stop_the_traffic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_table(tmp_path / "winter.csv.gz", range(10))
    write_table(tmp_path / "july.csv.gz", range(10))
    answered = asyncio.Semaphore(0)

    async def infer(_: web.Request) -> web.Response:
        answered.release()
        return web.Response(status=500)

    app = web.Application()
    app.router.add_post("/infer", infer)
    async with TestServer(app) as server, asyncio.timeout(30):
        client = asyncio.create_task(replay(plan(server, tmp_path)))
        for _ in range(30):
            await answered.acquire()
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(report["failed"] for report in reports) > 0
    assert any("500" in error for report in reports for error in report["errors"])
