"""Text to counts: how long it is and how many different ones there are, and nothing else of it."""

from collections.abc import Sequence

import numpy as np

from modelmonitor.core.counting.categories import category_text, is_blank
from modelmonitor.core.counting.numeric import NumberCounter, Values
from modelmonitor.core.statistics.distinct import DistinctCounter
from modelmonitor.core.wire.pane import ColumnCounts


class TextCounter:
    """Counts the lengths in characters of one column's texts, and sketches how many differ.

    Parameters
    ----------
    cuts
        The baseline's cut points of lengths; without any, no cells are counted.
    key
        Of the hashes by which different texts are told apart.
    marks
        Lengths about which is counted, too.
    """

    def __init__(self, cuts: Sequence[float], key: bytes, marks: Sequence[float] = ()) -> None:
        self._has_cuts = len(cuts) > 0
        self._lengths = NumberCounter([cuts], [marks])
        self._distinct = DistinctCounter(key)
        self._missing = self._mismatched = self._empty = 0

    def add(self, values: Values) -> None:
        """Count values; scalars that are no text are counted as the text that names them."""
        if isinstance(values, np.ndarray):
            values = values.ravel().tolist()
        lengths: list[int] = []
        for value in values:
            try:
                text = category_text(value)
            except TypeError:
                self._mismatched += 1
                continue
            if text is None:
                self._missing += 1
                continue
            lengths.append(len(text))
            self._empty += is_blank(text)
            self._distinct.add(text)
        if lengths:
            self._lengths.add(np.array([lengths], dtype=np.float64))

    def counts(self) -> ColumnCounts:
        """Return what was counted so far; rows are not."""
        lengths = self._lengths.counts(0)
        return ColumnCounts(
            missing=self._missing,
            mismatched=self._mismatched,
            below=lengths.below,
            above=lengths.above,
            cells=lengths.cells if self._has_cuts else [],
            total=lengths.total,
            squares=lengths.squares,
            sketch=lengths.sketch,
            distinct=self._distinct.sketch(),
            empty=self._empty,
            marks=lengths.marks,
        )
