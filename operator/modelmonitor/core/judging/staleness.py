"""Staleness: for how long no row has come."""

from collections.abc import Sequence

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.judging.judgement import Measurement, Refusal, judged, unknown, words_of
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.thresholds import compare
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick, Window, window_of


def judge_staleness(metric: Metric, reference: Reference, ticks: Sequence[Tick]) -> Verdict:
    """Return the verdict on how many seconds ago the last row came.

    Counted from the end of the last interval with a row, so that it is never too long.
    """
    if metric.threshold is None:
        raise ValueError(f"metric {metric.name} has no threshold to compare with")
    near = window_of(metric, reference.since(ticks), reference.count)
    filled = [number for number, tick in enumerate(near.ticks) if reference.count(tick)]
    window = Window(near.ticks[filled[-1] :] if filled else near.ticks, full=True)
    refusal = reference.refuse(window)
    # That there was no request is no reason not to judge here; it is what is measured.
    if refusal is not None and refusal.reason is not VerdictReason.NO_TRAFFIC:
        return unknown(metric, refusal, window)
    samples = reference.count(window.ticks[0])
    if filled:
        seconds = window.ticks[-1].end - window.ticks[0].end
        text = f"the last row came {words_of(seconds)} ago" if seconds else "rows come"
        return judged(metric, Measurement(seconds, samples, text), window)
    measured = Measurement(window.seconds, 0, f"no row came in {words_of(window.seconds)}")
    if compare(metric.threshold, measured.value).level is None:
        refusal = Refusal(
            VerdictReason.WARMING_UP,
            f"{measured.text} since data began, and when one did is unknown",
        )
        return unknown(metric, refusal, window)
    return judged(metric, measured, window)
