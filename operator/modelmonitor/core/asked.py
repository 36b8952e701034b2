"""What collectors count only because a metric asks for it."""

from collections.abc import Iterable, Mapping, Sequence

from modelmonitor.api.v1alpha1.base import parse_decimal
from modelmonitor.api.v1alpha1.metric_options import DataQualityCheck
from modelmonitor.api.v1alpha1.metrics import Metric
from modelmonitor.core.profile import ColumnKind, Profile
from modelmonitor.core.rows import selected
from modelmonitor.core.wire.configuration import RowChecks


def marks_for(metrics: Iterable[Metric]) -> Mapping[str, list[float]]:
    """Return the values about which each column's values are counted, in order."""
    found: dict[str, set[float]] = {}
    for metric in metrics:
        options = metric.statistic
        if options is not None and options.value is not None:
            found.setdefault(options.column, set()).add(parse_decimal(options.value))
    return {name: sorted(values) for name, values in found.items()}


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
