"""Multivariate metrics: whole rows, or embeddings, against the baseline's."""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.multivariate import MultivariateOptions, MultivariateStatistic
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.counting.moments import MomentProfile, is_of, sum_moments
from modelmonitor.core.drift.drift_plan import envelope_for
from modelmonitor.core.judging.judgement import (
    Measurement,
    Refusal,
    judged_between,
    too_few,
    unknown,
    words_of,
)
from modelmonitor.core.judging.rows import Reference, selected
from modelmonitor.core.judging.verdict import ColumnFinding, Verdict
from modelmonitor.core.judging.windows import Tick, Window, window_of
from modelmonitor.core.statistics.joint import (
    Estimate,
    correlation_change,
    discrepancy,
    moments_of,
    reconstruction_error,
)
from modelmonitor.core.wire.pane import MomentCounts

COLUMNS_VIEW: Final = "columns"
"""Name of the view of numeric inputs; embeddings' views are named by their inputs."""
MOST_SKIPPED: Final = 0.5
"""Share of incomplete rows above which the others do not stand for the traffic."""
_UNITS: Final = {
    MultivariateStatistic.CORRELATION_CHANGE: "change of correlation",
    MultivariateStatistic.RECONSTRUCTION_ERROR: "reconstruction error of the baseline's",
    MultivariateStatistic.EMBEDDING_DISTANCE: "distance of embeddings",
}


def view_of(options: MultivariateOptions) -> str:
    """Return the name of the view that a metric looks at."""
    return options.column or COLUMNS_VIEW


def command_for(options: MultivariateOptions) -> str:
    """Return the command that builds a baseline with the view that a metric looks at."""
    option = f"--embedding {options.column}" if options.column else "--correlations all"
    return f"modelmonitor baseline build … {option}"


def views_for(profile: Profile, metrics: Iterable[Metric]) -> list[MomentProfile]:
    """Return the views of a profile that metrics look at: only these are worth counting."""
    wanted = {view_of(each.multivariate) for each in metrics if each.multivariate is not None}
    return [each for each in profile.moments if each.view.name in wanted]


def judge_multivariate(
    metric: Metric, options: MultivariateOptions, reference: Reference, ticks: Sequence[Tick]
) -> Verdict:
    """Return the verdict on a Multivariate metric; Unknown where its interval holds a threshold."""
    known = {each.view.name: each for each in reference.profile.moments}
    before = known.get(view_of(options))
    if before is None or not before.counts.rows:
        return unknown(metric, _not_built(options), Window(tuple(ticks[-1:]), full=True))

    def rows(tick: Tick) -> int:
        return _counts(reference, before, [tick]).rows

    window = window_of(metric, reference.since(ticks), rows)
    counts = _counts(reference, before, window.ticks)
    refusal = (
        reference.refuse(window) or too_few(metric, counts.rows, window, "rows") or _holey(counts)
    )
    if refusal is not None:
        return unknown(metric, refusal, window, samples=counts.rows)
    measured = _measured(options, reference, before, counts, window)
    if measured is None:
        refusal = Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED,
            "the columns do not vary, in the baseline or now: there is nothing to compare",
        )
        return unknown(metric, refusal, window, samples=counts.rows)
    return _verdict(metric, *measured, counts, window)


def _not_built(options: MultivariateOptions) -> Refusal:
    return Refusal(
        VerdictReason.COLUMN_NOT_IN_BASELINE,
        f"the baseline does not know whole rows: build it with `{command_for(options)}`",
    )


def _counts(reference: Reference, before: MomentProfile, ticks: Iterable[Tick]) -> MomentCounts:
    """Return the sum over the panes that count the view as the baseline does."""
    view = before.view
    found = (
        pane.moments[view.name]
        for tick in ticks
        for pane in reference.panes(tick)
        if view.name in pane.moments
    )
    return sum_moments(each for each in found if is_of(view, each))


def _holey(counts: MomentCounts) -> Refusal | None:
    everything = counts.rows + counts.skipped
    if counts.skipped <= MOST_SKIPPED * everything:
        return None
    return Refusal(
        VerdictReason.PARTIAL_OBSERVATION,
        f"{counts.skipped} of {everything} rows lack a number in one of the columns: the others do "
        "not stand for all",
    )


def _measured(
    options: MultivariateOptions,
    reference: Reference,
    before: MomentProfile,
    counts: MomentCounts,
    window: Window,
) -> tuple[Estimate, MultivariateStatistic, tuple[ColumnFinding, ...]] | None:
    """Return the value with the pairs behind it, worst first; None where nothing varies."""
    worth = _worth(reference.profile, before, window.ticks[-1].interval)
    statistic = options.statistic
    match statistic:
        case MultivariateStatistic.CORRELATION_CHANGE:
            changed = correlation_change(
                moments_of(before.counts, worth),
                moments_of(counts, worth),
                _watched(options, reference.profile, before),
            )
            if changed is None:
                return None
            estimate, pairs = changed
            names = before.view.columns
            findings = [
                ColumnFinding(f"{names[one]} × {names[other]}"[:128], value)
                for value, one, other in pairs[:3]
            ]
            return estimate, statistic, tuple(findings)
        case MultivariateStatistic.RECONSTRUCTION_ERROR:
            found = reconstruction_error(before.counts, counts, worth)
            return None if found is None else (found, statistic, ())
        case MultivariateStatistic.EMBEDDING_DISTANCE:
            found = discrepancy(moments_of(before.counts, worth), moments_of(counts, worth))
            return found, statistic, ()


def _watched(
    options: MultivariateOptions, profile: Profile, before: MomentProfile
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    names = before.view.columns
    if options.columns is not None:
        wanted = {column.name for column in selected(profile, options.columns)}
        return np.array([i for i, name in enumerate(names) if name in wanted], np.int64)
    return np.arange(len(names), dtype=np.int64)


def _worth(profile: Profile, before: MomentProfile, interval: float) -> float:
    """Return how many rows are worth one independent row: within a pane, the worst column's."""
    known = {column.name: column for column in profile.columns}
    envelopes = [envelope_for(known[name], interval) for name in before.view.columns]
    return max([1.0, *(each.phi for each in envelopes if each is not None)])


def _verdict(
    metric: Metric,
    estimate: Estimate,
    statistic: MultivariateStatistic,
    findings: tuple[ColumnFinding, ...],
    counts: MomentCounts,
    window: Window,
) -> Verdict:
    text = (
        f"{_UNITS[statistic]} {estimate.value:.3g} over {counts.rows} rows in "
        f"{words_of(window.seconds)} (95 % interval {estimate.low:.3g} to {estimate.high:.3g}, by "
        f"chance up to {estimate.noise:.3g})"
    )
    if findings:
        text += f", most of {findings[0].column}"
    measured = Measurement(estimate.value, counts.rows, text, findings)
    return judged_between(metric, measured, estimate.low, estimate.high, window)
