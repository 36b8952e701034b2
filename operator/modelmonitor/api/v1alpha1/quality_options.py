"""Options of DataQuality metrics: which flaw is measured, and of which columns."""

from enum import StrEnum

from pydantic import Field

from modelmonitor.api.v1alpha1.base import ApiModel
from modelmonitor.api.v1alpha1.metric_options import ColumnSelector
from modelmonitor.api.v1alpha1.rules import rule


class DataQualityCheck(StrEnum):
    """Which flaw of the data is measured."""

    MISSING_RATIO = "MissingRatio"
    EMPTY_RATIO = "EmptyRatio"
    TYPE_MISMATCH_RATIO = "TypeMismatchRatio"
    INFINITE_RATIO = "InfiniteRatio"
    OUT_OF_RANGE_RATIO = "OutOfRangeRatio"
    NEW_CATEGORY_RATIO = "NewCategoryRatio"
    VANISHED_CATEGORY_RATIO = "VanishedCategoryRatio"
    DISTINCT_RATIO = "DistinctRatio"
    DUPLICATE_RATIO = "DuplicateRatio"
    CONSTANT_COLUMNS = "ConstantColumns"
    SCHEMA_CHANGES = "SchemaChanges"
    STALENESS = "Staleness"

    @property
    def of_rows(self) -> bool:
        """Whether it looks at whole rows, so that it takes no columns."""
        return self in {self.DUPLICATE_RATIO, self.SCHEMA_CHANGES, self.STALENESS}

    @property
    def is_ratio(self) -> bool:
        """Whether its value is a share, 0 to 1."""
        return self.value.endswith("Ratio")

    @property
    def of_baseline(self) -> bool:
        """Whether it compares with the baseline by itself."""
        return self in {
            self.VANISHED_CATEGORY_RATIO,
            self.CONSTANT_COLUMNS,
            self.SCHEMA_CHANGES,
        }


class DataQualityOptions(ApiModel):
    """Options of a DataQuality metric; of several columns the worst one counts."""

    check: DataQualityCheck = Field(
        description="Shares of a column's rows or values, 0 to 1: MissingRatio: null, absent or "
        "not-a-number values; EmptyRatio: those and texts without a character that is no space; "
        "TypeMismatchRatio: text where a number belongs, or lists and objects; InfiniteRatio: "
        "infinite numbers; OutOfRangeRatio: values below the baseline's minimum or above its "
        "maximum; NewCategoryRatio: values that the baseline does not know; VanishedCategoryRatio: "
        "share of the baseline's values whose categories are gone, although by chance they would "
        "have been seen; DistinctRatio: different values per value. Of whole rows: "
        "DuplicateRatio: share of the rows that repeat another one in the window; SchemaChanges: "
        "how many inputs were added, are gone, or have another type; Staleness: seconds since the "
        "last row. ConstantColumns: how many columns have only one value, and had more in the "
        "baseline."
    )
    columns: ColumnSelector | None = Field(
        default=None,
        description="Which columns are looked at; required, but not for DuplicateRatio, "
        "SchemaChanges and Staleness, which look at all inputs.",
    )

    @rule(
        "(self.check in ['DuplicateRatio', 'SchemaChanges', 'Staleness']) != has(self.columns)",
        "columns is required, but DuplicateRatio, SchemaChanges and Staleness look at all inputs "
        "and take none",
        at=".columns",
    )
    def _columns_fit(self) -> bool:
        return self.check.of_rows != (self.columns is not None)
