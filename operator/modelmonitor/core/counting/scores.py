"""Scores to counts: what a row's prediction and probabilities add to a pane.

Each class with a score is looked at against all others: its scores are counted in cells, apart for
rows of which the model predicted this class and rows of which it predicted another. That is all
that performance is estimated of, it adds up over replicas and time, and it holds no row. Observer
and profile builder both count through this module.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.counting.categories import category_text
from modelmonitor.core.counting.columns import count_cells
from modelmonitor.core.counting.numeric import Floats, Values, to_numbers
from modelmonitor.core.wire.configuration import ScoreConfiguration
from modelmonitor.core.wire.pane import ClassScores, ScoreCounts

ROUNDING: Final = 1e-6
"""What a probability may lie beyond 0 or 1: sums of single-precision numbers are not exact."""
NO_CLASS: Final = -1
"""Place of a missing prediction, or of one that is no class at all."""

Ints = NDArray[np.int64]

_SCALARS: Final = frozenset({str, int, float, bool})


class ScoreCounter:
    """Counts the scores of whole answers.

    Parameters
    ----------
    configuration
        Which classes there are, and the cells of their scores.
    """

    def __init__(self, configuration: ScoreConfiguration) -> None:
        self._places = {name: place for place, name in enumerate(configuration.classes)}
        scored = configuration.scored
        self._scored = [self._places.get(each.name, len(self._places)) for each in scored]
        self._edges = [np.asarray(each.edges, np.float64) for each in scored]
        self._cells = [np.zeros((2, edges.size + 1), np.int64) for edges in self._edges]
        self._sums = np.zeros((len(scored), 2, 2))
        self._rows = self._unusable = self._unknown = 0

    def add(self, predictions: Values, scores: Sequence[Values], rows: int) -> None:
        """Count rows; any value is accepted.

        Parameters
        ----------
        predictions
            The predicted class of each row. Where there are fewer than `rows`, they are missing.
        scores
            The scores of each configured class, in the configuration's order, likewise.
        rows
            How many there are.
        """
        if not rows:
            return
        places = np.full(rows, NO_CLASS, np.int64)
        found = places_of(predictions, self._places)
        places[: found.size] = found
        numbers = np.full((len(scores), rows), np.nan)
        for row, values in zip(numbers, scores, strict=True):
            floats = to_numbers(values).floats
            row[: floats.size] = floats
        usable = (places != NO_CLASS) & are_probabilities(numbers).all(axis=0)
        known = usable & (places < len(self._places))
        self._rows += rows
        self._unusable += rows - int(np.count_nonzero(usable))
        self._unknown += int(np.count_nonzero(usable) - np.count_nonzero(known))
        self._count(places[known], np.clip(numbers[:, known], 0.0, 1.0))

    def counts(self) -> ScoreCounts:
        """Return what was counted so far."""
        return ScoreCounts(
            rows=self._rows,
            unusable=self._unusable,
            unknown=self._unknown,
            classes=[
                ClassScores(
                    other=cells[0].tolist(),
                    this=cells[1].tolist(),
                    otherTotal=float(sums[0, 0]),
                    otherSquares=float(sums[0, 1]),
                    thisTotal=float(sums[1, 0]),
                    thisSquares=float(sums[1, 1]),
                )
                for cells, sums in zip(self._cells, self._sums, strict=True)
            ],
        )

    def _count(self, places: Ints, numbers: Floats) -> None:
        for index, scored in enumerate(self._scored):
            predicted = places == scored
            for side, mask in enumerate((~predicted, predicted)):
                values = numbers[index, mask]
                self._cells[index][side] += count_cells(values, self._edges[index])
                self._sums[index, side] += (values.sum(), values @ values)


def places_of(values: Values, places: dict[str, int]) -> Ints:
    """Return the place of each value's class, shape (n,).

    `len(places)` stands for a class that is none of them, `NO_CLASS` for a missing value or one
    that is no scalar.
    """
    if isinstance(values, np.ndarray):
        values = values.ravel().tolist()
    types = set(map(type, values))
    if len(types) == 1 and types <= _SCALARS:
        known = {value: _place(value, places) for value in set(values)}
        return np.array([known[value] for value in values], np.int64)
    return np.array([_place(value, places) for value in values], np.int64)


def are_probabilities(numbers: Floats) -> NDArray[np.bool_]:
    """Return which numbers lie between 0 and 1; NaN does not."""
    return (numbers >= -ROUNDING) & (numbers <= 1 + ROUNDING)


def _place(value: Any, places: dict[str, int]) -> int:
    try:
        text = category_text(value)
    except TypeError:
        return NO_CLASS
    return NO_CLASS if text is None else places.get(text, len(places))
