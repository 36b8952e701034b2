"""Scores and labels on the command line: which columns hold probabilities, and of which classes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modelmonitor.cli.errors import CommandError
from modelmonitor.core.baseline.performance_builder import PerformanceDataError, with_performance
from modelmonitor.core.baseline.profile import ColumnRole, OutputLocator, Profile
from modelmonitor.core.baseline.profile_builder import OutputColumn

Values = NDArray[Any] | list[Any]


@dataclass(frozen=True)
class Score:
    """A column with the probability of a class.

    Attributes
    ----------
    column
        Its name.
    of
        The class; empty: found from the data.
    locator
        Where responses hold it; None: an output of that name.
    """

    column: str
    of: str
    locator: OutputLocator | None

    @property
    def output(self) -> OutputColumn:
        """The column as the profile takes it."""
        return OutputColumn(column=self.column, role=ColumnRole.SCORE, locator=self.locator)


def scores_of(
    named: Sequence[str], places: Sequence[str], at: Callable[[str], OutputLocator | None]
) -> list[Score]:
    """Return the scores that `--score COLUMN[=CLASS]` and `--score-at OUTPUT[:INDEX]` name.

    Raises
    ------
    CommandError
        If there are not as many places as scores, or none at all.
    """
    if places and not named:
        raise CommandError("--score-at says where the score is, but --score names no column")
    if places and len(places) != len(named):
        raise CommandError(
            f"--score-at says where a score is: there are {len(places)} for {len(named)} --score"
        )
    scores = []
    for place, text in enumerate(named):
        column, equals, of = text.rpartition("=")
        locator = at(places[place]) if places else None
        scores.append(Score(column if equals else text, of if equals else "", locator))
    return scores


def take_labels(columns: Mapping[str, Values], label: str) -> tuple[dict[str, Values], Values]:
    """Return the columns without the one with the true outcome, which is not served; and that one.

    Raises
    ------
    CommandError
        If there is none.
    """
    rest = dict(columns)
    if label not in rest:
        raise CommandError(
            f"--label: the data has no column {label}: its columns are {', '.join(list(rest)[:20])}"
        )
    labels = rest.pop(label)
    return rest, labels


def add_performance(
    profile: Profile,
    columns: Mapping[str, Values],
    prediction: str,
    labels: Values,
    scores: Sequence[Score],
    times: NDArray[np.float64] | None,
) -> Profile:
    """Return the profile with what its labels say of the model.

    Raises
    ------
    CommandError
        If scores and labels do not belong together.
    """
    of = {each.column: each.of for each in scores}
    try:
        return with_performance(profile, columns, prediction, labels, of, times)
    except PerformanceDataError as error:
        raise CommandError(
            f"--label and --score: {error}; write --score COLUMN=CLASS to name a score's "
            "class, or leave out --label"
        ) from error
