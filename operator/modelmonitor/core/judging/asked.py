"""What collectors count only because a metric asks for it."""

from collections.abc import Iterable, Mapping, Sequence

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.metric_options import (
    StatisticOf,
)
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.api.v1alpha1.quality_options import DataQualityCheck
from modelmonitor.api.v1alpha1.thresholds import Threshold
from modelmonitor.core.baseline.profile import ColumnKind, Profile
from modelmonitor.core.judging.rows import selected
from modelmonitor.core.wire.configuration import RowChecks
from modelmonitor.core.wire.pane import MAX_MARKS


def marks_for(metrics: Iterable[Metric]) -> Mapping[str, list[float]]:
    """Return the values about which each column's values are counted, in order.

    Those of shares; and those that quantiles are held against: whether a quantile is above a
    threshold is what the share of the values up to there tells exactly.
    """
    found: dict[str, set[float]] = {}
    for metric in metrics:
        options = metric.statistic
        if options is None:
            continue
        marks = [] if options.value is None else [options.value]
        if options.of is StatisticOf.QUANTILE and metric.compare is None:
            marks = _bounds(metric.threshold)
        found.setdefault(options.column, set()).update(map(parse_decimal, marks))
    return {name: sorted(values)[:MAX_MARKS] for name, values in found.items()}


def _bounds(threshold: Threshold | None) -> list[str]:
    """Return every value that a threshold compares with."""
    if threshold is None:
        return []
    single = (threshold.warning, threshold.critical, threshold.recover_at)
    ranges = (threshold.warning_range, threshold.critical_range)
    ends = [end for each in ranges if each is not None for end in (each.low, each.high)]
    return [each for each in (*single, *ends) if each is not None]


def checks_for(metrics: Sequence[Metric], profile: Profile) -> RowChecks:
    """Return what is counted beside the cells of a profile's columns."""
    asked = {metric.data_quality.check for metric in metrics if metric.data_quality is not None}
    return RowChecks(
        distinct=_columns(metrics, profile, DataQualityCheck.DISTINCT_RATIO),
        alike=_columns(metrics, profile, DataQualityCheck.CONSTANT_COLUMNS),
        duplicates=DataQualityCheck.DUPLICATE_RATIO in asked,
        names=DataQualityCheck.SCHEMA_CHANGES in asked,
    )


def _columns(metrics: Iterable[Metric], profile: Profile, check: DataQualityCheck) -> list[str]:
    wanted = [
        metric.data_quality.columns
        for metric in metrics
        if metric.data_quality is not None and metric.data_quality.check is check
    ]
    names = {
        column.name
        for selector in wanted
        if selector is not None
        for column in selected(profile, selector)
        if column.kind is not ColumnKind.IGNORED and column.derived is None
    }
    return [column.name for column in profile.columns if column.name in names]
