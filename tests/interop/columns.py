"""The columns of the flowers: a cut at every value, so that each value has a cell of its own."""

from collections.abc import Sequence
from typing import Any

from modelmonitor.core.wire.configuration import ColumnConfiguration
from tests.collector.harness import numeric
from tests.interop.flowers import NAMES, ROWS, Row

SCORE_CUTS = tuple(cut / 20 for cut in range(1, 20))
LABELS = ("0", "1", "2")


def inputs() -> list[ColumnConfiguration]:
    """Return the input columns, in serving order."""
    return [
        numeric(name, *sorted({row[index] for row in ROWS})) for index, name in enumerate(NAMES)
    ]


def by_column(rows: Sequence[Row]) -> dict[str, Sequence[Any]]:
    """Return rows as values by column."""
    return dict(zip(NAMES, zip(*rows, strict=True), strict=True))
