"""Metrics: what a monitor looks at.

A metric is a union discriminated by `type`; each type that takes options has a member of its own.
A type is in the enum only when the operator can judge it.
"""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from modelmonitor.api.v1alpha1.base import (
    STATUS_CODE_PATTERN,
    ApiModel,
    ColumnName,
    DecimalString,
    DurationString,
    ObjectName,
    distinct,
    list_set,
    parse_decimal,
    parse_duration,
)
from modelmonitor.api.v1alpha1.rules import RuleReason, rule
from modelmonitor.api.v1alpha1.thresholds import Operator, Threshold, ValueRange

__all__ = [
    "DATA_TYPES",
    "ColumnGroup",
    "ColumnSelector",
    "CompareAs",
    "CompareTo",
    "Comparison",
    "DataQualityCheck",
    "DataQualityOptions",
    "DistanceOptions",
    "DistanceStatistic",
    "DriftOptions",
    "DriftTolerance",
    "ErrorRatioOptions",
    "LatencyOf",
    "LatencyOptions",
    "Metric",
    "MetricType",
    "NoDataPolicy",
    "Operator",
    "Threshold",
    "ValueRange",
]


class MetricType(StrEnum):
    """What a metric measures."""

    REQUEST_RATE = "RequestRate"
    LATENCY = "Latency"
    ERROR_RATIO = "ErrorRatio"
    DATA_QUALITY = "DataQuality"
    DRIFT = "Drift"
    DISTANCE = "Distance"


DATA_TYPES: Final = frozenset({MetricType.DATA_QUALITY, MetricType.DRIFT, MetricType.DISTANCE})
"""Types that look at columns and therefore need a baseline."""

RATIO_TYPES: Final = frozenset({MetricType.ERROR_RATIO, MetricType.DATA_QUALITY})
"""Types whose value is a share, 0 to 1."""

MAX_WINDOW_SECONDS: Final = 86_400.0
"""Longest window: panes are kept for a day."""


class NoDataPolicy(StrEnum):
    """What a metric without data becomes; it never becomes OK."""

    HOLD = "Hold"
    ALERT = "Alert"
    IGNORE = "Ignore"


class ColumnGroup(StrEnum):
    """A group of columns of the baseline profile."""

    INPUTS = "Inputs"
    OUTPUTS = "Outputs"
    ALL = "All"


class LatencyOf(StrEnum):
    """Where the clock stops: it starts at the last request byte."""

    RESPONSE = "Response"
    FIRST_BYTE = "FirstByte"
    FIRST_TOKEN = "FirstToken"


class DataQualityCheck(StrEnum):
    """Which share of a column's values is counted."""

    MISSING_RATIO = "MissingRatio"
    OUT_OF_RANGE_RATIO = "OutOfRangeRatio"
    NEW_CATEGORY_RATIO = "NewCategoryRatio"


class DistanceStatistic(StrEnum):
    """A distance between the baseline's and the window's distribution of one column."""

    PSI = "PSI"
    JENSEN_SHANNON = "JensenShannon"
    KOLMOGOROV_SMIRNOV = "KolmogorovSmirnov"


class CompareTo(StrEnum):
    """What a value is compared with before the threshold is applied."""

    BASELINE = "Baseline"


class CompareAs(StrEnum):
    """How a value is compared: value minus reference."""

    DIFFERENCE = "Difference"


class ColumnSelector(ApiModel):
    """Columns of the baseline profile: a group, or names; exactly one of them."""

    group: ColumnGroup | None = Field(
        default=None, description="All columns of this group of the baseline profile."
    )
    names: Annotated[list[ColumnName], AfterValidator(distinct)] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The columns with these names.",
        json_schema_extra=list_set(),
    )

    @rule("has(self.group) != has(self.names)", "set exactly one of group and names")
    def _exactly_one(self) -> bool:
        return (self.group is None) != (self.names is None)


class LatencyOptions(ApiModel):
    """Options of a Latency metric; its unit is the second."""

    quantile: DecimalString = Field(description='Quantile between 0 and 1, for example "0.99".')
    of: LatencyOf = Field(
        default=LatencyOf.RESPONSE,
        description="Response: until the last response byte; FirstByte: until the first one; "
        "FirstToken: until the first event with text, of streamed text generation only.",
    )

    @rule(
        "0.0 < double(self.quantile) && double(self.quantile) < 1.0",
        'quantile must lie between 0 and 1: write for example "0.99"',
        at=".quantile",
    )
    def _is_quantile(self) -> bool:
        return 0.0 < parse_decimal(self.quantile) < 1.0


StatusCode = Annotated[str, Field(pattern=STATUS_CODE_PATTERN, max_length=3)]
"""An HTTP status code, or a class of them such as 5xx."""


class ErrorRatioOptions(ApiModel):
    """Options of an ErrorRatio metric; its unit is the ratio of requests."""

    status_codes: Annotated[list[StatusCode], AfterValidator(distinct)] = Field(
        default=["5xx"],
        min_length=1,
        max_length=32,
        description="HTTP status codes that are errors: a class such as 5xx, or one code such "
        "as 429. gRPC codes count as HTTP codes: UNKNOWN, INTERNAL and DATA_LOSS as 500, "
        "UNIMPLEMENTED as 501, UNAVAILABLE as 503, DEADLINE_EXCEEDED as 504, INVALID_ARGUMENT, "
        "FAILED_PRECONDITION and OUT_OF_RANGE as 400, UNAUTHENTICATED as 401, PERMISSION_DENIED "
        "as 403, NOT_FOUND as 404, ALREADY_EXISTS and ABORTED as 409, RESOURCE_EXHAUSTED as 429, "
        "CANCELLED as 499. A request whose connection ended without a response is always an "
        "error.",
        json_schema_extra=list_set(),
    )


class DriftTolerance(ApiModel):
    """How large a shift may be before it matters: the largest moved share of a distribution."""

    warning: DecimalString | None = Field(
        default=None,
        description='Shift of cumulative share, 0 to 1, that is still no Warning: "0.02".',
    )
    critical: DecimalString | None = Field(
        default=None,
        description='Shift of cumulative share, 0 to 1, that is still not Critical: "0.05".',
    )

    @rule(
        "has(self.warning) || has(self.critical)",
        "set at least one severity: warning or critical",
        reason=RuleReason.REQUIRED,
    )
    def _has_severity(self) -> bool:
        return self.warning is not None or self.critical is not None

    @rule(
        "(!has(self.warning) || (0.0 < double(self.warning) && double(self.warning) < 1.0))"
        " && (!has(self.critical) || (0.0 < double(self.critical) && double(self.critical) < 1.0))",
        'a tolerance lies between 0 and 1: write for example "0.05" for 5 % of the rows',
    )
    def _is_share(self) -> bool:
        set_shares = [each for each in (self.warning, self.critical) if each is not None]
        return all(0.0 < parse_decimal(each) < 1.0 for each in set_shares)

    @rule(
        "!has(self.warning) || !has(self.critical)"
        " || double(self.warning) <= double(self.critical)",
        "warning must not be stricter than critical: at most critical",
        at=".warning",
    )
    def _warning_comes_first(self) -> bool:
        if self.warning is None or self.critical is None:
            return True
        return parse_decimal(self.warning) <= parse_decimal(self.critical)


class DriftOptions(ApiModel):
    """Options of a Drift metric, judged by the false-alarm budget `spec.drift`."""

    columns: ColumnSelector = Field(description="Which columns are watched.")
    tolerance: DriftTolerance = Field(description="The shift that is tolerated, by severity.")


class DistanceOptions(ApiModel):
    """Options of a Distance metric."""

    column: ColumnName = Field(description="The column that is watched.")
    statistic: DistanceStatistic = Field(
        description="PSI (natural logarithm, baseline cells), JensenShannon (distance, base 2, "
        "0 to 1) or KolmogorovSmirnov (largest difference of cumulative shares, 0 to 1)."
    )


class DataQualityOptions(ApiModel):
    """Options of a DataQuality metric; its unit is the ratio of rows, worst column counts."""

    check: DataQualityCheck = Field(
        description="MissingRatio: null, absent or not-a-number values; OutOfRangeRatio: values "
        "below the baseline's minimum or above its maximum; NewCategoryRatio: values that the "
        "baseline does not know."
    )
    columns: ColumnSelector = Field(description="Which columns are looked at.")


class Comparison(ApiModel):
    """What the value is compared with before the threshold is applied."""

    to: CompareTo = Field(description="Baseline: the same value in the baseline profile.")
    as_: CompareAs = Field(
        default=CompareAs.DIFFERENCE, alias="as", description="Difference: value minus reference."
    )


class Metric(ApiModel):
    """One thing that is measured and judged; `type` says which member holds its options."""

    name: ObjectName = Field(description="Name of the metric, unique in the monitor.")
    type: MetricType = Field(
        description="What is measured. RequestRate: requests per second, all pods together; "
        "Latency: a quantile of the response time in seconds; ErrorRatio: share of requests that "
        "failed, 0 to 1; DataQuality: share of rows with a flaw, 0 to 1, worst column; Drift: "
        "shift of a column's distribution against the baseline, as a share of the rows, 0 to 1; "
        "Distance: a chosen distance of one column's distribution from the baseline's."
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
    compare: Comparison | None = Field(
        default=None, description="Compare the value with a reference first; type DataQuality only."
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
        "(self.type == 'Drift') != has(self.threshold)",
        "threshold is required, except on type Drift, which is judged by drift.tolerance and the "
        "false-alarm budget of spec.drift",
        at=".threshold",
    )
    def _threshold_fits_type(self) -> bool:
        return (self.type is MetricType.DRIFT) != (self.threshold is not None)

    @rule(
        "!(self.type in ['ErrorRatio', 'DataQuality']) || !has(self.threshold)"
        " || ((!has(self.threshold.warning) || double(self.threshold.warning) <= 1.0)"
        " && (!has(self.threshold.critical) || double(self.threshold.critical) <= 1.0))",
        'the value is a ratio, at most 1: write for example "0.05" for 5 %',
        at=".threshold",
    )
    def _ratio_is_no_percentage(self) -> bool:
        if self.type not in RATIO_TYPES or self.threshold is None:
            return True
        values = [self.threshold.warning, self.threshold.critical]
        return all(parse_decimal(each) <= 1.0 for each in values if each is not None)

    @rule(
        "self.type == 'DataQuality' || !has(self.compare)",
        "compare belongs to type DataQuality",
        at=".compare",
        reason=RuleReason.FORBIDDEN,
    )
    def _compare_fits_type(self) -> bool:
        return self.type is MetricType.DATA_QUALITY or self.compare is None

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
    def declares_critical(self) -> bool:
        """Whether the metric can fire with severity Critical."""
        if self.drift is not None:
            return self.drift.tolerance.critical is not None
        return self.threshold is not None and self.threshold.declares_critical
