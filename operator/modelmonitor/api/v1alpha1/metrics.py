"""Metrics and thresholds: what a monitor looks at and when that is too much.

A metric is a union discriminated by `type`; each type that takes options has a member of its own.
A type is in the enum only when the operator can judge it.
"""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from modelmonitor.api.v1alpha1.base import (
    ApiModel,
    ColumnName,
    DecimalString,
    DurationString,
    ObjectName,
    list_set,
    parse_decimal,
)


class MetricType(StrEnum):
    """What a metric measures."""

    REQUEST_RATE = "RequestRate"
    LATENCY = "Latency"
    ERROR_RATIO = "ErrorRatio"
    DATA_QUALITY = "DataQuality"
    DRIFT = "Drift"
    DISTANCE = "Distance"


class Operator(StrEnum):
    """How a value is compared with a threshold; the breach is where the comparison is true."""

    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL = "GreaterThanOrEqual"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL = "LessThanOrEqual"
    OUTSIDE_RANGE = "OutsideRange"
    INSIDE_RANGE = "InsideRange"


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
    names: list[ColumnName] | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The columns with these names.",
        json_schema_extra=list_set(),
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.group is None) == (self.names is None):
            raise ValueError("set exactly one of group and names")
        return self


class ValueRange(ApiModel):
    """An interval of values, both ends included."""

    low: DecimalString = Field(description="The smallest value inside.")
    high: DecimalString = Field(description="The largest value inside.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if parse_decimal(self.low) >= parse_decimal(self.high):
            raise ValueError("low must be less than high")
        return self


class Threshold(ApiModel):
    """When a value is a breach, and how long it must be one before it counts."""

    operator: Operator = Field(description="How the value is compared with the thresholds.")
    warning: DecimalString | None = Field(
        default=None, description="Breach of severity Warning, in the metric's unit."
    )
    critical: DecimalString | None = Field(
        default=None, description="Breach of severity Critical, in the metric's unit."
    )
    warning_range: ValueRange | None = Field(
        default=None, description="Range for severity Warning with OutsideRange and InsideRange."
    )
    critical_range: ValueRange | None = Field(
        default=None, description="Range for severity Critical with OutsideRange and InsideRange."
    )
    recover_at: DecimalString | None = Field(
        default=None,
        description="A firing alert ends only when the value is on the safe side of this one; "
        "it lies on the safe side of every threshold.",
    )
    pending_for: DurationString = Field(
        default="0s", description="How long a breach must last before it fires."
    )
    keep_firing_for: DurationString = Field(
        default="0s", description="How long the value must be safe before a firing alert ends."
    )
    min_samples: Annotated[int, Field(ge=1, le=10_000_000)] = Field(
        default=1,
        description="With fewer samples (requests for software metrics, rows for data metrics) "
        "the verdict is Unknown.",
    )


class LatencyOptions(ApiModel):
    """Options of a Latency metric; its unit is the second."""

    quantile: DecimalString = Field(description='Quantile between 0 and 1, for example "0.99".')
    of: LatencyOf = Field(
        default=LatencyOf.RESPONSE,
        description="Response: until the last response byte; FirstByte: until the first one.",
    )


class ErrorRatioOptions(ApiModel):
    """Options of an ErrorRatio metric; its unit is the ratio of requests."""

    status_codes: list[Annotated[str, Field(pattern=r"^[1-5](xx|[0-9]{2})$", max_length=3)]] = (
        Field(
            default=["5xx"],
            min_length=1,
            max_length=32,
            description="HTTP status codes that are errors: a class such as 5xx, or one code such "
            "as 429. A request whose connection ended without a response is always an error.",
            json_schema_extra=list_set(),
        )
    )


class DriftTolerance(ApiModel):
    """How large a shift may be before it matters: the largest moved share of a distribution."""

    warning: DecimalString | None = Field(
        default=None, description="Shift of cumulative share that is still no Warning, 0 to 1."
    )
    critical: DecimalString | None = Field(
        default=None, description="Shift of cumulative share that is still not Critical, 0 to 1."
    )


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
    type: MetricType = Field(description="What is measured.")
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
