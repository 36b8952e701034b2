"""EstimatedPerformance metrics: how well the model does, judged before anybody knows the truth.

Whatever is estimated holds as long as scores (or, for PriorShift, predictions) mean what they meant
in the baseline: no method that looks at inputs and outputs alone can see that the relation between
them and the truth has changed. Every message says so.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metric_options import (
    EstimatedPerformanceOptions,
    PerformanceMeasure,
    PerformanceMethod,
    StatisticOf,
)
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.baseline.performance_profile import PerformanceProfile
from modelmonitor.core.judging.comparison import Estimate, compared, exactly, worded
from modelmonitor.core.judging.judgement import (
    Measurement,
    Refusal,
    judged_between,
    too_few,
    unknown,
)
from modelmonitor.core.judging.performance_scores import confidence_of, sure_rows
from modelmonitor.core.judging.performance_window import (
    Scored,
    part_of,
    predicted_of,
    scored_of,
    scores_of_tick,
    strange,
)
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick, Window, window_of
from modelmonitor.core.judging.worth import worth_of
from modelmonitor.core.statistics.estimation import (
    LEAST_ROWS,
    Estimated,
    Z,
    performance,
    prior_shift,
    realised,
    separation,
)

WORDS: Final = {
    PerformanceMeasure.ACCURACY: "accuracy",
    PerformanceMeasure.PRECISION: "precision",
    PerformanceMeasure.RECALL: "recall",
    PerformanceMeasure.F1: "F1",
    PerformanceMeasure.ROC_AUC: "ROC AUC",
    PerformanceMeasure.PRIOR_SHIFT: "shift of the true classes' shares",
}
NO_CONCEPT_SHIFT: Final = "as long as the relation between inputs and labels has not changed"
NO_OTHER_INPUTS: Final = "as long as inputs of each class look as they did"
SINGULAR: Final = 2.0
"""Norms of its error that the least singular value must exceed: else it may be 0."""


@dataclass(frozen=True, slots=True)
class _Found:
    """An estimate, that of the baseline, and what it is made of."""

    now: Estimate
    before: Estimate
    samples: int
    source: str
    """Ends the sentence: from how many of what, and as long as what holds."""


def judge_performance(
    metric: Metric,
    options: EstimatedPerformanceOptions,
    reference: Reference,
    ticks: Sequence[Tick],
) -> Verdict:
    """Return the verdict on an EstimatedPerformance metric.

    Unknown where the interval of the estimate holds a threshold, and where scores or predictions
    are not such as the baseline knows them.
    """
    method = method_of(options)
    by_scores = method is not PerformanceMethod.BBSE
    part = part_of(reference.profile, scores=by_scores)
    if isinstance(part, Refusal):
        return unknown(metric, part, Window(tuple(ticks[-1:]), full=True))
    known = part

    def samples(tick: Tick) -> int:
        if by_scores:
            return scores_of_tick(known, reference, tick).counted
        return reference.rows_of(tick)[known.prediction].valued

    window = window_of(metric, reference.since(ticks), samples)
    refusal = reference.refuse(window)
    if refusal is not None:
        return unknown(metric, refusal, window)
    if by_scores:
        scored = scored_of(part, reference, window)
        refusal = strange(scored, reference, window)
        found = refusal or _by_scores(metric, options, method, scored, window)
    else:
        found = _by_predictions(metric, part, reference, window)
    if isinstance(found, Refusal):
        return unknown(metric, found, window, samples=sum(map(samples, window.ticks)))
    return _verdict(metric, options, found, window)


def wants_scores(metrics: Iterable[Metric]) -> bool:
    """Return whether any metric needs scores counted together with predictions."""
    return any(
        (
            metric.estimated_performance is not None
            and method_of(metric.estimated_performance) is not PerformanceMethod.BBSE
        )
        or (metric.statistic is not None and metric.statistic.of is StatisticOf.CONFIDENCE)
        for metric in metrics
    )


def method_of(options: EstimatedPerformanceOptions) -> PerformanceMethod:
    """Return how a measure is estimated."""
    if options.method is not None:
        return options.method
    prior = options.measure is PerformanceMeasure.PRIOR_SHIFT
    return PerformanceMethod.BBSE if prior else PerformanceMethod.CBPE


def _by_scores(
    metric: Metric,
    options: EstimatedPerformanceOptions,
    method: PerformanceMethod,
    scored: Scored,
    window: Window,
) -> _Found | Refusal:
    rows = scored.totals.counted
    refusal = too_few(metric, rows, window, "scores")
    if refusal is not None:
        return refusal
    if method is PerformanceMethod.CBPE:
        measure = options.measure
        now = performance(measure, scored.classes, scored.worth, scored.worth_before)
        counts = [(one.rows, one.hits) for one in scored.part.scored]
        before = realised(measure, counts, scored.worth_before)
    else:
        now, before = by_confidence(method, scored), accuracy_before(scored.part)
    if not (math.isfinite(now.value) and math.isfinite(before.value)):
        return Refusal(
            VerdictReason.TOO_FEW_SAMPLES,
            f"{rows} scores: {WORDS[options.measure]} needs {LEAST_ROWS} rows of a class",
        )
    some = len(scored.classes)
    classes = f" of {now.classes} of {some} classes" if now.classes < some else ""
    source = f"from {rows:,} scores{classes}, {NO_CONCEPT_SHIFT}"
    return _Found(_interval(now), _interval(before), rows, source)


def by_confidence(method: PerformanceMethod, scored: Scored) -> Estimated:
    """Return the accuracy that follows from how sure the model is.

    ATC: the share of rows that are surer than the baseline's threshold (Garg et al. 2022); DoC: the
    baseline's accuracy plus the difference of mean confidences (Guillory et al. 2021). Both are
    corrected for what they are off by in the baseline itself.
    """
    part, totals = scored.part, scored.totals
    rows, before = totals.counted, accuracy_before(part)
    if rows < LEAST_ROWS:
        return Estimated(math.nan, math.inf, 0)
    if method is PerformanceMethod.ATC:
        usual = [one.rows for one in part.scored]
        change = sure_rows(part, totals.cells) / rows
        change -= sure_rows(part, usual) / max(1, int(usual[0].sum()))
    else:
        change = confidence_of(part, totals)[0] - part.confidence
    value = min(max(before.value + change, 0.0), 1.0)
    smooth = (value * rows + 0.5) / (rows + 1)
    drawn = smooth * (1 - smooth) * scored.worth / rows
    return Estimated(value, math.sqrt(drawn + before.deviation**2), len(part.scored))


def accuracy_before(part: PerformanceProfile) -> Estimated:
    """Return the baseline's accuracy."""
    smooth = (part.accuracy * part.rows + 0.5) / (part.rows + 1)
    return Estimated(part.accuracy, math.sqrt(smooth * (1 - smooth) * part.phi() / part.rows))


def _by_predictions(
    metric: Metric, part: PerformanceProfile, reference: Reference, window: Window
) -> _Found | Refusal:
    predicted, refusal = predicted_of(part, reference, window.ticks)
    rows = int(predicted.sum())
    refusal = too_few(metric, rows, window, "predictions") or refusal
    if refusal is not None:
        return refusal
    if rows < LEAST_ROWS:
        return Refusal(
            VerdictReason.TOO_FEW_SAMPLES, f"{rows} predictions, {LEAST_ROWS} are needed"
        )
    confusion = np.array(part.confusion, np.int64)
    least, error = separation(confusion)
    if least <= SINGULAR * error:
        return Refusal(
            VerdictReason.PRIOR_NOT_IDENTIFIABLE,
            f"the predictions tell the true classes too badly apart: the smallest singular value "
            f"of their confusion is {least:.2g}, known to {error:.2g}",
        )
    column = next(each for each in reference.profile.columns if each.name == part.prediction)
    worth = worth_of(column, window.ticks[-1].interval)
    found = prior_shift(confusion, predicted, worth, part.phi())
    now = Estimate(found.value, found.value - found.margin, found.value + found.margin)
    moved = int(np.abs(found.shares - found.before).argmax())
    source = (
        f"from {rows:,} predictions: {part.classes[moved]} {found.before[moved]:.1%} to "
        f"{found.shares[moved]:.1%}, {NO_OTHER_INPUTS}"
    )
    return _Found(now.within(0.0, 1.0), exactly(0.0), rows, source)


def _interval(found: Estimated) -> Estimate:
    radius = Z * found.deviation
    return Estimate(found.value, found.value - radius, found.value + radius).within(0.0, 1.0)


def _verdict(
    metric: Metric, options: EstimatedPerformanceOptions, found: _Found, window: Window
) -> Verdict:
    judgeable, words = found.now, ""
    if metric.compare is not None:
        judgeable = compared(found.now, found.before, metric.compare.as_)
        words = f", {worded(metric.compare, judgeable)}"
    text = (
        f"estimated {WORDS[options.measure]} {found.now.value:.3f}{words} (95 % interval "
        f"{judgeable.low:.3f} to {judgeable.high:.3f}) {found.source}"
    )
    measured = Measurement(judgeable.value, found.samples, text)
    return judged_between(metric, measured, judgeable.low, judgeable.high, window)
