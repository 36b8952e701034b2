"""Scores of a window: panes of replicas and intervals become totals, by addition."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.core.baseline.performance_profile import PerformanceProfile
from modelmonitor.core.statistics.shares import Counts, Floats
from modelmonitor.core.wire.configuration import ScoreConfiguration, ScoredClass
from modelmonitor.core.wire.pane import ColumnCounts, Pane, ScoreCounts

OTHER: Final = 0
"""Place of rows of which another class was predicted."""
THIS: Final = 1
"""Place of rows of which this class was predicted."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTotals:
    """Scores, summed over panes.

    Attributes
    ----------
    answers
        Rows with a prediction to be looked for, of panes that count scores at all.
    rows
        Answers that hold prediction and scores.
    unusable
        Those without a prediction, or of which a score is missing or no probability.
    unknown
        Those that predict a class which the baseline does not know.
    cells
        Of each class with a score: rows by prediction (another class, this one) and cell, shape
        `(2, n_cells)`.
    totals, squares
        Sums of the scores and of their squares, shape `(n_scored, 2)`.
    """

    answers: int
    rows: int
    unusable: int
    unknown: int
    cells: tuple[Counts, ...]
    totals: Floats
    squares: Floats

    @property
    def counted(self) -> int:
        """Rows that are in the cells."""
        return self.rows - self.unusable - self.unknown


def score_configuration(part: PerformanceProfile) -> ScoreConfiguration:
    """Return how collectors count scores for a profile with scores."""
    return ScoreConfiguration(
        prediction=part.prediction,
        classes=part.classes,
        scored=[
            ScoredClass(name=each.name, column=each.column, edges=each.edges)
            for each in part.scored
        ],
    )


def totals_of(part: PerformanceProfile, panes: Iterable[Pane]) -> ScoreTotals:
    """Return what panes say of scores; panes that do not count in the profile's cells say nothing.

    Same digest means same cells; a collector that breaks this is not believed.
    """
    return sum_scores(
        part,
        [
            _totals(pane.scores, pane.columns.get(part.prediction))
            for pane in panes
            if pane.scores is not None and _fits(pane.scores, part)
        ],
    )


def sum_scores(part: PerformanceProfile, parts: Sequence[ScoreTotals]) -> ScoreTotals:
    """Return everything together, in whatever order."""
    size = len(part.scored)
    return ScoreTotals(
        answers=sum(each.answers for each in parts),
        rows=sum(each.rows for each in parts),
        unusable=sum(each.unusable for each in parts),
        unknown=sum(each.unknown for each in parts),
        cells=tuple(
            np.sum([each.cells[place] for each in parts], axis=0, dtype=np.int64)
            if parts
            else np.zeros((2, len(one.edges) + 1), np.int64)
            for place, one in enumerate(part.scored)
        ),
        totals=_sum_floats([each.totals for each in parts], size),
        squares=_sum_floats([each.squares for each in parts], size),
    )


def confidence_of(part: PerformanceProfile, totals: ScoreTotals) -> tuple[float, float]:
    """Return mean and variance of the score of the predicted class; of at least one counted row."""
    total, squares = float(totals.totals[:, THIS].sum()), float(totals.squares[:, THIS].sum())
    if part.binary:
        others, below = int(totals.cells[0][OTHER].sum()), float(totals.totals[0, OTHER])
        total += others - below
        squares += others - 2 * below + float(totals.squares[0, OTHER])
    mean = total / totals.counted
    return mean, max(0.0, squares / totals.counted - mean**2)


def sure_rows(part: PerformanceProfile, cells: Sequence[Counts]) -> int:
    """Return the rows whose predicted class has a score above the profile's `sureness`."""
    sure = 0
    for one, counts in zip(part.scored, cells, strict=True):
        place = np.searchsorted(one.edges, part.sureness, side="left")
        sure += int(counts[THIS, place + 1 :].sum())
        if part.binary:
            place = np.searchsorted(one.edges, 1 - part.sureness, side="left")
            sure += int(counts[OTHER, : place + 1].sum())
    return sure


def _fits(scores: ScoreCounts, part: PerformanceProfile) -> bool:
    return len(scores.classes) == len(part.scored) and all(
        len(found.other) == len(found.this) == len(one.edges) + 1
        for found, one in zip(scores.classes, part.scored, strict=True)
    )


def _totals(scores: ScoreCounts, prediction: ColumnCounts | None) -> ScoreTotals:
    return ScoreTotals(
        answers=0 if prediction is None else prediction.rows,
        rows=scores.rows,
        unusable=scores.unusable,
        unknown=scores.unknown,
        cells=tuple(np.array([each.other, each.this], np.int64) for each in scores.classes),
        totals=_pairs([(each.otherTotal, each.thisTotal) for each in scores.classes]),
        squares=_pairs([(each.otherSquares, each.thisSquares) for each in scores.classes]),
    )


def _pairs(pairs: Sequence[tuple[float, float]]) -> Floats:
    return np.array(pairs, np.float64).reshape(-1, 2)


def _sum_floats(parts: Sequence[Floats], size: int) -> Floats:
    """Return sums that do not depend on the order, shape `(size, 2)`."""
    columns = zip(*(each.ravel().tolist() for each in parts), strict=True)
    sums = [math.fsum(column) for column in columns]
    return np.array(sums or [0.0] * 2 * size, np.float64).reshape(size, 2)
