"""Building the profile's part on performance: predictions, scores and labels in, counts out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.baseline.performance_profile import (
    LEAST_CLASSES,
    MAX_CLASSES,
    MAX_NAME,
    CellCounts,
    ClassCalibration,
    PerformanceProfile,
)
from modelmonitor.core.baseline.profile import ColumnKind, Profile
from modelmonitor.core.counting.categories import category_text
from modelmonitor.core.counting.columns import cells_of, count_cells
from modelmonitor.core.counting.numeric import Values, to_numbers
from modelmonitor.core.counting.scores import are_probabilities
from modelmonitor.core.statistics.calibration import (
    ALL_PARTS,
    MOST_PARTS,
    cautious,
    dependence_of,
    edges_of,
    rates_of,
    sureness_of,
)
from modelmonitor.core.statistics.shares import Floats

FEW_LABELS: Final = 1000
"""Rows with a label below which estimates have wide intervals."""
LEAST_OWN: Final = 30
"""Rows of a class below which nothing is known of it."""

TRUTHS: Final = ("false", "true")
NUMBERS: Final = ("0", "1")
MOST_AGREE: Final = 0.5
"""Share of rows whose predicted class must have the highest score, where classes are taken to be in
order."""

Ints = NDArray[np.int64]


class PerformanceDataError(ValueError):
    """Labels or scores of which no performance can be estimated; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreColumn:
    """A column with the probability of one class.

    Attributes
    ----------
    column
        Name of the output column.
    values
        One a row.
    of
        The class; empty: found from the data.
    """

    column: str
    values: Values
    of: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Rows with a label and usable scores, by place of their classes."""

    classes: list[str]
    predicted: Ints
    true: Ints
    scores: Floats
    """Shape `(n_scores, n_rows)`."""
    times: Floats | None


def build_performance(
    prediction: str,
    predictions: Values,
    labels: Values,
    scores: Sequence[ScoreColumn] = (),
    times: Floats | None = None,
) -> tuple[PerformanceProfile, list[str]]:
    """Return the part on performance of a profile, and its weaknesses as sentences.

    Parameters
    ----------
    prediction
        Name of the output column with the predicted class.
    predictions, labels
        Predicted and true classes, one a row; rows without a label are left out.
    scores
        None; one of two classes; or one for every class.
    times
        Seconds since the epoch of each row, shape `(n_rows,)`.

    Raises
    ------
    PerformanceDataError
        If the labels are no classes, or the scores do not belong to them.
    """
    rows = _usable(predictions, labels, scores, times)
    size = len(rows.classes)
    confusion = np.zeros((size, size), np.int64)
    np.add.at(confusion, (rows.predicted, rows.true), 1)
    part = PerformanceProfile(
        prediction=prediction, classes=rows.classes, confusion=confusion.tolist()
    )
    right = rows.predicted == rows.true
    expected = np.full(right.size, part.accuracy)
    variance = expected * (1 - expected)
    if scores:
        part, expected, variance = _with_scores(part, rows, scores)
    if rows.times is not None:
        dependence = dependence_of(rows.times, right - expected, variance)
        part = msgspec.structs.replace(part, dependence=dependence)
    return part, _weaknesses(part)


def with_performance(
    profile: Profile,
    table: Mapping[str, Values],
    prediction: str,
    labels: Values,
    scores: Mapping[str, str],
    times: Floats | None,
) -> Profile:
    """Return a profile with its part on performance; without, and with a warning, for a regression.

    Parameters
    ----------
    profile
        Built of the table.
    table
        Column name → values.
    prediction
        The column with the predicted class.
    labels
        The true classes, one a row.
    scores
        Column with a score → the class that it is the probability of; empty: found from the data.
    times
        Seconds since the epoch of each row, shape `(n_rows,)`.

    Raises
    ------
    PerformanceDataError
        If the scores do not belong to the classes.
    """
    column = next(each for each in profile.columns if each.name == prediction)
    if column.kind is not ColumnKind.CATEGORICAL:
        warning = (
            f"{prediction} is a number, not a class: its labels are left out, since performance is "
            "estimated of classes only"
        )
        return msgspec.structs.replace(profile, warnings=[*profile.warnings, warning])
    columns = [ScoreColumn(column=name, values=table[name], of=of) for name, of in scores.items()]
    part, weaknesses = build_performance(prediction, table[prediction], labels, columns, times)
    return msgspec.structs.replace(
        profile, performance=part, warnings=[*profile.warnings, *weaknesses]
    )


def _usable(
    predictions: Values, labels: Values, scores: Sequence[ScoreColumn], times: Floats | None
) -> _Rows:
    predicted = _texts(predictions)
    true = _named_alike(_texts(labels), predicted)
    numbers = np.array([to_numbers(each.values).floats for each in scores], np.float64)
    numbers = numbers.reshape(len(scores), len(predicted))
    usable = np.array(
        [None not in pair for pair in zip(predicted, true, strict=True)], bool
    ) & are_probabilities(numbers).all(axis=0)
    if not usable.any():
        problem = "and scores between 0 and 1" if scores else ""
        raise PerformanceDataError(f"no row has both a prediction and a label {problem}".rstrip())
    kept = np.flatnonzero(usable)
    mine, theirs = [predicted[row] for row in kept], [true[row] for row in kept]
    classes = _classes(mine, theirs, [each.of for each in scores if each.of])
    places = {name: place for place, name in enumerate(classes)}
    return _Rows(
        classes=classes,
        predicted=np.array([places[str(name)] for name in mine], np.int64),
        true=np.array([places[str(name)] for name in theirs], np.int64),
        scores=np.clip(numbers[:, kept], 0.0, 1.0),
        times=None if times is None else times[kept],
    )


def _texts(values: Values) -> list[str | None]:
    if isinstance(values, np.ndarray):
        values = values.tolist()
    try:
        return [category_text(value) for value in values]
    except TypeError as error:
        raise PerformanceDataError("predictions and labels must be classes, not lists") from error


def _named_alike(labels: list[str | None], predicted: Sequence[str | None]) -> list[str | None]:
    """Return labels as predictions write them: truth values are numbers to many models."""
    wanted, have = set(predicted) - {None}, set(labels) - {None}
    for ours, theirs in ((TRUTHS, NUMBERS), (NUMBERS, TRUTHS)):
        if have <= set(ours) and wanted <= set(theirs):
            same = dict(zip(ours, theirs, strict=True))
            return [None if name is None else same[name] for name in labels]
    if wanted and have and not wanted & have:
        raise PerformanceDataError(
            f"no label is ever predicted: labels are such as {min(map(str, have))[:MAX_NAME]!r}, "
            f"predictions such as {min(map(str, wanted))[:MAX_NAME]!r}"
        )
    return labels


def _classes(
    predicted: Sequence[str | None], true: Sequence[str | None], named: Sequence[str]
) -> list[str]:
    """Return all classes, those that are true most often first."""
    counts = Counter(name for name in true if name is not None)
    for name in [*predicted, *named]:
        if name is not None:
            counts.setdefault(name, 0)
    classes = sorted(counts, key=lambda name: (-counts[name], name))
    if not LEAST_CLASSES <= len(classes) <= MAX_CLASSES:
        raise PerformanceDataError(
            f"the labels have {len(classes)} different values: performance is estimated of "
            f"{LEAST_CLASSES} to {MAX_CLASSES} classes"
        )
    if any(len(name) > MAX_NAME for name in classes):
        raise PerformanceDataError(f"names of classes have at most {MAX_NAME} characters")
    return classes


def _with_scores(
    part: PerformanceProfile, rows: _Rows, scores: Sequence[ScoreColumn]
) -> tuple[PerformanceProfile, Floats, Floats]:
    """Return the part with scores; and how likely each row was right, with variance."""
    owners = _owners(scores, rows)
    confidence = _confidence(rows, owners)
    right = rows.predicted == rows.true
    sureness = sureness_of(confidence, right)
    more = [sureness, 1 - sureness] if len(owners) == 1 else [sureness]
    parts = max(2, min(MOST_PARTS, ALL_PARTS // len(owners)))
    expected, variance = np.zeros(right.size), np.zeros(right.size)
    scored = []
    for owner, column, values in zip(owners, scores, rows.scores, strict=True):
        edges = edges_of(values, rows.true == owner, parts, more)
        one = _calibration(rows, owner, column.column, values, edges)
        scored.append(one)
        mine = rows.predicted == owner
        cells = cells_of(values, edges)
        rates, spread = rates_of(one.rows, one.hits), cautious(one.rows, one.hits)
        expected[mine], variance[mine] = rates[1, cells[mine]], spread[1, cells[mine]]
        if len(owners) == 1:
            expected[~mine] = 1 - rates[0, cells[~mine]]
            variance[~mine] = spread[0, cells[~mine]]
    part = msgspec.structs.replace(
        part,
        scored=scored,
        confidence=float(confidence.mean()),
        spread=float(confidence.std()),
        sureness=sureness,
    )
    return part, expected, variance


def _calibration(
    rows: _Rows, owner: int, column: str, values: Floats, edges: list[float]
) -> ClassCalibration:
    def counted(predicted: NDArray[np.bool_]) -> CellCounts:
        own = predicted & (rows.true == owner)
        return CellCounts(
            rows=count_cells(values[predicted], edges).tolist(),
            hits=count_cells(values[own], edges).tolist(),
        )

    mine = rows.predicted == owner
    return ClassCalibration(
        name=rows.classes[owner],
        column=column,
        edges=edges,
        other=counted(~mine),
        this=counted(mine),
    )


def _confidence(rows: _Rows, owners: Sequence[int]) -> Floats:
    """Return the score of the predicted class of each row."""
    if len(owners) == 1:
        of_one: Floats = rows.scores[0]
        return np.asarray(np.where(rows.predicted == owners[0], of_one, 1 - of_one), np.float64)
    place = np.empty(len(rows.classes), np.int64)
    place[np.array(owners)] = np.arange(len(owners))
    found: Floats = rows.scores[place[rows.predicted], np.arange(rows.predicted.size)]
    return found


def _owners(scores: Sequence[ScoreColumn], rows: _Rows) -> list[int]:
    """Return the place of the class that each score is the probability of."""
    if len(scores) == 1 and len(rows.classes) > LEAST_CLASSES:
        raise PerformanceDataError(
            f"one score tells of two classes, but there are {len(rows.classes)}: name the score of "
            "each class"
        )
    if len(scores) not in {1, len(rows.classes)}:
        raise PerformanceDataError(
            f"there are {len(scores)} scores for the {len(rows.classes)} classes "
            f"{', '.join(rows.classes[:10])}: name the class of each score"
        )
    if any(each.of for each in scores):
        owners = [_named(each, rows.classes) for each in scores]
        if len(set(owners)) != len(owners):
            raise PerformanceDataError("two scores are of one class")
        return owners
    if len(scores) == 1:
        return [_positive(rows)]
    return _in_order(rows)


def _named(score: ScoreColumn, classes: Sequence[str]) -> int:
    if not score.of:
        raise PerformanceDataError(f"name the class of score {score.column} as well")
    return classes.index(score.of)


def _positive(rows: _Rows) -> int:
    """Return the class whose rows have the higher score."""
    sizes = np.bincount(rows.true, minlength=2)
    if not sizes.all():
        raise PerformanceDataError(f"every label is {rows.classes[int(sizes.argmax())]}")
    means = np.bincount(rows.true, weights=rows.scores[0], minlength=2) / sizes
    return int(means.argmax())


def _in_order(rows: _Rows) -> list[int]:
    """Return the classes as scikit-learn orders them: numbers by value, text by code point."""
    try:
        owners = sorted(range(len(rows.classes)), key=lambda place: float(rows.classes[place]))
    except ValueError:
        owners = sorted(range(len(rows.classes)), key=lambda place: rows.classes[place])
    highest = np.array(owners)[rows.scores.argmax(axis=0)]
    agreeing = float((highest == rows.predicted).mean())
    if agreeing < MOST_AGREE:
        raise PerformanceDataError(
            f"only {agreeing:.0%} of the predictions are the class with the highest score, if the "
            f"scores are those of {', '.join(rows.classes[each] for each in owners[:10])}: name "
            "the class of each score"
        )
    return owners


def _weaknesses(part: PerformanceProfile) -> list[str]:
    found = []
    if part.rows < FEW_LABELS:
        found.append(
            f"only {part.rows} rows have a label: estimates of performance have wide intervals"
        )
    totals = np.array(part.confusion).sum(axis=0)
    rare = [name for name, rows in zip(part.classes, totals, strict=True) if rows < LEAST_OWN]
    if rare:
        named = ", ".join(rare[:5])
        found.append(
            f"fewer than {LEAST_OWN} rows are of class {named}: little is known of its scores"
        )
    return found
