"""What peers count: the statistics of the collector, fed as directly as can be."""

import orjson

from bench.dataplane.traffic import configuration
from modelmonitor.collector.observer.rows import RowBuffer
from modelmonitor.collector.protocols.base import Inputs, Rows
from modelmonitor.core.wire.pane import ColumnCounts


class Counting:
    """Counts inputs and outputs of the one model that is served here.

    It knows where everything stands in the messages, and so has less to look for than a collector.
    """

    def __init__(self, features: int) -> None:
        self._rows = RowBuffer(configuration(features))
        self.pairs = 0
        """Requests that were counted, with their responses."""

    def add(self, request: bytes, response: bytes) -> None:
        """Count a request of one row and its response."""
        matrix = orjson.loads(request)["inputs"][0]["data"]
        label, scores = (output["data"] for output in orjson.loads(response)["outputs"])
        rows = Rows(inputs=Inputs(rows=1, matrix=matrix), outputs=[label, scores[1:]])
        self._rows.add(rows, len(request))
        self.pairs += 1

    def columns(self) -> dict[str, ColumnCounts]:
        """Return what was counted, by column."""
        return self._rows.counts()
