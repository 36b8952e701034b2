"""Performance without labels, from counts of scores and what the baseline's labels say of them.

Confidence-based performance estimation: in each cell of the scores, as many rows are taken to be of
a class as were in the baseline. Every measure is then a function of expected counts, and its error
follows from its derivatives: the labels of the window are drawn, and the baseline's rates are known
only so well. All of it holds as long as a score means what it meant in the baseline.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import nnls

from modelmonitor.api.v1alpha1.metric_options import PerformanceMeasure
from modelmonitor.core.statistics.calibration import cautious
from modelmonitor.core.statistics.shares import Counts, Floats

LEAST_ROWS: Final = 10
"""Rows, counted or expected, in a denominator; with fewer a ratio is not estimated."""


@dataclass(frozen=True, slots=True)
class ClassWindow:
    """One class against all others: counts of a window, and the baseline's rates for them.

    Attributes
    ----------
    counts
        Rows by prediction (another class, this one) and cell of the score, shape `(2, n_cells)`.
    rates
        Share of them that is of the class, likewise.
    variance
        Variance of one row's class, likewise.
    known
        Rows of the baseline that the rates are known from, likewise.
    """

    counts: Counts
    rates: Floats
    variance: Floats
    known: Counts

    @property
    def hits(self) -> Floats:
        """Rows expected to be of the class, shape `(2, n_cells)`."""
        return self.counts * self.rates


@dataclass(frozen=True, slots=True)
class Estimated:
    """An estimated measure.

    Attributes
    ----------
    value
        NaN where nothing can be estimated.
    deviation
        Standard deviation of the difference between the value and the realised one.
    classes
        Classes that it is the mean of.
    """

    value: float
    deviation: float
    classes: int = 1


EXCLUSIVE: Final = frozenset(
    {PerformanceMeasure.RECALL, PerformanceMeasure.F1, PerformanceMeasure.ROC_AUC}
)
"""Measures in which a row counts for several classes. (For accuracy and precision it counts for the
predicted one only.)"""
EXCLUSION: Final = 2.0
"""How much larger the variance of a mean over classes may be than if a row's classes were drawn
independently. A row is of one class: the variance of sum g_k y_k is half the sum over pairs of
p_j p_k (g_j - g_k)^2, which is at most twice the sum of p_k (1 - p_k) g_k^2."""
UNKNOWN: Final = Estimated(math.nan, math.inf, 0)


@dataclass(frozen=True, slots=True)
class _Part:
    """A measure of one class and its derivatives by the expected counts, shape `(2, n_cells)`."""

    value: float
    slope: Floats


def performance(
    measure: PerformanceMeasure, classes: Sequence[ClassWindow], worth: float, worth_before: float
) -> Estimated:
    """Return the estimate of a measure; of several classes, the mean over classes.

    Parameters
    ----------
    measure
        Any but PriorShift.
    classes
        The positive class of two, or every class of more.
    worth, worth_before
        Rows of the window, and of the baseline, that are worth one independent row.
    """
    parts: list[tuple[_Part, ClassWindow]] = []
    for window in classes:
        part = _part(measure, window, several=len(classes) > 1)
        if part is not None:
            parts.append((part, window))
    if not parts:
        return UNKNOWN
    # Right predictions of all classes add up; other measures are averaged.
    weight = 1.0 if measure is PerformanceMeasure.ACCURACY else 1.0 / len(parts)
    value = weight * math.fsum(part.value for part, _ in parts)
    variance = weight**2 * math.fsum(
        _variance(part.slope, window, worth, worth_before) for part, window in parts
    )
    if len(parts) > 1 and measure in EXCLUSIVE:
        variance *= EXCLUSION
    return Estimated(value, math.sqrt(variance), len(parts))


def realised(
    measure: PerformanceMeasure, counts: Sequence[tuple[Counts, Counts]], worth: float = 1.0
) -> Estimated:
    """Return a measure of labelled rows, and its standard error.

    Parameters
    ----------
    measure
        Any but PriorShift.
    counts
        Rows, and those of them that are of the class, for each class: shapes `(2, n_cells)`.
    worth
        Rows that are worth one independent row.
    """
    windows = [
        ClassWindow(
            counts=rows,
            rates=hits / np.maximum(rows, 1),
            variance=cautious(rows, hits),
            known=np.full(rows.shape, np.iinfo(np.int64).max),  # nothing but their labels is drawn
        )
        for rows, hits in counts
    ]
    return performance(measure, windows, worth, 1.0)


def _part(measure: PerformanceMeasure, window: ClassWindow, *, several: bool) -> _Part | None:
    if measure is PerformanceMeasure.ACCURACY:
        return _accuracy(window, several=several)
    return _MEASURES[measure](window)


def _accuracy(window: ClassWindow, *, several: bool) -> _Part | None:
    counts, hits = window.counts, window.hits
    rows = float(counts.sum())
    if rows < 1:
        return None
    right, slope = float(hits[1].sum()), np.zeros(counts.shape)
    slope[1] = 1 / rows
    if not several:  # rows that are rightly taken for the other class
        right += float(counts[0].sum() - hits[0].sum())
        slope[0] = -1 / rows
    return _Part(right / rows, slope)


def _precision(window: ClassWindow) -> _Part | None:
    predicted, right = float(window.counts[1].sum()), float(window.hits[1].sum())
    if predicted < LEAST_ROWS:
        return None
    slope = np.zeros(window.counts.shape)
    slope[1] = 1 / predicted
    return _Part(right / predicted, slope)


def _recall(window: ClassWindow) -> _Part | None:
    missed, right = (float(side.sum()) for side in window.hits)
    own = missed + right
    if own < LEAST_ROWS:
        return None
    slope = np.zeros(window.counts.shape)
    slope[0], slope[1] = -right / own**2, missed / own**2
    return _Part(right / own, slope)


def _f1(window: ClassWindow) -> _Part | None:
    predicted, right = float(window.counts[1].sum()), float(window.hits[1].sum())
    total = predicted + float(window.hits.sum())
    if total < 2 * LEAST_ROWS:
        return None
    slope = np.zeros(window.counts.shape)
    slope[0] = -2 * right / total**2
    slope[1] = 2 / total - 2 * right / total**2
    return _Part(2 * right / total, slope)


def _roc_auc(window: ClassWindow) -> _Part | None:
    """Return the probability that a row of the class has a higher score than another row.

    Rows of one cell count as a half, which is exact where all rows of a cell have one rate.
    """
    own = window.hits.sum(axis=0)
    others = window.counts.sum(axis=0) - own
    positive, negative = float(own.sum()), float(others.sum())
    if min(positive, negative) < LEAST_ROWS:
        return None
    below = np.cumsum(others) - others / 2
    above = positive - np.cumsum(own) + own / 2
    area = float(own @ below) / (positive * negative)
    slope = (below - above - area * (negative - positive)) / (positive * negative)
    return _Part(area, np.broadcast_to(slope, window.counts.shape))


_MEASURES: Final[Mapping[PerformanceMeasure, Callable[[ClassWindow], _Part | None]]] = {
    PerformanceMeasure.PRECISION: _precision,
    PerformanceMeasure.RECALL: _recall,
    PerformanceMeasure.F1: _f1,
    PerformanceMeasure.ROC_AUC: _roc_auc,
}


def _variance(slope: Floats, window: ClassWindow, worth: float, before: float) -> float:
    """Return the variance of a measure: of the window's labels, and of the baseline's rates."""
    counts = window.counts.astype(np.float64)
    drawn = counts * worth
    rates = counts**2 / np.maximum(window.known, 1) * before
    return float((slope**2 * window.variance * (drawn + rates)).sum())


@dataclass(frozen=True, slots=True)
class PriorShift:
    """How far the shares of the true classes have moved.

    Attributes
    ----------
    value
        Total variation distance between now and the baseline, 0 to 1.
    margin
        Half the width of its 95 % interval.
    shares, before
        Estimated shares of the true classes now, and those of the baseline, shape `(n_classes,)`.
    """

    value: float
    margin: float
    shares: Floats
    before: Floats


Z: Final = 1.959964
"""Standard deviations of a 95 % interval."""


def separation(confusion: Counts) -> tuple[float, float]:
    """Return how well predictions tell true classes apart, and how far that may be chance.

    Returns
    -------
    tuple of float
        Smallest singular value of P(predicted | true), 0 to 1; and the norm of its error, by which
        singular values move at most (Weyl 1912).
    """
    given, totals = _conditional(confusion)
    error = float((given * (1 - given) / totals).sum())
    return float(np.linalg.svd(given, compute_uv=False).min()), math.sqrt(error)


def prior_shift(
    confusion: Counts, predicted: Counts, worth: float, worth_before: float
) -> PriorShift:
    """Return how far the shares of the true classes have moved, from the predicted ones.

    Black-box shift estimation (Lipton, Wang and Smola 2018): rows of one true class are predicted
    as in the baseline, so that predicted shares are P(predicted | true) times the true shares.

    Parameters
    ----------
    confusion
        The baseline's rows by predicted and true class, shape `(n_classes, n_classes)`.
    predicted
        Rows of the window by predicted class, shape `(n_classes,)`, with at least one.
    worth, worth_before
        Rows of the window, and of the baseline, that are worth one independent row.
    """
    given, totals = _conditional(confusion)
    seen = np.flatnonzero(confusion.sum(axis=0))
    rows, labelled = float(predicted.sum()), float(totals.sum())
    now = predicted / rows
    before = totals / labelled
    found, _ = nnls(given, now)
    found = found / max(float(found.sum()), 1e-12)
    inverse = np.linalg.pinv(given)
    noise = _covariance(now) * worth / rows
    for share, column, total in zip(found, given.T, totals, strict=True):
        noise = noise + share**2 * _covariance(column) * worth_before / total
    covariance = inverse @ noise @ inverse.T + _covariance(before) * worth_before / labelled
    value = float(np.abs(found - before).sum()) / 2
    shares, old = np.zeros(confusion.shape[0]), np.zeros(confusion.shape[0])
    shares[seen], old[seen] = found, before
    return PriorShift(value, _margin(covariance), shares, old)


def _conditional(confusion: Counts) -> tuple[Floats, Floats]:
    """Return P(predicted | true) of the classes that are true of some row, and their rows."""
    totals = confusion.sum(axis=0).astype(np.float64)
    seen = totals > 0
    return confusion[:, seen] / totals[seen], totals[seen]


def _covariance(shares: Floats) -> Floats:
    """Return the covariance of the shares of one row."""
    found: Floats = np.diag(shares) - np.outer(shares, shares)
    return found


def _margin(covariance: Floats) -> float:
    """Return what half the sum of the sizes of normal errors stays below, 97.5 of 100 times.

    The total variation distance is off by no more than that (triangle inequality). Mean and
    variance of the sizes are those of folded normal variables with these correlations.
    """
    sizes = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    product = np.outer(sizes, sizes)
    ratio = np.clip(covariance / np.where(product > 0, product, 1.0), -1.0, 1.0)
    folded = 2 / np.pi * (np.sqrt(1 - ratio**2) + ratio * np.arcsin(ratio) - 1) * product
    mean = float(sizes.sum()) * math.sqrt(2 / math.pi) / 2
    return mean + Z * math.sqrt(max(0.0, float(folded.sum()))) / 2
