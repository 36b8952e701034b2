"""Metrics: what a monitor looks at.

A metric is a union discriminated by `type`; each type that takes options has a member of its own.
A type is in the enum only when the operator can judge it.
"""

from enum import StrEnum
from typing import Final

from pydantic import Field

from modelmonitor.api.v1alpha1.base import (
    ApiModel,
    DurationString,
    ObjectName,
    parse_decimal,
    parse_duration,
)
from modelmonitor.api.v1alpha1.metric_options import (
    CompareAs,
    CompareTo,
    Comparison,
    DistanceOptions,
    DriftOptions,
    ErrorRatioOptions,
    EstimatedPerformanceOptions,
    LatencyOptions,
    StatisticOptions,
)
from modelmonitor.api.v1alpha1.multivariate import MultivariateOptions
from modelmonitor.api.v1alpha1.quality_options import DataQualityCheck, DataQualityOptions
from modelmonitor.api.v1alpha1.rules import RuleReason, rule
from modelmonitor.api.v1alpha1.thresholds import GREATER_OPERATORS, Threshold


class MetricType(StrEnum):
    """What a metric measures."""

    REQUEST_RATE = "RequestRate"
    LATENCY = "Latency"
    ERROR_RATIO = "ErrorRatio"
    DATA_QUALITY = "DataQuality"
    DRIFT = "Drift"
    DISTANCE = "Distance"
    STATISTIC = "Statistic"
    ESTIMATED_PERFORMANCE = "EstimatedPerformance"
    MULTIVARIATE = "Multivariate"


DATA_TYPES: Final = frozenset(
    {
        MetricType.DATA_QUALITY,
        MetricType.DRIFT,
        MetricType.DISTANCE,
        MetricType.STATISTIC,
        MetricType.ESTIMATED_PERFORMANCE,
        MetricType.MULTIVARIATE,
    }
)
"""Types that look at columns and therefore need a baseline."""

COMPARABLE_TYPES: Final = frozenset(
    {MetricType.DATA_QUALITY, MetricType.STATISTIC, MetricType.ESTIMATED_PERFORMANCE}
)
"""Types whose value may be compared with a reference before the threshold is applied."""

PERIODIC_TYPES: Final = frozenset({MetricType.DATA_QUALITY, MetricType.STATISTIC})
"""Types whose value may be compared with that of an earlier window."""

REPETITION_CHECKS: Final = frozenset(
    {DataQualityCheck.DISTINCT_RATIO, DataQualityCheck.DUPLICATE_RATIO}
)
"""Checks whose value falls or grows with the number of rows."""

MAX_WINDOW_SECONDS: Final = 86_400.0
"""Longest window: panes are kept for a day."""


class NoDataPolicy(StrEnum):
    """What a metric without data becomes; it never becomes OK."""

    HOLD = "Hold"
    ALERT = "Alert"
    IGNORE = "Ignore"


class Metric(ApiModel):
    """One thing that is measured and judged; `type` says which member holds its options."""

    name: ObjectName = Field(description="Name of the metric, unique in the monitor.")
    type: MetricType = Field(
        description="What is measured. RequestRate: requests per second, all pods together; "
        "Latency: a quantile of the response time in seconds; ErrorRatio: share of requests that "
        "failed, 0 to 1; DataQuality: a flaw of the data, such as the share of missing values, "
        "worst column; Drift: "
        "shift of a column's distribution against the baseline, as a share of the rows, 0 to 1; "
        "Distance: a chosen distance of one column's distribution from the baseline's; Statistic: "
        "a statistic of one column's values; EstimatedPerformance: how well the model does, "
        "estimated without labels from its scores, as long as what it learned still holds; "
        "Multivariate: how several columns, or an embedding, differ together from the baseline."
    )
    latency: LatencyOptions | None = Field(
        default=None, description="Options of type Latency, required there."
    )
    error_ratio: ErrorRatioOptions | None = Field(
        default=None, description="Options of type ErrorRatio."
    )
    data_quality: DataQualityOptions | None = Field(
        default=None, description="Options of type DataQuality, required there."
    )
    drift: DriftOptions | None = Field(
        default=None, description="Options of type Drift, required there."
    )
    distance: DistanceOptions | None = Field(
        default=None, description="Options of type Distance, required there."
    )
    statistic: StatisticOptions | None = Field(
        default=None, description="Options of type Statistic, required there."
    )
    estimated_performance: EstimatedPerformanceOptions | None = Field(
        default=None, description="Options of type EstimatedPerformance, required there."
    )
    multivariate: MultivariateOptions | None = Field(
        default=None, description="Options of type Multivariate, required there."
    )
    compare: Comparison | None = Field(
        default=None,
        description="Compare the value with a reference first; types DataQuality, Statistic and "
        "EstimatedPerformance only.",
    )
    window: DurationString | None = Field(
        default=None,
        description="How far back the metric looks, at most 24h. Without it, one interval, "
        "or as many as reach minSamples, at most 1h. Not for Drift, which remembers.",
    )
    threshold: Threshold | None = Field(
        default=None,
        description="When the value is a breach; required for every type but Drift, whose "
        "decision is its tolerance and the monitor's false-alarm budget.",
    )
    no_data_policy: NoDataPolicy = Field(
        default=NoDataPolicy.HOLD,
        description="Hold: a firing alert keeps firing, anything else becomes Unknown after "
        "three intervals; Alert: NoData fires after pendingFor; Ignore: leaves the roll-up.",
    )

    @rule(
        "(self.type == 'Latency') == has(self.latency)",
        "latency belongs to type Latency and is required there",
        at=".latency",
    )
    def _latency_fits_type(self) -> bool:
        return (self.type is MetricType.LATENCY) == (self.latency is not None)

    @rule(
        "self.type == 'ErrorRatio' || !has(self.errorRatio)",
        "errorRatio belongs to type ErrorRatio",
        at=".errorRatio",
        reason=RuleReason.FORBIDDEN,
    )
    def _error_ratio_fits_type(self) -> bool:
        return self.type is MetricType.ERROR_RATIO or self.error_ratio is None

    @rule(
        "(self.type == 'DataQuality') == has(self.dataQuality)",
        "dataQuality belongs to type DataQuality and is required there",
        at=".dataQuality",
    )
    def _data_quality_fits_type(self) -> bool:
        return (self.type is MetricType.DATA_QUALITY) == (self.data_quality is not None)

    @rule(
        "(self.type == 'Drift') == has(self.drift)",
        "drift belongs to type Drift and is required there",
        at=".drift",
    )
    def _drift_fits_type(self) -> bool:
        return (self.type is MetricType.DRIFT) == (self.drift is not None)

    @rule(
        "(self.type == 'Distance') == has(self.distance)",
        "distance belongs to type Distance and is required there",
        at=".distance",
    )
    def _distance_fits_type(self) -> bool:
        return (self.type is MetricType.DISTANCE) == (self.distance is not None)

    @rule(
        "(self.type == 'Statistic') == has(self.statistic)",
        "statistic belongs to type Statistic and is required there",
        at=".statistic",
    )
    def _statistic_fits_type(self) -> bool:
        return (self.type is MetricType.STATISTIC) == (self.statistic is not None)

    @rule(
        "(self.type == 'EstimatedPerformance') == has(self.estimatedPerformance)",
        "estimatedPerformance belongs to type EstimatedPerformance and is required there",
        at=".estimatedPerformance",
    )
    def _performance_fits_type(self) -> bool:
        wanted = self.type is MetricType.ESTIMATED_PERFORMANCE
        return wanted == (self.estimated_performance is not None)

    @rule(
        "(self.type == 'Multivariate') == has(self.multivariate)",
        "multivariate belongs to type Multivariate and is required there",
        at=".multivariate",
    )
    def _multivariate_fits_type(self) -> bool:
        return (self.type is MetricType.MULTIVARIATE) == (self.multivariate is not None)

    @rule(
        "(self.type == 'Drift') != has(self.threshold)",
        "threshold is required, except on type Drift, which is judged by drift.tolerance and the "
        "false-alarm budget of spec.drift",
        at=".threshold",
    )
    def _threshold_fits_type(self) -> bool:
        return (self.type is MetricType.DRIFT) != (self.threshold is not None)

    @rule(
        "!(self.type == 'ErrorRatio' || ((self.type == 'EstimatedPerformance'"
        " || (self.type == 'DataQuality' && has(self.dataQuality)"
        " && self.dataQuality.check.endsWith('Ratio')))"
        " && (!has(self.compare) || self.compare.__as__ == 'Difference')))"
        " || !has(self.threshold)"
        " || ((!has(self.threshold.warning) || double(self.threshold.warning) <= 1.0)"
        " && (!has(self.threshold.critical) || double(self.threshold.critical) <= 1.0))",
        'the value is a ratio, at most 1: write for example "0.05" for 5 %',
        at=".threshold",
    )
    def _ratio_is_no_percentage(self) -> bool:
        if not self.is_ratio or self.threshold is None:
            return True
        values = [self.threshold.warning, self.threshold.critical]
        return all(parse_decimal(each) <= 1.0 for each in values if each is not None)

    @rule(
        "!has(self.dataQuality) || self.dataQuality.check != 'Staleness' || !has(self.threshold)"
        " || (self.threshold.operator.startsWith('Greater')"
        " && (!has(self.threshold.warning) || double(self.threshold.warning) <= 86400.0)"
        " && (!has(self.threshold.critical) || double(self.threshold.critical) <= 86400.0))",
        "Staleness is too large above a number of seconds: write operator GreaterThan and at most "
        '"86400", a day, for which panes are kept',
        at=".threshold",
    )
    def _staleness_is_kept(self) -> bool:
        quality, threshold = self.data_quality, self.threshold
        if quality is None or quality.check is not DataQualityCheck.STALENESS or threshold is None:
            return True
        values = [each for each in (threshold.warning, threshold.critical) if each is not None]
        fits = all(parse_decimal(each) <= MAX_WINDOW_SECONDS for each in values)
        return fits and threshold.operator in GREATER_OPERATORS

    @rule(
        "!has(self.dataQuality) || self.dataQuality.check != 'Staleness'"
        " || (!has(self.window) && !has(self.compare))",
        "Staleness takes neither window nor compare: it looks back as far as its threshold",
        at=".dataQuality.check",
        reason=RuleReason.FORBIDDEN,
    )
    def _staleness_takes_no_window(self) -> bool:
        quality = self.data_quality
        if quality is None or quality.check is not DataQualityCheck.STALENESS:
            return True
        return self.window is None and self.compare is None

    @rule(
        "!has(self.compare) || !has(self.dataQuality) || !(self.dataQuality.check in"
        " ['VanishedCategoryRatio', 'ConstantColumns', 'SchemaChanges'])",
        "VanishedCategoryRatio, ConstantColumns and SchemaChanges compare with the baseline by "
        "themselves and take no compare",
        at=".compare",
        reason=RuleReason.FORBIDDEN,
    )
    def _compares_once(self) -> bool:
        quality = self.data_quality
        return self.compare is None or quality is None or not quality.check.of_baseline

    @rule(
        "!has(self.compare) || self.compare.to != 'Baseline' || !has(self.dataQuality)"
        " || !(self.dataQuality.check in ['DistinctRatio', 'DuplicateRatio'])",
        "DistinctRatio and DuplicateRatio depend on how many rows there are, so that the baseline "
        "is no measure for them: compare with PreviousPeriod",
        at=".compare.to",
    )
    def _repetition_has_no_baseline(self) -> bool:
        quality, compare = self.data_quality, self.compare
        if quality is None or compare is None or compare.to is not CompareTo.BASELINE:
            return True
        return quality.check not in REPETITION_CHECKS

    @rule(
        "self.type in ['DataQuality', 'Statistic', 'EstimatedPerformance'] || !has(self.compare)",
        "compare belongs to types DataQuality, Statistic and EstimatedPerformance",
        at=".compare",
        reason=RuleReason.FORBIDDEN,
    )
    def _compare_fits_type(self) -> bool:
        return self.type in COMPARABLE_TYPES or self.compare is None

    @rule(
        "!has(self.compare) || self.compare.to != 'PreviousPeriod'"
        " || (self.type in ['DataQuality', 'Statistic'] && has(self.window))",
        "PreviousPeriod belongs to types DataQuality and Statistic and needs a window, whose "
        "length it has",
        at=".compare.to",
    )
    def _previous_period_has_a_length(self) -> bool:
        if self.compare is None or self.compare.to is not CompareTo.PREVIOUS_PERIOD:
            return True
        return self.type in PERIODIC_TYPES and self.window is not None

    @rule(
        "!has(self.compare) || self.compare.to != 'PreviousPeriod' || !has(self.window)"
        " || (has(self.compare.offset)"
        " ? duration(self.window) <= duration(self.compare.offset)"
        " && duration(self.window) + duration(self.compare.offset) <= duration('24h')"
        " : duration(self.window) + duration(self.window) <= duration('24h'))",
        "offset must be at least the window, and both together at most 24h, for which panes are "
        "kept",
        at=".compare.offset",
    )
    def _previous_period_is_kept(self) -> bool:
        if self.window is None or self.previous_offset is None:
            return True
        window = parse_duration(self.window)
        return window <= self.previous_offset <= MAX_WINDOW_SECONDS - window

    @rule(
        "self.type != 'Drift' || !has(self.window)",
        "Drift takes no window: it remembers what it has seen",
        at=".window",
        reason=RuleReason.FORBIDDEN,
    )
    def _window_fits_type(self) -> bool:
        return self.type is not MetricType.DRIFT or self.window is None

    @rule(
        "!has(self.window) || duration(self.window) <= duration('24h')",
        "window must be at most 24h",
        at=".window",
    )
    def _window_is_bounded(self) -> bool:
        return self.window is None or parse_duration(self.window) <= MAX_WINDOW_SECONDS

    @property
    def previous_offset(self) -> float | None:
        """How many seconds ago the period ended that is compared with; None: with none."""
        compare = self.compare
        if compare is None or compare.to is not CompareTo.PREVIOUS_PERIOD or self.window is None:
            return None
        return parse_duration(compare.offset or self.window)

    @property
    def is_ratio(self) -> bool:
        """Whether the value is a share, 0 to 1."""
        if self.type is MetricType.ERROR_RATIO:
            return True
        share = self.type is MetricType.ESTIMATED_PERFORMANCE or (
            self.data_quality is not None and self.data_quality.check.is_ratio
        )
        return share and (self.compare is None or self.compare.as_ is CompareAs.DIFFERENCE)

    @property
    def declares_critical(self) -> bool:
        """Whether the metric can fire with severity Critical."""
        if self.drift is not None:
            return self.drift.tolerance.critical is not None
        return self.threshold is not None and self.threshold.declares_critical
