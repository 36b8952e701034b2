"""Joint moments of a baseline: views are fixed by the rows, which are then counted in them."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.counting.moment_views import MomentView, Projection
from modelmonitor.core.counting.moments import (
    MAX_COLUMNS,
    MAX_DIMENSIONS,
    MomentCounter,
    MomentProfile,
)
from modelmonitor.core.judging.multivariate import COLUMNS_VIEW
from modelmonitor.core.statistics.joint import moments_of, principal_components

LEAST_COLUMNS: Final = 2
"""With fewer there is no pair."""
FEATURES: Final = 64
"""Random features of an embedding."""
PAIRS: Final = 2000
"""Pairs of rows of which the kernel's bandwidth is the median distance."""
BATCH: Final = 4096

Floats = NDArray[np.float64]


class MomentDataError(ValueError):
    """Rows without joint moments; the message says what to change."""


def columns_view(names: Sequence[str], columns: Sequence[Floats]) -> MomentProfile:
    """Return the joint moments of numeric inputs.

    Parameters
    ----------
    names
        Of the columns, at most `MAX_COLUMNS`.
    columns
        Their values, each of shape `(n_rows,)`, NaN where missing.

    Raises
    ------
    MomentDataError
        If there are too many columns, or fewer than two that vary.
    """
    rows = np.column_stack(columns) if columns else np.zeros((0, 0))
    complete = rows[np.isfinite(rows).all(axis=1)]
    deviation = complete.std(axis=0) if len(complete) else np.zeros(len(names))
    varying = [place for place, each in enumerate(deviation) if each > 0]
    if len(varying) > MAX_COLUMNS:
        raise MomentDataError(
            f"there are {len(varying)} numeric inputs, more than {MAX_COLUMNS}: name those whose "
            "correlations matter, as in --correlations A,B,C"
        )
    if len(varying) < LEAST_COLUMNS:
        raise MomentDataError(
            "correlations need two numeric inputs that vary, in rows without a missing number"
        )
    view = MomentView(
        name=COLUMNS_VIEW,
        columns=[names[place] for place in varying],
        centre=complete[:, varying].mean(axis=0).tolist(),
        scale=deviation[varying].tolist(),
    )
    values = [columns[place] for place in varying]
    moments = moments_of(_counted(view, values).counts)
    components = principal_components(moments.covariance)
    return _counted(
        msgspec.structs.replace(view, components=np.round(components, 12).ravel().tolist()), values
    )


def embedding_view(name: str, vectors: Sequence[Any]) -> MomentProfile:
    """Return the joint moments of an embedding's random features.

    Parameters
    ----------
    name
        Of the input.
    vectors
        One list of numbers a row, all of one length; None where missing.

    Raises
    ------
    MomentDataError
        If they are no vectors of one length, or all the same.
    """
    present = [vector for vector in vectors if vector is not None]
    lengths = {len(vector) for vector in present if isinstance(vector, list | np.ndarray)}
    if len(lengths) != 1 or not 0 < next(iter(lengths)) <= MAX_DIMENSIONS:
        raise MomentDataError(
            f"column {name} holds no embedding: its values must be lists of 1 to {MAX_DIMENSIONS} "
            "numbers, all of one length"
        )
    try:
        sample = np.asarray([present[place] for place in _spread(len(present))], np.float64)
    except (TypeError, ValueError) as error:
        raise MomentDataError(f"column {name} holds lists of something but numbers") from error
    half = len(sample) // 2
    distance = np.sqrt(((sample[:half] - sample[half : 2 * half]) ** 2).sum(axis=1))
    bandwidth = float(np.median(distance)) if half else 0.0
    if not np.isfinite(bandwidth) or bandwidth <= 0:
        raise MomentDataError(f"the embeddings of column {name} are all the same")
    projection = Projection(
        dimensions=sample.shape[1], features=FEATURES, bandwidth=float(f"{bandwidth:.6g}")
    )
    return _counted(MomentView(name=name, columns=[name], projection=projection), [vectors])


def _spread(rows: int) -> list[int]:
    """Return rows from all over the data, whose neighbours in the list are far apart in time."""
    places = np.unique(np.linspace(0, rows - 1, min(rows, 2 * PAIRS)).astype(np.int64))
    return [int(place) for place in places]


def _counted(view: MomentView, columns: Sequence[Any]) -> MomentProfile:
    counter = MomentCounter(view, view.columns)
    rows = len(columns[0])
    for start in range(0, rows, BATCH):
        end = min(start + BATCH, rows)
        counter.add([values[start:end] for values in columns], end - start)
    return MomentProfile(view=view, counts=counter.counts())
