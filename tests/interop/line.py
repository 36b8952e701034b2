"""A line: client → tap → collector → tap → server, and what the collector's panes say of it."""

import math
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.pane.panes import Traffic, columns_of, traffic_of
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration
from modelmonitor.core.wire.pane import Pane
from tests.collector.harness import (
    DEADLINE,
    Collector,
    eventually,
    running_collector,
)
from tests.interop.tap import Tap, tapped
from tests.interop.wire import Reply, exchange

ROUNDING = 1e-14
"""Relative error that sums of probabilities may have; those of the inputs are exact."""
_COUNTED = ("rows", "missing", "mismatched", "infinite", "below", "above", "unknown")


@dataclass(frozen=True)
class Seen:
    """What the panes say of the requests of one test."""

    traffic: Traffic
    columns: Mapping[str, Any]
    """Column → its counts as a dictionary, sketches left out."""
    protocols: Mapping[str, int]
    """What the traffic was taken for → decoded requests."""
    model: tuple[str, str]
    """Name and version, in the pane of the last request."""
    panes: Sequence[Pane]

    def among(self, expected: Mapping[str, Any]) -> dict[str, Any]:
        """Return the counts of those columns that are expected, of others nothing."""
        return {name: self.columns[name] for name in expected}


@dataclass(kw_only=True)
class Line:
    """A collector in front of a real server, with a tap on either side of it."""

    server: int
    """Port of the server itself."""
    port: int
    """Port that clients connect to."""
    collector: Collector
    front: Tap
    back: Tap
    configuration: CollectorConfiguration

    def forget(self) -> None:
        """Begin a test: nothing was sent yet."""
        self.front.forget()
        self.back.forget()
        self.collector.panes = []

    def send(self, sent: bytes) -> Reply:
        """Send bytes through the collector, and once more past it; both answers are the same.

        The server gets exactly these bytes, and the client exactly those that the server sent.
        """
        reply = exchange(self.port, sent)
        self.check_bytes()
        assert (sent, reply.raw) in self.back.conversations()
        direct = exchange(self.server, sent)
        assert (reply.status, reply.headers) == (direct.status, direct.headers)
        assert reply.body == direct.body
        return reply

    def check_bytes(self) -> None:
        """Check that both taps saw the same bytes, both ways, in every connection."""
        assert self.front.conversations(), "nothing was sent through the collector"
        eventually(lambda: self.front.settled and self.back.settled, "every connection has ended")
        assert self.front.conversations() == self.back.conversations()

    def seen(self, requests: int, *, decoded: int = 0) -> Seen:
        """Return what the panes say of the requests, and of every byte, since `forget`.

        The bytes are checked once more: all connections have ended.
        """
        self.check_bytes()
        carried = sum(len(sent) + len(got) for sent, got in self.back.conversations())
        end = time.monotonic() + DEADLINE
        while True:
            traffic = traffic_of(self.collector.panes)
            if traffic.seen >= requests and traffic.forwarded_bytes >= carried:
                break
            assert time.monotonic() < end, (
                f"{requests} requests of {carried} bytes were sent, the panes have {traffic}"
            )
            self.collector.pull(wait=1.0)
        assert (traffic.seen, traffic.decoded) == (requests, decoded), traffic
        assert (traffic.forwarded_bytes, traffic.copied_bytes) == (carried, carried), traffic
        panes = self.collector.panes
        return Seen(
            traffic=traffic,
            protocols=sum((Counter(pane.requests.protocols) for pane in panes), Counter()),
            columns={
                name: {field: getattr(totals, field) for field in _COUNTED}
                | {
                    "cells": totals.cells.tolist(),
                    "total": totals.total,
                    "squares": totals.squares,
                }
                for name, totals in columns_of(panes).items()
            },
            model=next(
                (pane.model, pane.modelVersion) for pane in panes[::-1] if pane.requests.seen
            ),
            panes=panes,
        )

    def expected(self, **values: Sequence[Any]) -> dict[str, Any]:
        """Return the counts of columns that hold these values, as `Seen.columns` has them."""
        columns = {column.name: column for column in self.configuration.columns}
        return {name: counted(columns[name], column) for name, column in values.items()}


def counted(column: ColumnConfiguration, values: Sequence[Any]) -> dict[str, Any]:
    """Return the counts of one column's values, by the plainest arithmetic there is."""
    numbers: list[float] = []
    if column.kind is ColumnKind.CATEGORICAL:
        known, last = column.categories, len(column.categories)
        cells = [known.index(text) if (text := str(value)) in known else last for value in values]
        unknown = cells.count(last)
    else:
        numbers, last, unknown = [float(value) for value in values], len(column.cuts), 0
        cells = [bisect_left(column.cuts, number) for number in numbers]
    return dict.fromkeys(_COUNTED, 0) | {
        "rows": len(values),
        "below": sum(number < column.cuts[0] for number in numbers),
        "above": sum(number > column.cuts[-1] for number in numbers),
        "unknown": unknown,
        "cells": [cells.count(cell) for cell in range(last + 1)],
        "total": pytest.approx(math.fsum(numbers), rel=ROUNDING),
        "squares": pytest.approx(math.fsum(number * number for number in numbers), rel=ROUNDING),
    }


def listens(port: int) -> bool:
    """Return whether a port is listened to, without a connection that would be counted."""
    tables = (Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6"))
    ends = (row.split()[1:4] for table in tables for row in table.splitlines()[1:])
    return any(local.endswith(f":{port:04X}") and state == "0A" for local, _, state in ends)


@contextmanager
def running_line(
    server: int, directory: Path, configuration: CollectorConfiguration
) -> Iterator[Line]:
    """Run a configured collector with its taps in front of a server that is up."""
    directory.mkdir(parents=True, exist_ok=True)
    with (
        tapped(server) as (back, upstream),
        running_collector(directory, upstream=upstream.port) as collector,
        tapped(collector.port) as (front, entrance),
    ):
        eventually(lambda: listens(collector.port), "the captured port listens")
        collector.configure(configuration)
        yield Line(
            server=server,
            port=entrance.port,
            collector=collector,
            front=front,
            back=back,
            configuration=configuration,
        )


Lines: TypeAlias = Callable[[int, CollectorConfiguration], Line]
"""Runs a line to a server's port."""
