"""Options of metrics that look at several columns, or at embeddings, together."""

from enum import StrEnum

from pydantic import Field

from modelmonitor.api.v1alpha1.base import ApiModel, ColumnName
from modelmonitor.api.v1alpha1.metric_options import ColumnSelector
from modelmonitor.api.v1alpha1.rules import rule


class MultivariateStatistic(StrEnum):
    """What is compared of whole rows."""

    CORRELATION_CHANGE = "CorrelationChange"
    RECONSTRUCTION_ERROR = "ReconstructionError"
    EMBEDDING_DISTANCE = "EmbeddingDistance"


class MultivariateOptions(ApiModel):
    """Options of a Multivariate metric."""

    statistic: MultivariateStatistic = Field(
        description="CorrelationChange: the largest change of a correlation between two numeric "
        "inputs, 0 to 2; ReconstructionError: how much worse rows are rebuilt from the baseline's "
        "principal components, 1 as in the baseline; EmbeddingDistance: maximum mean discrepancy "
        "of an embedding with a Gaussian kernel, 0 to about 1.4. The baseline must have been built "
        "for it: `modelmonitor baseline build --correlations all`, or `--embedding INPUT`."
    )
    columns: ColumnSelector | None = Field(
        default=None,
        description="Of CorrelationChange: the inputs whose correlations are looked at; default: "
        "all that the baseline holds.",
    )
    column: ColumnName | None = Field(
        default=None,
        description="Of EmbeddingDistance, required there: the input that holds the embedding.",
    )

    @rule(
        "self.statistic == 'CorrelationChange' || !has(self.columns)",
        "columns belongs to CorrelationChange",
        at=".columns",
    )
    def _columns_fit(self) -> bool:
        return self.statistic is MultivariateStatistic.CORRELATION_CHANGE or self.columns is None

    @rule(
        "(self.statistic == 'EmbeddingDistance') == has(self.column)",
        "column belongs to EmbeddingDistance and is required there",
        at=".column",
    )
    def _column_fits(self) -> bool:
        wanted = self.statistic is MultivariateStatistic.EMBEDDING_DISTANCE
        return wanted == (self.column is not None)
