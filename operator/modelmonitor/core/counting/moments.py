"""Joint moments: sums of products of whole rows, of which correlations and more can be told.

A view is a fixed way to turn a row into a vector: some numeric inputs, standardised by the
baseline, or the random features of an embedding. Counts of a view add up over replicas and time,
and hold no row. Observer and profile builder both count through this module.

Random features z(x) = sqrt(2 / D) cos(W x / bandwidth + b) stand for a Gaussian kernel: the mean
of z(x) z(y) is about exp(-|x - y|² / (2 bandwidth²)) (Rahimi and Recht 2007), so that the distance
of two samples' mean features is about the kernel's maximum mean discrepancy.
"""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.counting.moment_views import MomentView, Projection
from modelmonitor.core.counting.numeric import Floats, Values, to_numbers
from modelmonitor.core.wire.pane import MomentCounts

MAX_COLUMNS: Final = 64
"""Columns, or features, of a view: a pane has a sum for each pair of them."""
MAX_VIEWS: Final = 8
MAX_DIMENSIONS: Final = 4096
"""Of an embedding."""
LARGEST: Final = 8.0
"""Standard deviations beyond which a value counts as this many: one outlier must not decide about
a correlation."""
MAX_SEED: Final = 2**64
_UNIFORM: Final = 2.0**-53
_MANTISSA: Final = 11
"""Bits of 64 that a float does not hold."""


class MomentProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A view, and what the baseline's rows were like in it."""

    view: MomentView
    counts: MomentCounts


def problem_of(profile: MomentProfile, inputs: Sequence[str]) -> str:
    """Return what is wrong with a profile that anybody may have written; empty if nothing is."""
    view, projection = profile.view, profile.view.projection
    if not view.columns or not 0 < view.width <= MAX_COLUMNS:
        return f"a view has 1 to {MAX_COLUMNS} columns or features"
    if any(name not in inputs for name in view.columns):
        return "the columns of a view are inputs"
    if not is_of(view, profile.counts):
        return "counts do not have the view's lengths, or are not finite"
    if projection is not None:
        return _problem_of_projection(projection, view)
    lengths = {len(view.columns), len(view.centre), len(view.scale)}
    if len(lengths) > 1 or len(view.components) % view.width:
        return "centre, scale and components do not have the columns' lengths"
    if len(view.components) > view.width**2:
        return "there are more components than columns"
    if not all(map(math.isfinite, (*view.centre, *view.scale, *view.components))):
        return "centre, scale and components must be finite"
    return "" if all(each > 0 for each in view.scale) else "scale must be above 0"


def _problem_of_projection(projection: Projection, view: MomentView) -> str:
    if len(view.columns) != 1 or view.components:
        return "an embedding is one input"
    if not 0 < projection.dimensions <= MAX_DIMENSIONS:
        return f"an embedding has 1 to {MAX_DIMENSIONS} dimensions"
    if not (math.isfinite(projection.bandwidth) and projection.bandwidth > 0):
        return "the bandwidth must be above 0"
    return "" if 0 <= projection.seed < MAX_SEED else "the seed is no unsigned number of 64 bits"


class MomentCounter:
    """Counts rows of one view.

    Parameters
    ----------
    view
        The view.
    inputs
        Names of the inputs, in the order in which their values come.
    """

    def __init__(self, view: MomentView, inputs: Sequence[str]) -> None:
        self._view = view
        self._places = [inputs.index(name) for name in view.columns]
        width = view.width
        self._rows = self._skipped = 0
        self._sums, self._fourths = np.zeros(width), np.zeros(width)
        self._products = np.zeros((width, width))
        self._errors = self._error_squares = 0.0
        self._components = np.asarray(view.components).reshape(-1, width) if width else None

    def add(self, columns: Sequence[Values], rows: int) -> None:
        """Take a batch of rows; any value is accepted.

        Parameters
        ----------
        columns
            The values of each input; where one has fewer than `rows`, the others are missing.
        rows
            How many there are.
        """
        taken = [columns[place] for place in self._places]
        vectors = _features(self._view.projection, taken[0]) if self._view.projection else None
        if vectors is None:
            vectors = _standardised(self._view, taken, rows)
        self._rows += len(vectors)
        self._skipped += rows - len(vectors)
        self._sums += vectors.sum(axis=0)
        self._products += vectors.T @ vectors
        self._fourths += (vectors**4).sum(axis=0)
        if self._components is not None and self._components.size:
            kept = ((vectors @ self._components.T) ** 2).sum(axis=1)
            errors = np.maximum((vectors**2).sum(axis=1) - kept, 0.0)
            self._errors += float(errors.sum())
            self._error_squares += float((errors**2).sum())

    def counts(self) -> MomentCounts:
        """Return what was counted so far."""
        triangle = np.triu_indices(self._view.width)
        return MomentCounts(
            rows=self._rows,
            skipped=self._skipped,
            sums=_packed(self._sums),
            products=_packed(self._products[triangle]),
            fourths=_packed(self._fourths),
            errors=self._errors,
            errorSquares=self._error_squares,
        )


def sum_moments(parts: Iterable[MomentCounts]) -> MomentCounts:
    """Return the counts of one view together; they must be of one width."""
    taken = [part for part in parts if part.rows or part.skipped]
    return MomentCounts(
        rows=sum(part.rows for part in taken),
        skipped=sum(part.skipped for part in taken),
        sums=_sum_packed(part.sums for part in taken),
        products=_sum_packed(part.products for part in taken),
        fourths=_sum_packed(part.fourths for part in taken),
        errors=math.fsum(part.errors for part in taken),
        errorSquares=math.fsum(part.errorSquares for part in taken),
    )


def is_of(view: MomentView, counts: MomentCounts) -> bool:
    """Return whether counts have the lengths that the view gives them, and finite numbers."""
    width = view.width
    lengths = (width, width * (width + 1) // 2, width)
    arrays = (counts.sums, counts.products, counts.fourths)
    return (
        counts.rows >= 0
        and counts.skipped >= 0
        and math.isfinite(counts.errors)
        and math.isfinite(counts.errorSquares)
        and all(len(each) == 8 * length for each, length in zip(arrays, lengths, strict=True))
        and all(bool(np.isfinite(unpacked(each)).all()) for each in arrays)
    )


def unpacked(payload: bytes) -> Floats:
    """Return an array of a `MomentCounts`."""
    return np.frombuffer(payload, "<f8")


def _packed(values: Floats) -> bytes:
    return values.astype("<f8").tobytes()


def _sum_packed(parts: Iterable[bytes]) -> bytes:
    arrays = [unpacked(part) for part in parts]
    return _packed(np.sum(arrays, axis=0)) if arrays else b""


def _standardised(view: MomentView, columns: Sequence[Values], rows: int) -> Floats:
    """Return the complete rows, shape `(n_complete, n_columns)`."""
    numbers = np.full((rows, len(columns)), np.nan)
    for place, values in enumerate(columns):
        floats = to_numbers(values).floats
        numbers[: floats.size, place] = floats
    complete = numbers[np.isfinite(numbers).all(axis=1)]
    with np.errstate(over="ignore"):
        scaled = (complete - np.asarray(view.centre)) / np.asarray(view.scale)
    clipped: Floats = np.clip(scaled, -LARGEST, LARGEST)
    return clipped


def _features(projection: Projection, values: Values) -> Floats:
    """Return the random features of the embeddings that are whole, shape `(n_whole, features)`."""
    vectors = [vector for value in values if (vector := _vector(value, projection)) is not None]
    if not vectors:
        return np.zeros((0, projection.features))
    weights, offsets = _weights(projection)
    angles = np.stack(vectors) @ weights + offsets
    return math.sqrt(2 / projection.features) * np.cos(angles)


def _vector(value: Any, projection: Projection) -> Floats | None:
    if not isinstance(value, list | tuple | np.ndarray) or len(value) != projection.dimensions:
        return None
    try:
        vector = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        return None
    usable = vector.shape == (projection.dimensions,) and np.isfinite(vector).all()
    return vector if usable else None


@lru_cache(maxsize=8)
def _weights(projection: Projection) -> tuple[Floats, Floats]:
    """Return W / bandwidth, shape `(dimensions, features)`, and b, shape `(features,)`.

    They must be the same wherever and whenever they are made, so that they come from a generator
    whose numbers are fixed, by the transformation of Box and Muller (1958).
    """
    count = projection.dimensions * projection.features
    raw = np.random.Philox(key=projection.seed).random_raw(2 * count + projection.features)
    uniform = ((raw >> np.uint64(_MANTISSA)).astype(np.float64) + 0.5) * _UNIFORM
    radius = np.sqrt(-2 * np.log(uniform[:count]))
    normal = radius * np.cos(2 * np.pi * uniform[count : 2 * count])
    weights = normal.reshape(projection.dimensions, projection.features) / projection.bandwidth
    offsets: NDArray[np.float64] = 2 * np.pi * uniform[2 * count :]
    return weights, offsets
