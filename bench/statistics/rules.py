"""Two rules of peers that need no peer: KS and chi-square with Bonferroni, and NannyML's."""

from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import jensenshannon

from bench.statistics.laws import Floats

LEVEL: Final = 0.05
"""Of a window over all columns."""
CHUNKS: Final = 200
"""Chunks of the reference that NannyML's limit is made of, at most."""


class Rule(Protocol):
    """Something that says of every column of a window whether it alarms."""

    def alarms(self, rows: Floats) -> NDArray[np.bool_]:
        """Return which columns alarm; rows have the shape `(n_rows, n_columns)`."""
        ...


class Bonferroni:
    """KS or chi-square between a window and the reference, p < 0.05 divided by all columns.

    `columns` is their number where the reference holds only some of them.
    """

    def __init__(self, reference: Floats, categorical: list[bool], columns: int = 0) -> None:
        self._level = LEVEL / (columns or len(categorical))
        self._sorted = np.sort(reference, axis=0)
        self._categorical = categorical
        self._counts = [
            np.bincount(each.astype(int)) if is_one else np.zeros(0, np.int64)
            for each, is_one in zip(reference.T, categorical, strict=True)
        ]

    def alarms(self, rows: Floats) -> NDArray[np.bool_]:
        """Return which columns of a window alarm."""
        return np.array(
            [
                (self._chi2 if categorical else self._ks)(place, rows[:, place]) < self._level
                for place, categorical in enumerate(self._categorical)
            ]
        )

    def _ks(self, place: int, values: Floats) -> float:
        """Return the p-value of two samples by the one-sample law at the effective size."""
        reference, n = self._sorted[:, place], values.size
        ordered = np.sort(values)
        upper = np.searchsorted(reference, ordered, "right") / reference.size
        lower = np.searchsorted(reference, ordered, "left") / reference.size
        steps = np.arange(n + 1) / n
        gap = max(float((steps[1:] - lower).max()), float((upper - steps[:-1]).max()))
        size = n * reference.size / (n + reference.size)
        return float(stats.kstwo.sf(gap, round(size)))

    def _chi2(self, place: int, values: Floats) -> float:
        mine = np.bincount(values.astype(int), minlength=self._counts[place].size)
        theirs = np.pad(self._counts[place], (0, mine.size - self._counts[place].size))
        found: Any = stats.chi2_contingency(np.stack([mine, theirs])[:, mine + theirs > 0])
        return float(found.pvalue)


class NannyML:
    """Jensen-Shannon distance above mean + 3 sd of the reference's own chunks.

    Base 2; Doane's bins of the reference for numbers, and one more for what lies outside them.
    """

    def __init__(self, reference: Floats, categorical: list[bool], rows: int) -> None:
        self._bins = [
            np.arange(each.max() + 2) if is_one else np.histogram_bin_edges(each, "doane")
            for each, is_one in zip(reference.T, categorical, strict=True)
        ]
        self._shares = [self._share(each, place) for place, each in enumerate(reference.T)]
        chunks = min(CHUNKS, len(reference) // rows)
        values = [self.distances(chunk) for chunk in np.split(reference[: chunks * rows], chunks)]
        self._limits = np.mean(values, axis=0) + 3 * np.std(values, axis=0)

    def _share(self, values: Floats, place: int) -> Floats:
        inside = np.histogram(values, self._bins[place])[0] / values.size
        found: Floats = np.append(inside, 1 - inside.sum())
        return np.maximum(found, 0.0)

    def distances(self, rows: Floats) -> Floats:
        """Return the distance of every column, shape `(n_columns,)`."""
        return np.array(
            [
                jensenshannon(self._shares[place], self._share(values, place), 2)
                for place, values in enumerate(rows.T)
            ]
        )

    def alarms(self, rows: Floats) -> NDArray[np.bool_]:
        """Return which columns of a window alarm."""
        found: NDArray[np.bool_] = self.distances(rows) > self._limits
        return found
