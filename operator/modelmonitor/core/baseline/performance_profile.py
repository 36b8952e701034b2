"""The profile's part on performance: how predictions and scores went with the true outcomes.

It holds counts only: which true classes the predicted ones turned out to be, and, for each class
with a score, how many of the baseline's rows lay in each cell of the score and how many of them
were of that class. Everything that is estimated without labels is derived of these counts, and of
as many counts of live traffic.
"""

import math
from itertools import pairwise
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

LEAST_CLASSES: Final = 2
MAX_CLASSES: Final = 64
"""Classes of a model whose performance is estimated: the counts grow with their square."""
MAX_EDGES: Final = 128
"""Edges of one class's scores."""
MAX_NAME: Final = 128
MAX_COUNT: Final = 2**48
MAX_LENGTHS: Final = 8


class CellCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The baseline's rows by cell of a score."""

    rows: list[int]
    """Rows in each cell, edges + 1."""
    hits: list[int]
    """Those of them whose true class is the one that the score is of."""


class ClassCalibration(msgspec.Struct, frozen=True, kw_only=True):
    """How the scores of one class went with the truth."""

    name: str
    """The class."""
    column: str
    """The output column that holds its probability."""
    edges: list[float]
    """Edges between the cells, strictly increasing, 0 to 1; a score equal to an edge lies in the
    cell that ends there."""
    other: CellCounts
    """Rows of which the model predicted another class."""
    this: CellCounts
    """Rows of which it predicted this class."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """Rows, shape `(2, n_cells)`: where another class was predicted, where this one was."""
        return np.array([self.other.rows, self.this.rows], np.int64)

    @property
    def hits(self) -> NDArray[np.int64]:
        """Those of the rows that are of this class, shape `(2, n_cells)`."""
        return np.array([self.other.hits, self.this.hits], np.int64)


class Dependence(msgspec.Struct, frozen=True, kw_only=True):
    """How dependent the errors of a model were within blocks of one length."""

    seconds: float
    phi: float
    """Variance inflation of the share of right predictions, at least 1."""


class PerformanceProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the baseline's labels say of the model."""

    prediction: str
    """The output column that holds the predicted class."""
    classes: list[str]
    """Predicted and true classes, as `core.counting.columns` writes them, most frequent first."""
    confusion: list[list[int]]
    """Rows by predicted class (first index) and true class (second)."""
    scored: list[ClassCalibration] = []
    """One class of two, or every class; none without scores."""
    confidence: float = 0.0
    """Mean score of the predicted class."""
    spread: float = 0.0
    """Standard deviation of the score of the predicted class."""
    sureness: float = 0.0
    """Threshold of average thresholded confidence: scores of the predicted class above it are as
    frequent as right predictions. Every class's edges hold it."""
    dependence: list[Dependence] = []
    """Shortest blocks first; empty where the rows had no times."""

    @property
    def rows(self) -> int:
        """The baseline's rows with a label."""
        return sum(map(sum, self.confusion))

    @property
    def binary(self) -> bool:
        """Whether there are two classes, and the score of one tells that of the other."""
        return len(self.classes) == len(self.scored) + 1

    @property
    def accuracy(self) -> float:
        """The baseline's share of right predictions."""
        right = sum(row[place] for place, row in enumerate(self.confusion))
        return right / max(1, self.rows)

    def phi(self, seconds: float = math.inf) -> float:
        """Return how many rows are worth one independent row in blocks of at most some length."""
        taken = [each.phi for each in self.dependence if each.seconds <= seconds]
        return max(taken, default=1.0)


class InconsistentPerformanceError(ValueError):
    """A part on performance that cannot be used; the message says where."""


def check_performance(part: PerformanceProfile, columns: set[str]) -> None:
    """Check the part on performance of a profile, which is hostile input.

    Raises
    ------
    InconsistentPerformanceError
        If anything in it is out of bounds or contradicts the rest.
    """
    size = len(part.classes)
    few = LEAST_CLASSES <= size <= MAX_CLASSES
    _hold(few, f"classes: there must be {LEAST_CLASSES} to {MAX_CLASSES}")
    _hold(len(set(part.classes)) == size, "classes: a class is there twice")
    _hold(all(0 < len(name) <= MAX_NAME for name in part.classes), "classes: names are too long")
    _hold(part.prediction in columns, "prediction: the profile has no such column")
    square = len(part.confusion) == size and all(len(row) == size for row in part.confusion)
    _hold(square, f"confusion: must be {size} rows of {size} counts")
    _hold(all(_are_counts(row) for row in part.confusion), "confusion: must be counts")
    _hold(part.rows > 0, "confusion: there is no row with a label")
    complete = not part.scored or len(part.scored) == size or (size, len(part.scored)) == (2, 1)
    _hold(complete, "scored: must be every class, or one of two")
    names = [each.name for each in part.scored]
    _hold(len(set(names)) == len(names), "scored: a class is there twice")
    for each in part.scored:
        _hold(each.name in part.classes, f"scored[{each.name}]: is none of the classes")
        _hold(each.column in columns, f"scored[{each.name}].column: there is no such column")
        _check_class(each, part.rows)
    numbers = (part.confidence, part.spread, part.sureness)
    _hold(all(0 <= number <= 1 for number in numbers), "confidence: must be 0 to 1")
    _hold(len(part.dependence) <= MAX_LENGTHS, f"dependence: at most {MAX_LENGTHS} are allowed")
    for one in part.dependence:
        sound = math.isfinite(one.seconds) and one.seconds > 0
        _hold(sound and 1 <= one.phi < math.inf, "dependence: seconds > 0 and phi >= 1 are needed")


def _check_class(each: ClassCalibration, rows: int) -> None:
    where = f"scored[{each.name}]"
    _hold(len(each.edges) <= MAX_EDGES, f"{where}.edges: at most {MAX_EDGES} are allowed")
    rising = all(left < right for left, right in pairwise(each.edges))
    _hold(rising and all(0 <= edge <= 1 for edge in each.edges), f"{where}.edges: 0 to 1, rising")
    for side in (each.other, each.this):
        fits = len(side.rows) == len(side.hits) == len(each.edges) + 1
        _hold(fits, f"{where}: must be {len(each.edges) + 1} counts")
        _hold(_are_counts(side.rows), f"{where}: must be counts")
        some = all(0 <= hits <= of for hits, of in zip(side.hits, side.rows, strict=True))
        _hold(some, f"{where}.hits: cannot be more than rows")
    counted = sum(each.other.rows) + sum(each.this.rows)
    _hold(0 < counted <= rows, f"{where}: must be rows with a label")


def _are_counts(counts: list[int]) -> bool:
    return all(0 <= count <= MAX_COUNT for count in counts)


def _hold(holds: object, problem: str) -> None:
    if not holds:
        raise InconsistentPerformanceError(f"performance.{problem}")
