"""Options of metrics: what each type of metric is told beside its threshold."""

from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from modelmonitor.api.v1alpha1.base import (
    STATUS_CODE_PATTERN,
    ApiModel,
    ColumnName,
    DecimalString,
    DurationString,
    distinct,
    list_set,
    parse_decimal,
)
from modelmonitor.api.v1alpha1.rules import RuleReason, rule


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


class DistanceStatistic(StrEnum):
    """A distance between the baseline's and the window's distribution of one column."""

    PSI = "PSI"
    KULLBACK_LEIBLER = "KullbackLeibler"
    JENSEN_SHANNON = "JensenShannon"
    HELLINGER = "Hellinger"
    TOTAL_VARIATION = "TotalVariation"
    L_INFINITY = "LInfinity"
    KOLMOGOROV_SMIRNOV = "KolmogorovSmirnov"
    CRAMER_VON_MISES = "CramerVonMises"
    ANDERSON_DARLING = "AndersonDarling"
    WASSERSTEIN = "Wasserstein"
    ENERGY = "Energy"
    CHI_SQUARE = "ChiSquare"
    G_TEST = "GTest"
    CRAMERS_V = "CramersV"


class StatisticOf(StrEnum):
    """What is computed of a column's values."""

    MEAN = "Mean"
    STANDARD_DEVIATION = "StandardDeviation"
    QUANTILE = "Quantile"
    SHARE_ABOVE = "ShareAbove"
    SHARE_BELOW = "ShareBelow"
    CATEGORY_SHARE = "CategoryShare"
    ENTROPY = "Entropy"
    CONFIDENCE = "Confidence"


class PerformanceMeasure(StrEnum):
    """What is estimated of a model's performance."""

    ACCURACY = "Accuracy"
    PRECISION = "Precision"
    RECALL = "Recall"
    F1 = "F1"
    ROC_AUC = "ROCAUC"
    PRIOR_SHIFT = "PriorShift"


class PerformanceMethod(StrEnum):
    """How performance is estimated without labels."""

    CBPE = "CBPE"
    ATC = "ATC"
    DOC = "DoC"
    BBSE = "BBSE"


class CompareTo(StrEnum):
    """What a value is compared with before the threshold is applied."""

    BASELINE = "Baseline"
    PREVIOUS_PERIOD = "PreviousPeriod"


class CompareAs(StrEnum):
    """How a value is compared with its reference."""

    DIFFERENCE = "Difference"
    RATIO = "Ratio"
    RELATIVE_CHANGE = "RelativeChange"


class ReplicaView(StrEnum):
    """Whether replicas are also judged on their own."""

    EACH = "Each"
    TOGETHER = "Together"


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
    replicas: ReplicaView = Field(
        default=ReplicaView.EACH,
        description="Each: the rows of every replica are also judged on their own, so that one bad "
        "replica is found and named; Together: only all rows, for services whose replicas are "
        "meant to see different traffic.",
    )


class DistanceOptions(ApiModel):
    """Options of a Distance metric."""

    column: ColumnName = Field(description="The column that is watched.")
    statistic: DistanceStatistic = Field(
        description="p and q are the baseline's and the window's shares of the baseline's cells, F "
        "and G the cumulative ones. Of any column: PSI, sum (p - q) ln(p / q), from 0; "
        "KullbackLeibler, sum p ln(p / q) in nats, from 0; JensenShannon, the distance with base "
        "2, 0 to 1; Hellinger, sqrt(1 - sum sqrt(p q)), 0 to 1; TotalVariation, sum |p - q| / 2, "
        "the share of the rows that moved, 0 to 1; LInfinity, max |p - q|, 0 to 1; ChiSquare, "
        "Cohen's w = sqrt(sum (q - p)^2 / p), from 0, the root of chi-square per row; GTest, sum q "
        "ln(q / p) in nats, from 0, half of G per row; CramersV, sqrt(sum (p - q)^2 / (2 (p + q)))"
        ", 0 to 1. Of numbers and lengths of text: KolmogorovSmirnov, max |F - G|, 0 to 1; "
        "CramerVonMises, root of the mean (F - G)^2 over both sides, 0 to 0.577; AndersonDarling, "
        "the same of (F - G)^2 / (H (1 - H)) with H = (F + G) / 2, 0 to 1.243; Wasserstein, "
        "integral of |F - G|, and Energy, root of twice the integral of (F - G)^2, both over "
        "values in standard deviations of the baseline, from 0. None of them grows with the number "
        "of rows, as p-values shrink with it: a p-value says that something moved, which with "
        "enough rows is always so, and a threshold for it would alarm on traffic."
    )


class StatisticOptions(ApiModel):
    """Options of a Statistic metric; its unit is that of the column, or a ratio for shares."""

    column: ColumnName = Field(description="The column that is looked at.")
    of: StatisticOf = Field(
        description="Mean, StandardDeviation and Quantile of numbers (of text: of its lengths in "
        "characters); ShareAbove and ShareBelow: share of the values above, or below, `value`; "
        "CategoryShare: share of the values that are `category`; Entropy: of the shares of the "
        "categories, in nats; Confidence: mean probability of the predicted class."
    )
    quantile: DecimalString | None = Field(
        default=None, description="Of Quantile, required there: between 0 and 1."
    )
    value: DecimalString | None = Field(
        default=None, description="Of ShareAbove and ShareBelow, required there."
    )
    category: ColumnName | None = Field(
        default=None, description="Of CategoryShare, required there: a category of the baseline."
    )

    @rule(
        "(self.of == 'Quantile') == has(self.quantile)",
        "quantile belongs to Quantile and is required there",
        at=".quantile",
    )
    def _quantile_fits(self) -> bool:
        return (self.of is StatisticOf.QUANTILE) == (self.quantile is not None)

    @rule(
        "!has(self.quantile) || (0.0 < double(self.quantile) && double(self.quantile) < 1.0)",
        'quantile must lie between 0 and 1: write for example "0.5"',
        at=".quantile",
    )
    def _is_quantile(self) -> bool:
        return self.quantile is None or 0.0 < parse_decimal(self.quantile) < 1.0

    @rule(
        "(self.of in ['ShareAbove', 'ShareBelow']) == has(self.value)",
        "value belongs to ShareAbove and ShareBelow and is required there",
        at=".value",
    )
    def _value_fits(self) -> bool:
        wanted = self.of in {StatisticOf.SHARE_ABOVE, StatisticOf.SHARE_BELOW}
        return wanted == (self.value is not None)

    @rule(
        "(self.of == 'CategoryShare') == has(self.category)",
        "category belongs to CategoryShare and is required there",
        at=".category",
    )
    def _category_fits(self) -> bool:
        return (self.of is StatisticOf.CATEGORY_SHARE) == (self.category is not None)


class EstimatedPerformanceOptions(ApiModel):
    """Options of an EstimatedPerformance metric; its unit is a ratio, 0 to 1."""

    measure: PerformanceMeasure = Field(
        description="Accuracy, Precision, Recall, F1 or ROCAUC of the predictions (of several "
        "classes: the mean over classes); PriorShift: how far the shares of the true classes have "
        "moved, as total variation distance."
    )
    method: PerformanceMethod | None = Field(
        default=None,
        description="CBPE: from calibrated scores; ATC and DoC: from the confidence, Accuracy "
        "only; BBSE: from the predicted classes, PriorShift only. Default: BBSE for PriorShift, "
        "else CBPE.",
    )

    @rule(
        "!has(self.method) || (self.method == 'BBSE') == (self.measure == 'PriorShift')",
        "BBSE estimates PriorShift, and nothing else does",
        at=".method",
    )
    def _prior_by_bbse(self) -> bool:
        if self.method is None:
            return True
        is_prior = self.measure is PerformanceMeasure.PRIOR_SHIFT
        return (self.method is PerformanceMethod.BBSE) == is_prior

    @rule(
        "!has(self.method) || !(self.method in ['ATC', 'DoC']) || self.measure == 'Accuracy'",
        "ATC and DoC estimate Accuracy only",
        at=".method",
    )
    def _accuracy_by_confidence(self) -> bool:
        if self.method not in {PerformanceMethod.ATC, PerformanceMethod.DOC}:
            return True
        return self.measure is PerformanceMeasure.ACCURACY


class Comparison(ApiModel):
    """What the value is compared with before the threshold is applied."""

    to: CompareTo = Field(
        description="Baseline: the same value of the baseline profile; PreviousPeriod: the same "
        "value of an earlier window of the same length."
    )
    as_: CompareAs = Field(
        default=CompareAs.DIFFERENCE,
        alias="as",
        description="Difference: value minus reference; Ratio: value divided by reference; "
        "RelativeChange: value minus reference, divided by the reference's size: 0.1 is 10 % "
        "more.",
    )
    offset: DurationString | None = Field(
        default=None,
        description="Of PreviousPeriod: how long ago it ended, at least the window and with the "
        "window at most 24h. Default: the window, so that it ended where the window begins.",
    )

    @rule(
        "!has(self.offset) || self.to == 'PreviousPeriod'",
        "offset belongs to PreviousPeriod",
        at=".offset",
        reason=RuleReason.FORBIDDEN,
    )
    def _offset_fits(self) -> bool:
        return self.offset is None or self.to is CompareTo.PREVIOUS_PERIOD
