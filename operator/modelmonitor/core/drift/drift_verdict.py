"""The verdict on a Drift metric: which severity, which columns, and whether it is over."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.baseline import Seasonality
from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.baseline.profile import ColumnKind
from modelmonitor.core.baseline.seasons import Basis
from modelmonitor.core.drift.detection import LEAST_ROWS, Shift, moved, shift_of
from modelmonitor.core.drift.drift_bank import RETURN_FACTOR
from modelmonitor.core.drift.drift_counts import Seen, seen, seen_by_replica
from modelmonitor.core.drift.drift_learning import Learner
from modelmonitor.core.drift.drift_plan import DriftPlan
from modelmonitor.core.drift.drift_state import (
    DriftState,
    evidence_of,
    from_bytes,
    of_replicas,
    settled,
)
from modelmonitor.core.drift.evidence import MetricEvidence
from modelmonitor.core.drift.replicas import short_name
from modelmonitor.core.judging.judgement import Refusal, named, unknown, words_of, worst_first
from modelmonitor.core.judging.rows import Reference, missing_columns
from modelmonitor.core.judging.verdict import ColumnFinding, Level, Outcome, Verdict
from modelmonitor.core.judging.windows import EFFECT_TICKS, Tick, Window
from modelmonitor.core.statistics.shares import Floats

_HOURS: Final = {
    Basis.POOLED: "all hours",
    Basis.HOUR_OF_DAY: "the same hour of the day",
    Basis.HOUR_OF_WEEK: "the same hour of the week",
}
_SEASONS: Final = {
    Seasonality.HOUR_OF_DAY: Basis.HOUR_OF_DAY,
    Seasonality.HOUR_OF_WEEK: Basis.HOUR_OF_WEEK,
}


def judge_drift(
    metric: Metric,
    plan: DriftPlan,
    reference: Reference,
    ticks: Sequence[Tick],
    evidence: MetricEvidence,
) -> Verdict:
    """Return the verdict on a Drift metric.

    Parameters
    ----------
    metric
        As declared.
    plan
        Its plan.
    reference
        The baseline and the judged revision.
    ticks
        The last hour, or the last `EFFECT_TICKS` if they are longer; oldest first, not empty.
    evidence
        After the last tick.
    """
    window = Window(tuple(ticks[-1:]), full=True)
    refusal = missing_columns(reference.profile, metric) or reference.refuse(window)
    if refusal is None and not plan.columns:
        refusal = Refusal(
            VerdictReason.COLUMN_KIND_UNSUPPORTED, "none of the columns has values to compare"
        )
    refusal = refusal or _too_early(reference, ticks, evidence)
    if refusal is not None:
        return unknown(metric, refusal, window)
    return _verdict(metric, plan, reference, ticks, evidence)


def _too_early(
    reference: Reference, ticks: Sequence[Tick], evidence: MetricEvidence
) -> Refusal | None:
    if evidence.rows < LEAST_ROWS:
        return Refusal(
            VerdictReason.WARMING_UP,
            f"{evidence.rows} rows since evidence began, {LEAST_ROWS} are needed",
        )
    recent = 0
    for tick in reversed(ticks):
        recent += reference.count(tick)
        if recent >= LEAST_ROWS:
            break
    if recent < LEAST_ROWS:
        return Refusal(
            VerdictReason.TOO_FEW_SAMPLES,
            f"{recent} rows in {words_of(ticks[-1].end - ticks[0].start)}, {LEAST_ROWS} are needed",
            no_data=recent == 0,
        )
    return None


def _verdict(
    metric: Metric,
    plan: DriftPlan,
    reference: Reference,
    ticks: Sequence[Tick],
    evidence: MetricEvidence,
) -> Verdict:
    learner = Learner(plan, evidence)
    plan = learner.plan
    state = from_bytes(plan, evidence)
    found = evidence_of(plan, state)
    level = next(
        (each for each in plan.tolerance if found[each].max(initial=0.0) >= plan.alarm[each]), None
    )
    culprit = _culprit(plan, state, found, level)
    effect = _effect(plan, reference, ticks, culprit)
    findings = _findings(plan, found, level, effect)
    recovered = level is None and settled(state) and _returned(plan, found, effect)
    words = _describe(plan)
    value = max((finding.value for finding in findings), default=0.0)
    if level is not None:
        reason = VerdictReason.BREACH
        message = f"moved share: {named(_worded(plan, findings), '{f.column} {f.value:.2f}')}"
        if culprit:
            message = f"replica {short_name(culprit)} differs: {message}"
    elif recovered:
        reason = VerdictReason.WITHIN_TOLERANCE
        message = f"no evidence of a shift in {len(plan.columns)} columns"
    elif not settled(state):
        reason = VerdictReason.WITHIN_TOLERANCE
        message = "a shift that alarmed is not yet seen to be over"
    else:
        reason = VerdictReason.WITHIN_TOLERANCE
        message = "some evidence of a shift, less than an alarm needs"
    basis = _basis(plan, ticks[-1])
    return Verdict(
        metric=metric.name,
        outcome=Outcome.NO_BREACH if level is None else Outcome.BREACH,
        level=level,
        recovered=recovered,
        no_data=False,
        value=value,
        threshold=words,
        samples=effect.samples,
        window=effect.seconds,
        reason=reason.value,
        message=f"{message}; tolerated: {words}{basis}; {effect.samples} rows{learner.caveat()}",
        findings=findings,
    )


def _culprit(
    plan: DriftPlan, state: DriftState, found: Mapping[Level, Floats], level: Level | None
) -> str:
    """Return the pod UID of the one replica without whose rows there would be no alarm, or none.

    Several replicas may each have evidence, as where all of them differ: then none is named.
    """
    if level is None:
        return ""
    each = of_replicas(plan, state)
    without = found[level] - sum((one[level] for one in each.values()), np.zeros(1))
    if (without >= plan.alarm[level]).any():
        return ""
    notable = plan.alarm[level] / RETURN_FACTOR
    named_ones = [uid for uid, one in each.items() if one[level].max(initial=0.0) >= notable]
    return named_ones[0] if len(named_ones) == 1 else ""


@dataclass(frozen=True, slots=True)
class _Effect:
    """How large a shift is, over the ticks that tell most of it."""

    gaps: Floats
    """The moved share of each column, shape `(n_columns,)`."""
    certain: Floats
    """The part of it that chance does not explain, shape `(n_columns,)`."""
    samples: int
    seconds: float


def _effect(plan: DriftPlan, reference: Reference, ticks: Sequence[Tick], replica: str) -> _Effect:
    """Return the shift over the last 1, 2, 4 or 8 ticks, whichever shows most for certain.

    A shift that has just begun shows best in the last tick, a small one in many. Without any
    certain shift the longest span is the most exact one. With a pod UID it is the shift of that
    replica.
    """
    best: tuple[float, int] | None = None
    chosen: _Effect | None = None
    shift: Shift | None = None
    for length, tick in enumerate(reversed(ticks[-EFFECT_TICKS:]), start=1):
        one = _shift(plan, reference, tick, replica)
        shift = one if shift is None else shift + one
        if length & (length - 1):
            continue
        gaps, certain = moved(plan, shift)
        rank = (float(certain.max(initial=0.0)), length)
        if best is None or rank > best:
            best = rank
            samples = int(shift.values.max(initial=0.0))
            chosen = _Effect(gaps, certain, samples, ticks[-1].end - tick.start)
    if chosen is None:
        raise ValueError("there is no tick to measure a shift on")
    return chosen


def _shift(plan: DriftPlan, reference: Reference, tick: Tick, replica: str) -> Shift:
    if not replica:
        return shift_of(plan, seen(plan.layout, reference, tick), tick)
    each = seen_by_replica(plan.layout, reference, tick)
    nothing = Seen(np.zeros(plan.pooled.size), np.zeros(len(plan.columns)))
    return shift_of(plan, each.get(replica, nothing), tick)


def _findings(
    plan: DriftPlan,
    found: Mapping[Level, Floats],
    level: Level | None,
    effect: _Effect,
) -> tuple[ColumnFinding, ...]:
    """Return the columns that moved, worst first; without a breach, those with a sure shift.

    Among K columns those with the r largest evidences are named where the r-th is at least 1/r of
    the alarm's level (e-BH, Wang and Ramdas 2022, arXiv 2009.02824): at least the column that
    alarmed, and others whose evidence would not have been enough alone.
    """
    strongest = level or plan.severest
    if strongest is None:
        return ()
    evidence = found[strongest]
    order = sorted(range(len(plan.columns)), key=lambda place: -evidence[place])
    culprits = 0
    for rank, place in enumerate(order, start=1):
        if evidence[place] >= plan.alarm[strongest] / rank:
            culprits = rank
    names = set(order[:culprits]) if level is not None else set()
    return worst_first(
        [
            ColumnFinding(
                column=column.name,
                value=float(effect.gaps[place] if place in names else effect.certain[place]),
                log_evidence=round(math.log(max(evidence[place], 1e-300)), 3),
            )
            for place, column in enumerate(plan.columns)
            if place in names or (level is None and effect.certain[place] > 0)
        ]
    )


def _worded(plan: DriftPlan, findings: Sequence[ColumnFinding]) -> list[ColumnFinding]:
    """Return findings for a message: of text it is the length that moved."""
    texts = {column.name for column in plan.columns if column.kind is ColumnKind.TEXT}
    return [
        replace(each, column=f"length of {each.column}") if each.column in texts else each
        for each in findings
    ]


def _returned(plan: DriftPlan, found: Mapping[Level, Floats], effect: _Effect) -> bool:
    calm = all(
        found[level].max(initial=0.0) <= plan.alarm[level] / RETURN_FACTOR
        for level in plan.tolerance
    )
    small = effect.certain.max(initial=0.0) <= min(plan.tolerance.values(), default=0.0)
    return calm and bool(small)


def _describe(plan: DriftPlan) -> str:
    return ", ".join(f"{value:g} {level.lower()}" for level, value in plan.tolerance.items())


def _basis(plan: DriftPlan, tick: Tick) -> str:
    """Return what the columns are compared with, where a monitor wants other than all hours."""
    if plan.seasonality is Seasonality.NONE:
        return ""
    wanted = _SEASONS[plan.seasonality]
    coarser = [each for each in plan.at(tick.start).basis if each is not wanted]
    if not coarser:
        return f"; compared with {_HOURS[wanted]}"
    widest = _HOURS[min(coarser, key=list(_HOURS).index)]
    if len(coarser) == len(plan.columns):
        return f"; compared with {widest}: of {_HOURS[wanted]} the baseline has too few rows"
    return (
        f"; compared with {_HOURS[wanted]}, {len(coarser)} of {len(plan.columns)} columns with "
        f"{widest}: too few rows"
    )
