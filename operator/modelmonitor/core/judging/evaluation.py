"""Evaluation: ticks, baseline and evidence in; one verdict per metric and new evidence out.

A pure function: the same ticks give the same verdicts, whoever asks and how often.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.spec import ModelMonitorSpec
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.drift.detection import apply
from modelmonitor.core.drift.drift_plan import DriftPlan, plan_of, watched
from modelmonitor.core.drift.drift_verdict import judge_drift
from modelmonitor.core.drift.evidence import NO_EVIDENCE, Evidence, MetricEvidence, evidence_key
from modelmonitor.core.judging.distances import judge_distance
from modelmonitor.core.judging.judgement import Refusal, unknown
from modelmonitor.core.judging.multivariate import judge_multivariate
from modelmonitor.core.judging.performance import judge_performance
from modelmonitor.core.judging.quality import judge_quality
from modelmonitor.core.judging.rows import Reference
from modelmonitor.core.judging.software import SOFTWARE, judge_software
from modelmonitor.core.judging.statistic import judge_statistic
from modelmonitor.core.judging.verdict import Verdict
from modelmonitor.core.judging.windows import Tick, Window, covered_share, reach

NO_BASELINE: Final = Refusal(
    VerdictReason.BASELINE_NOT_READY, "there is no baseline to compare with"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one tick means.

    Attributes
    ----------
    verdicts
        One per metric, in the order of the spec.
    evidence
        To be given back with the next tick.
    coverage
        Share of the last tick's traffic that was observed and decoded, 0 to 1.
    """

    verdicts: tuple[Verdict, ...]
    evidence: Evidence
    coverage: float


def lookback(spec: ModelMonitorSpec) -> float:
    """Return how many seconds of ticks `evaluate` needs: the longest window of all metrics."""
    interval = parse_duration(spec.interval)
    return max(reach(metric, interval) for metric in spec.metrics)


def evaluate(
    spec: ModelMonitorSpec,
    profile: Profile | None,
    profile_digest: str,
    ticks: Sequence[Tick],
    evidence: Evidence | None = None,
    *,
    absent: Refusal = NO_BASELINE,
) -> Evaluation:
    """Judge every metric of a monitor at the last tick.

    Parameters
    ----------
    spec
        What is measured and judged.
    profile
        The baseline; None while there is none.
    profile_digest
        Digest of the profile by whose cells the panes were counted; its own, but for a baseline
        made from panes.
    ticks
        Oldest first, ending with the tick that is judged; as many as `lookback` says, or fewer
        after a start. Ticks without panes are there too, with what was expected and answered.
    evidence
        Of the evaluation before; None for the first.
    absent
        Why there is no baseline.

    Raises
    ------
    ValueError
        If there are no ticks, or they are not in order.
    """
    if not ticks or any(left.start >= right.start for left, right in pairwise(ticks)):
        raise ValueError("ticks must be there, each once, oldest first")
    reference = (
        Reference(profile, profile_digest, ticks[-1].judged_revision)
        if profile is not None
        else None
    )
    before = evidence or NO_EVIDENCE
    kept: dict[str, MetricEvidence] = {}
    verdicts = []
    for metric in spec.metrics:
        if metric.type in SOFTWARE:
            verdicts.append(judge_software(metric, ticks))
        elif reference is None:
            verdicts.append(unknown(metric, absent, Window(tuple(ticks[-1:]), full=True)))
        elif metric.drift is not None:
            plan, then = _drift(spec, metric, reference, ticks, before)
            kept[metric.name] = then
            verdicts.append(judge_drift(metric, plan, reference, _recent(metric, ticks), then))
        else:
            verdicts.append(_judge_rows(metric, reference, ticks, _season(spec)))
    return Evaluation(tuple(verdicts), Evidence(metrics=kept), covered_share(ticks[-1]))


def _recent(metric: Metric, ticks: Sequence[Tick]) -> Sequence[Tick]:
    """Return the ticks that a metric reaches back to."""
    interval = ticks[-1].interval
    first = ticks[-1].end - reach(metric, interval) - interval / 2
    return [tick for tick in ticks if tick.start >= first]


def _judge_rows(
    metric: Metric, reference: Reference, ticks: Sequence[Tick], season: Seasonality
) -> Verdict:
    if metric.data_quality is not None:
        return judge_quality(metric, metric.data_quality, reference, ticks)
    if metric.distance is not None:
        return judge_distance(metric, metric.distance, reference, ticks, season)
    if metric.statistic is not None:
        return judge_statistic(metric, metric.statistic, reference, ticks)
    if metric.estimated_performance is not None:
        return judge_performance(metric, metric.estimated_performance, reference, ticks)
    if metric.multivariate is not None:
        return judge_multivariate(metric, metric.multivariate, reference, ticks)
    raise ValueError(f"metric {metric.name} has no options for its type {metric.type}")


def _season(spec: ModelMonitorSpec) -> Seasonality:
    return Seasonality.NONE if spec.baseline is None else spec.baseline.seasonality


def _drift(
    spec: ModelMonitorSpec,
    metric: Metric,
    reference: Reference,
    ticks: Sequence[Tick],
    before: Evidence,
) -> tuple[DriftPlan, MetricEvidence]:
    """Return the plan of a Drift metric and its evidence after these ticks."""
    if metric.drift is None:
        raise ValueError(f"metric {metric.name} is no Drift metric")
    interval = parse_duration(spec.interval)
    columns = sum(
        len(watched(reference.profile, each.drift))
        for each in spec.metrics
        if each.drift is not None
    )
    season = _season(spec)
    plan = plan_of(reference.profile, metric.drift, spec.drift, interval, columns, season)
    meaning = _meaning(spec, reference.digest, plan)
    key = evidence_key(metric, spec.drift, meaning, reference.revision, interval, columns, season)
    known = before.metrics.get(metric.name)
    if known is None or known.key != key:
        known = MetricEvidence(key=key)
    return plan, apply(plan, reference, ticks, known)


def _meaning(spec: ModelMonitorSpec, digest: str, plan: DriftPlan) -> str:
    """Return what evidence is about, in place of the baseline's digest.

    A rolling baseline moves on every day. Evidence against it goes on: each tick's factor is at
    most 1 on average under the null of its own time, whichever comparator that was, as long as the
    past alone chose it (Shin, Ramdas and Rinaldo 2022, arXiv 2203.03532). It only starts afresh
    where the new comparator has other shares to watch.
    """
    production = None if spec.baseline is None else spec.baseline.production
    if production is None:
        return digest
    rule = production.model_dump_json(by_alias=True, exclude_none=True)
    return f"{digest}\n{rule}\n{plan.places()}"
