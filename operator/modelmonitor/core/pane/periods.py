"""The earlier window that a metric compares its own with."""

from collections.abc import Sequence
from dataclasses import replace

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.judging.judgement import Refusal, words_of
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.windows import Tick, Window, window_before


def previous_period(
    metric: Metric, reference: Reference, ticks: Sequence[Tick]
) -> Window | Refusal | None:
    """Return the window that a metric compares with, or why it cannot; None: with none."""
    offset = metric.previous_offset
    if offset is None:
        return None
    window = window_before(metric, reference.since(ticks))
    if window is None or not window.full:
        return Refusal(
            VerdictReason.WARMING_UP,
            f"the period to compare with, which ended {words_of(offset)} ago, is not full yet",
        )
    refusal = reference.refuse(window)
    if refusal is None:
        return window
    message = f"the period to compare with, which ended {words_of(offset)} ago: {refusal.message}"
    return replace(refusal, message=message, no_data=False)
