"""The scores of a window that may be judged, and why others may not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.core.baseline.performance_profile import PerformanceProfile
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.judging.comparison import UNBOUNDED, Estimate
from modelmonitor.core.judging.judgement import Refusal
from modelmonitor.core.judging.performance_scores import (
    ScoreTotals,
    confidence_of,
    sum_scores,
    totals_of,
)
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.windows import COVERAGE_FLOOR, Tick, Window, in_percent
from modelmonitor.core.statistics.calibration import cautious, rates_of
from modelmonitor.core.statistics.estimation import ClassWindow, Z

MOST_STRANGE: Final = 0.05
"""Share of rows that may be other than the baseline knows them: predictions of new classes, scores
that are no probabilities, scores where the baseline has no row."""
SHORTEST_BLOCK: Final = 60.0
"""Seconds of the shortest blocks in which the baseline's errors were looked at."""


@dataclass(frozen=True, slots=True)
class Scored:
    """A profile's part on performance, with scores, and those of a window.

    Attributes
    ----------
    part
        Of the baseline.
    totals
        Of the window.
    worth, worth_before
        Rows of the window, and of the baseline, that are worth one independent row.
    """

    part: PerformanceProfile
    totals: ScoreTotals
    worth: float
    worth_before: float

    @property
    def classes(self) -> list[ClassWindow]:
        """The window's counts with the baseline's rates, of each class with a score."""
        return [
            ClassWindow(
                counts=counts,
                rates=rates_of(one.rows, one.hits),
                variance=cautious(one.rows, one.hits),
                known=one.rows,
            )
            for one, counts in zip(self.part.scored, self.totals.cells, strict=True)
        ]


def part_of(profile: Profile, *, scores: bool) -> PerformanceProfile | Refusal:
    """Return what the baseline's labels say of the model, or why it says nothing."""
    part = profile.performance
    if part is None:
        return Refusal(
            VerdictReason.PERFORMANCE_NOT_IN_BASELINE,
            "the baseline was built without labels: build it with --label COLUMN"
            + (" and --score COLUMN" if scores else ""),
        )
    if scores and not part.scored:
        return Refusal(
            VerdictReason.PERFORMANCE_NOT_IN_BASELINE,
            "the baseline has labels, but no scores to go with them: build it with --score COLUMN",
        )
    return part


def scores_of_tick(part: PerformanceProfile, reference: Reference, tick: Tick) -> ScoreTotals:
    """Return the scores of one tick that may be judged."""
    origin = (reference.revision, reference.digest)
    if origin not in tick.scores:
        tick.scores[origin] = totals_of(part, reference.panes(tick))
    return tick.scores[origin]


def scored_of(part: PerformanceProfile, reference: Reference, window: Window) -> Scored:
    """Return the scores of a window."""
    totals = sum_scores(part, [scores_of_tick(part, reference, tick) for tick in window.ticks])
    interval = max(window.ticks[-1].interval, SHORTEST_BLOCK)
    return Scored(part, totals, part.phi(interval), part.phi())


def strange(scored: Scored, reference: Reference, window: Window) -> Refusal | None:
    """Return why scores cannot stand for the model's answers; None if they can."""
    part, totals = scored.part, scored.totals
    if not totals.answers and reference.column(window.ticks, part.prediction).rows:
        return Refusal(VerdictReason.WARMING_UP, "collectors do not count scores yet")
    names = ", ".join(dict.fromkeys(each.column for each in part.scored))
    if totals.rows < COVERAGE_FLOOR * totals.answers:
        return Refusal(
            VerdictReason.SCORES_UNUSABLE,
            f"only {totals.rows} of {totals.answers} answers hold {names} beside {part.prediction}",
        )
    if totals.unusable > MOST_STRANGE * totals.rows:
        return Refusal(
            VerdictReason.SCORES_UNUSABLE,
            f"{in_percent(totals.unusable / totals.rows)} of the rows have no prediction, or a "
            f"score in {names} that is missing or not between 0 and 1",
        )
    known = totals.rows - totals.unusable
    if totals.unknown > MOST_STRANGE * known:
        return _new_classes(totals.unknown / known)
    beyond = max((_beyond(one) for one in scored.classes), default=0.0)
    if beyond > MOST_STRANGE:
        return Refusal(
            VerdictReason.SCORES_UNUSABLE,
            f"{in_percent(beyond)} of the scores lie where the baseline has none, so that nobody "
            "knows what they mean",
        )
    return None


def predicted_of(
    part: PerformanceProfile, reference: Reference, ticks: Sequence[Tick]
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], Refusal | None]:
    """Return how often each class of the baseline was predicted, and why that cannot be judged."""
    column = next(each for each in reference.profile.columns if each.name == part.prediction)
    totals = reference.column(ticks, part.prediction)
    counts = dict(zip(column.categories, totals.cells[:-1].tolist(), strict=True))
    found = np.array([counts.get(name, 0) for name in part.classes], np.int64)
    new = totals.valued - int(found.sum())
    if new > MOST_STRANGE * totals.valued:
        return found, _new_classes(new / totals.valued)
    return found, None


def mean_confidence(scored: Scored) -> Estimate:
    """Return the mean probability of the predicted class, with its 95 % interval."""
    if not scored.totals.counted:
        return UNBOUNDED
    mean, variance = confidence_of(scored.part, scored.totals)
    radius = Z * (variance * scored.worth / scored.totals.counted) ** 0.5
    return Estimate(mean, mean - radius, mean + radius).within(0.0, 1.0)


def baseline_confidence(part: PerformanceProfile) -> Estimate:
    """Return the same of the baseline's labelled rows."""
    radius = Z * part.spread * (part.phi() / part.rows) ** 0.5
    found = Estimate(part.confidence, part.confidence - radius, part.confidence + radius)
    return found.within(0.0, 1.0)


def _new_classes(share: float) -> Refusal:
    return Refusal(
        VerdictReason.SCORES_UNUSABLE,
        f"{in_percent(share)} of the predictions are of classes that the baseline does not know",
    )


def _beyond(window: ClassWindow) -> float:
    """Return the share of rows that lie in cells where the baseline has none."""
    return float(window.counts[window.known == 0].sum()) / max(1, int(window.counts.sum()))
