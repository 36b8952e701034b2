"""The counts of one open pane."""

from collections import Counter
from typing import Any, Final

from modelmonitor.collector.observer.decoding import Decoded
from modelmonitor.collector.observer.exchange import Exchange
from modelmonitor.collector.protocols.base import Values, columns_of
from modelmonitor.core.columns import ColumnCounter
from modelmonitor.core.latency import LatencyCounter
from modelmonitor.core.profile import MAX_NAME, ColumnKind, ColumnRole
from modelmonitor.core.wire.configuration import CollectorConfiguration, ColumnConfiguration
from modelmonitor.core.wire.pane import (
    LATENCY_FIRST_BYTE,
    LATENCY_RESPONSE,
    ColumnCounts,
    LatencyCounts,
    RequestCounts,
    Undecodable,
)

FLUSH_ROWS: Final = 512
"""Rows that wait before they are counted in one go; below 64 counting costs more per row."""
MICROSECONDS: Final = 1e-6


class Tally:
    """Counts exchanges and rows under one configuration."""

    def __init__(self, configuration: CollectorConfiguration | None) -> None:
        columns = configuration.columns if configuration else []
        inputs = [column for column in columns if column.role is ColumnRole.INPUT]
        outputs = [column for column in columns if column.role is not ColumnRole.INPUT]
        self._inputs = [_BufferedColumn(column) for column in inputs]
        self._outputs = [_BufferedColumn(column) for column in outputs]
        self._waiting = 0
        self._codes: Counter[str] = Counter()
        self._undecodable: Counter[str] = Counter()
        self._sampled = self._decoded = 0
        self._latency = {
            LATENCY_RESPONSE: LatencyCounter(),
            LATENCY_FIRST_BYTE: LatencyCounter(),
        }
        self.model = ""
        """The model that was asked last, where requests name one."""
        self.version = ""
        """The version that answered last, where responses name one."""
        self.forwarded = self.copied = self.dropped = 0
        """Bytes, as the splice reported them."""
        self.unreadable = 0
        """Copied bytes of connections that do not speak HTTP/1.1: as good as dropped."""

    def add_exchange(self, exchange: Exchange) -> None:
        """Count a request that is over."""
        self._codes[exchange.code] += 1
        target = exchange.target
        if target is not None and target.model and exchange.succeeded:
            self.model = target.model[:MAX_NAME]
            self.version = target.version[:MAX_NAME] or self.version
        if exchange.status:
            self._latency[LATENCY_RESPONSE].add(
                max(0, exchange.response_end - exchange.request_end) * MICROSECONDS
            )
            self._latency[LATENCY_FIRST_BYTE].add(
                max(0, exchange.first_byte - exchange.request_end) * MICROSECONDS
            )

    def add_rows(self, decoded: Decoded) -> None:
        """Count the rows of a sampled request."""
        self._sampled += 1
        self._decoded += 1
        found = decoded.rows
        self.version = found.version[:MAX_NAME] or self.version
        rows = found.inputs.rows
        inputs = columns_of(found.inputs, len(self._inputs))
        for column, values in zip(self._inputs, inputs, strict=True):
            if values is None:
                column.add_missing(rows)
            else:
                column.add(values)
        if found.outputs:
            for column, values in zip(self._outputs, found.outputs, strict=True):
                if values is not None:
                    column.add(values)
        self._waiting += rows
        if self._waiting >= FLUSH_ROWS:
            self.flush()

    def add_undecodable(self, reason: Undecodable) -> None:
        """Count a sampled request that did not become rows."""
        self._sampled += 1
        self._undecodable[str(reason)] += 1

    def flush(self) -> None:
        """Count the rows that wait."""
        self._waiting = 0
        for column in (*self._inputs, *self._outputs):
            column.flush()

    @property
    def empty(self) -> bool:
        """Whether nothing was seen at all."""
        return not (self._codes or self.forwarded)

    def requests(self) -> RequestCounts:
        """Return what happened on the wire."""
        return RequestCounts(
            seen=self._codes.total(),
            decoded=self._decoded,
            sampled=self._sampled,
            undecodable=dict(self._undecodable),
            codes=dict(self._codes),
        )

    def latency(self) -> dict[str, LatencyCounts]:
        """Return the latencies, by what they measure."""
        counts = {name: counter.counts() for name, counter in self._latency.items()}
        return {name: counted for name, counted in counts.items() if counted.count}

    def columns(self) -> dict[str, ColumnCounts]:
        """Return the counts of every column that is counted."""
        self.flush()
        return {
            column.name: column.counts()
            for column in (*self._inputs, *self._outputs)
            if column.counted
        }


class _BufferedColumn:
    """Values of one column that wait to be counted together."""

    def __init__(self, column: ColumnConfiguration) -> None:
        self.name = column.name
        self.counted = column.kind is not ColumnKind.IGNORED
        self._counter = ColumnCounter(column.kind, cuts=column.cuts, categories=column.categories)
        self._values: list[Any] = []

    def add(self, values: Values) -> None:
        if self.counted:
            self._values.extend(values)

    def add_missing(self, rows: int) -> None:
        self._counter.add_missing(rows)

    def flush(self) -> None:
        if self._values:
            self._counter.add(self._values)
            self._values = []

    def counts(self) -> ColumnCounts:
        return self._counter.counts()
