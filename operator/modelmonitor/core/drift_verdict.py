"""The verdict on a Drift metric: which severity, which columns, and whether it is over."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from modelmonitor.api.v1alpha1.conditions import VerdictReason
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.drift import DriftPlan, column_evidence, moved, suffixes
from modelmonitor.core.evidence import MetricEvidence
from modelmonitor.core.judging import Refusal, named, unknown, worst_first
from modelmonitor.core.rows import Reference, missing_columns, most_rows
from modelmonitor.core.verdict import ColumnFinding, Level, Outcome, Verdict
from modelmonitor.core.windows import Tick, Window

LEAST_ROWS: Final = 200
"""Rows below which a Drift metric says nothing: since evidence began, and within the last hour."""
EFFECT_TICKS: Final = 8
"""Ticks over which the size of a shift is measured at most."""
RETURN_FACTOR: Final = 100.0
"""An alarm can end when its evidence has fallen to this part of the alarm's level. Evidence that
only touches the level from below would otherwise end and begin the alert again and again."""


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
        The last hour, oldest first, not empty.
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
    recent = sum(reference.count(tick) for tick in ticks)
    if recent < LEAST_ROWS:
        return Refusal(
            VerdictReason.TOO_FEW_SAMPLES,
            f"{recent} rows within the last hour, {LEAST_ROWS} are needed",
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
    found = column_evidence(plan, evidence)
    level = next(
        (each for each in plan.tolerance if found[each].max(initial=0.0) >= plan.alarm[each]), None
    )
    span, gaps, certain = _effect(plan, reference, ticks)
    findings = _findings(plan, found, level, gaps, certain)
    recovered = level is None and _returned(plan, found, certain)
    window = Window(tuple(span), full=True)
    samples = most_rows(reference.rows(span), plan.columns)
    value = max((finding.value for finding in findings), default=0.0)
    if level is not None:
        value, reason = max(value, 0.0), VerdictReason.BREACH
        message = f"moved share: {named(findings, '{f.column} {f.value:.2f}')}"
    elif recovered:
        reason = VerdictReason.WITHIN_TOLERANCE
        message = f"no evidence of a shift in {len(plan.columns)} columns"
    else:
        reason = VerdictReason.NOT_RECOVERED
        message = "no breach, but evidence of a shift has not gone away yet"
    return Verdict(
        metric=metric.name,
        outcome=Outcome.NO_BREACH if level is None else Outcome.BREACH,
        level=level,
        recovered=recovered,
        no_data=False,
        value=value,
        threshold=_describe(plan),
        samples=samples,
        window=window.seconds,
        reason=reason.value,
        message=f"{message}; tolerated: {_describe(plan)}; {samples} rows{_caveat(reference)}",
        findings=findings,
    )


def _effect(
    plan: DriftPlan, reference: Reference, ticks: Sequence[Tick]
) -> tuple[Sequence[Tick], list[float], list[float]]:
    """Return the ticks that tell most of a shift, and what they tell of each column.

    That is the moved share, and the part of it that chance does not explain.
    """
    best: tuple[float, int, Sequence[Tick], list[float], list[float]] | None = None
    for span in suffixes(ticks, EFFECT_TICKS):
        effects = moved(plan, reference.rows(span))
        gaps, certain = [gap for gap, _ in effects], [sure for _, sure in effects]
        # Without any sure shift the longest span is the most exact one.
        candidate = (max(certain), len(span), span, gaps, certain)
        if best is None or candidate[:2] > best[:2]:
            best = candidate
    if best is None:
        raise ValueError("there is no tick to measure a shift on")
    return best[2], best[3], best[4]


def _findings(
    plan: DriftPlan,
    found: dict[Level, np.ndarray],
    level: Level | None,
    gaps: Sequence[float],
    certain: Sequence[float],
) -> tuple[ColumnFinding, ...]:
    """Return the columns that moved, worst first; without a breach, those with a sure shift.

    Among K columns those with the r largest evidences are named where the r-th is at least 1/r of
    the alarm's level (e-BH, Wang and Ramdas 2022, arXiv 2009.02824): at least the column that
    alarmed, and others whose evidence would not have been enough alone.
    """
    strongest = level or next(iter(plan.tolerance), None)
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
                value=gaps[place] if place in names else certain[place],
                log_evidence=round(math.log(max(evidence[place], 1e-300)), 3),
            )
            for place, column in enumerate(plan.columns)
            if place in names or (level is None and certain[place] > 0)
        ]
    )


def _returned(plan: DriftPlan, found: dict[Level, np.ndarray], certain: Sequence[float]) -> bool:
    calm = all(
        found[level].max(initial=0.0) <= plan.alarm[level] / RETURN_FACTOR
        for level in plan.tolerance
    )
    return calm and max(certain, default=0.0) <= min(plan.tolerance.values(), default=0.0)


def _describe(plan: DriftPlan) -> str:
    return ", ".join(f"{value:g} {level.lower()}" for level, value in plan.tolerance.items())


def _caveat(reference: Reference) -> str:
    if reference.profile.ordered:
        return ""
    return "; the baseline had no times, so its rows are taken for independent"
