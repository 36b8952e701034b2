"""Scores beside predictions: what the estimate of a model's performance needs of whole answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from modelmonitor.core.counting.columns import Values
from modelmonitor.core.counting.scores import ScoreCounter
from modelmonitor.core.wire.configuration import ScoreConfiguration


class ScoreWatcher:
    """Counts the scores of one pane.

    Parameters
    ----------
    configuration
        Which classes there are, and the cells of their scores.
    outputs
        Names of the configured outputs, in their order.

    Raises
    ------
    ValueError
        If an output that the scores need is not configured.
    """

    def __init__(self, configuration: ScoreConfiguration, outputs: Sequence[str]) -> None:
        self._counter = ScoreCounter(configuration)
        self._prediction = outputs.index(configuration.prediction)
        self._scores = [outputs.index(each.column) for each in configuration.scored]

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Count the answers of a batch."""
        scores = [columns[index] for index in self._scores]
        self._counter.add(columns[self._prediction], scores, rows)

    def parts(self) -> Mapping[str, Any]:
        """Return the pane's scores."""
        return {"scores": self._counter.counts()}
