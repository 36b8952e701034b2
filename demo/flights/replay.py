"""The traffic: held-back flights, sent to the model server at a steady rate in random order.

Which month's flights are sent is the first word of a phase file, read again before each request, so
that the month changes between two requests and the stream never pauses:

    kubectl exec -n flights deploy/flight-client -- sh -c 'echo july > /tmp/phase'

Each request opens its own connection, so that the Service spreads requests over all replicas.
Prints one JSON line per report: requests sent and failed, and the slowest answers.
"""

import argparse
import asyncio
import csv
import gzip
import json
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from demo.flights.columns import CATEGORICAL, INPUTS, NUMERIC, PART, PREDICTION, SCORE
from demo.flights.prepare import SEASONS

PHASE_FILE: Final = Path("/tmp/phase")
"""Where the phase is read from in the client's pod."""

Row = dict[str, str]


def read_rows(table: Path) -> list[Row]:
    """Return the rows of one prepared table that are kept for replay."""
    with gzip.open(table, "rt", encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines) if row[PART] == "replay"]


def shuffled_forever(rows: list[Row], seed: int) -> Iterator[Row]:
    """Yield all rows in random order, then again in another one, without end."""
    draw = random.Random(seed)
    while True:
        order = list(rows)
        draw.shuffle(order)
        yield from order


def request_body(rows: list[Row], request_id: str) -> dict[str, Any]:
    """Return one inference request (Open Inference Protocol v2, REST) for some rows.

    Each column is an input of its own, `shape` (n, 1); strings travel as BYTES, what was not
    measured as null. The class and the probabilities are asked for.
    """
    return {
        "id": request_id,
        "parameters": {"content_type": "pd"},
        "inputs": [_column(name, [row[name] for row in rows]) for name in INPUTS],
        "outputs": [{"name": PREDICTION}, {"name": SCORE}],
    }


def _column(name: str, values: list[str]) -> dict[str, Any]:
    shape = [len(values), 1]
    if name in CATEGORICAL:
        return {
            "name": name,
            "shape": shape,
            "datatype": "BYTES",
            "parameters": {"content_type": "str"},
            "data": values,
        }
    if name in NUMERIC:
        numbers = [float(value) if value else None for value in values]
        return {"name": name, "shape": shape, "datatype": "FP64", "data": numbers}
    raise ValueError(f"{name} is not an input of the model: see demo/flights/columns.py")


@dataclass
class Tally:
    """What happened since the last report."""

    phase: str
    sent: int = 0
    rows: int = 0
    failed: int = 0
    seconds: list[float] = field(default_factory=list)
    errors: set[str] = field(default_factory=set)

    def report(self) -> str:
        """Return the tally as one JSON line; latencies in seconds, null without an answer."""
        ordered = sorted(self.seconds)
        return json.dumps(
            {
                "phase": self.phase,
                "sent": self.sent,
                "rows": self.rows,
                "failed": self.failed,
                "median": round(ordered[len(ordered) // 2], 4) if ordered else None,
                "slowest": round(ordered[-1], 4) if ordered else None,
                "errors": sorted(self.errors)[:5],
            }
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to send where, and how fast.

    Attributes
    ----------
    url
        The model's `infer` address.
    data
        Folder with one prepared table per season.
    phase_file
        File whose first word is the season to send.
    rows_per_second, rows_per_request
        The rate and how it is cut into requests.
    report_every
        Seconds between two reports.
    timeout
        Seconds after which a request has failed.
    """

    url: str
    data: Path
    phase_file: Path
    rows_per_second: float
    rows_per_request: int
    report_every: float
    timeout: float


async def replay(plan: Plan) -> None:
    """Send flights until cancelled; a slow or failing server never slows the stream down."""
    streams = {
        season: shuffled_forever(read_rows(plan.data / f"{season}.csv.gz"), seed)
        for seed, season in enumerate(SEASONS)
    }
    pause = plan.rows_per_request / plan.rows_per_second
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    timeout = aiohttp.ClientTimeout(total=plan.timeout)
    started = reported = time.monotonic()
    number = 0
    tally = Tally(phase="")
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
        asyncio.TaskGroup() as requests,
    ):
        while True:
            phase = _phase(plan.phase_file)
            if phase != tally.phase or time.monotonic() - reported >= plan.report_every:
                if tally.sent:
                    _print(tally.report())
                tally, reported = Tally(phase=phase), time.monotonic()
            rows = [next(streams[phase]) for _ in range(plan.rows_per_request)]
            body = request_body(rows, f"{phase}-{number}")
            requests.create_task(_send(session, plan.url, body, tally))
            tally.rows += len(rows)
            number += 1
            await asyncio.sleep(max(0.0, started + number * pause - time.monotonic()))


async def _send(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any], tally: Tally
) -> None:
    tally.sent += 1
    before = time.monotonic()
    try:
        async with session.post(url, json=body) as response:
            await response.read()
            response.raise_for_status()
    except (aiohttp.ClientError, TimeoutError) as error:
        tally.failed += 1
        tally.errors.add(f"{type(error).__name__}: {error}"[:200])
        return
    tally.seconds.append(time.monotonic() - before)


def _phase(file: Path) -> str:
    """Return the season to send; the first one while the file is missing, empty or unknown."""
    try:
        words = file.read_text(encoding="utf-8").split()
    except FileNotFoundError:
        words = []
    return words[0] if words and words[0] in SEASONS else next(iter(SEASONS))


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Run from the command line until interrupted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="the model's infer address")
    parser.add_argument("--data", type=Path, required=True, help="folder of the prepared tables")
    parser.add_argument("--phase-file", type=Path, default=PHASE_FILE)
    parser.add_argument("--rows-per-second", type=float, default=25.0)
    parser.add_argument("--rows-per-request", type=int, default=10)
    parser.add_argument("--report-every", type=float, default=10.0, help="seconds")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds")
    asyncio.run(replay(Plan(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
