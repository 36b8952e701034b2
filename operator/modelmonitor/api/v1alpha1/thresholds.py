"""Thresholds: when a value is too much, and how long it must be so before it counts."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field

from modelmonitor.api.v1alpha1.base import ApiModel, DecimalString, DurationString, parse_decimal
from modelmonitor.api.v1alpha1.rules import RuleReason, rule


class Operator(StrEnum):
    """How a value is compared with a threshold; the breach is where the comparison is true."""

    GREATER_THAN = "GreaterThan"
    GREATER_THAN_OR_EQUAL = "GreaterThanOrEqual"
    LESS_THAN = "LessThan"
    LESS_THAN_OR_EQUAL = "LessThanOrEqual"
    OUTSIDE_RANGE = "OutsideRange"
    INSIDE_RANGE = "InsideRange"


RANGE_OPERATORS: Final = frozenset({Operator.OUTSIDE_RANGE, Operator.INSIDE_RANGE})
"""Operators that take ranges; the others take single values."""


GREATER_OPERATORS: Final = frozenset({Operator.GREATER_THAN, Operator.GREATER_THAN_OR_EQUAL})
"""Operators whose safe side is below the threshold."""

LESS_OPERATORS: Final = frozenset({Operator.LESS_THAN, Operator.LESS_THAN_OR_EQUAL})
"""Operators whose safe side is above the threshold."""


class ValueRange(ApiModel):
    """An interval of values, both ends included."""

    low: DecimalString = Field(
        description="The smallest value inside: a decimal in quotes, in the metric's unit."
    )
    high: DecimalString = Field(
        description="The largest value inside: a decimal in quotes, in the metric's unit."
    )

    @rule("double(self.low) < double(self.high)", "low must be less than high", at=".low")
    def _ordered(self) -> bool:
        return parse_decimal(self.low) < parse_decimal(self.high)

    def contains(self, other: "ValueRange") -> bool:
        """Return whether every value of the other range lies in this one."""
        return parse_decimal(self.low) <= parse_decimal(other.low) and parse_decimal(
            other.high
        ) <= parse_decimal(self.high)


class Threshold(ApiModel):
    """When a value is a breach, and how long it must be one before it counts."""

    operator: Operator = Field(description="How the value is compared with the thresholds.")
    warning: DecimalString | None = Field(
        default=None,
        description="Breach of severity Warning: a decimal in quotes, in the metric's unit.",
    )
    critical: DecimalString | None = Field(
        default=None,
        description="Breach of severity Critical: a decimal in quotes, in the metric's unit.",
    )
    warning_range: ValueRange | None = Field(
        default=None, description="Range for severity Warning with OutsideRange and InsideRange."
    )
    critical_range: ValueRange | None = Field(
        default=None, description="Range for severity Critical with OutsideRange and InsideRange."
    )
    recover_at: DecimalString | None = Field(
        default=None,
        description="A firing alert ends only when the value is on the safe side of this one, a "
        "decimal in quotes; it lies on the safe side of every threshold.",
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

    @rule(
        "self.operator.endsWith('Range')"
        " ? !has(self.warning) && !has(self.critical) && !has(self.recoverAt)"
        " : !has(self.warningRange) && !has(self.criticalRange)",
        "OutsideRange and InsideRange take warningRange and criticalRange; the other operators "
        "take warning, critical and recoverAt",
        at=".operator",
    )
    def _values_fit_operator(self) -> bool:
        if self.operator in RANGE_OPERATORS:
            return self.warning is None and self.critical is None and self.recover_at is None
        return self.warning_range is None and self.critical_range is None

    @rule(
        "has(self.warning) || has(self.critical)"
        " || has(self.warningRange) || has(self.criticalRange)",
        "set at least one severity: warning or critical, with a range operator warningRange or "
        "criticalRange",
        reason=RuleReason.REQUIRED,
    )
    def _has_severity(self) -> bool:
        return self.declares_warning or self.declares_critical

    @rule(
        "!has(self.warning) || !has(self.critical) || (self.operator.startsWith('Less')"
        " ? double(self.warning) >= double(self.critical)"
        " : double(self.warning) <= double(self.critical))",
        "warning must not be stricter than critical: at most critical with GreaterThan, at least "
        "critical with LessThan",
        at=".warning",
    )
    def _warning_comes_first(self) -> bool:
        if self.warning is None or self.critical is None:
            return True
        return self._is_safer(self.warning, self.critical)

    @rule(
        "!has(self.warningRange) || !has(self.criticalRange) || (self.operator == 'InsideRange'"
        " ? double(self.warningRange.low) <= double(self.criticalRange.low)"
        " && double(self.criticalRange.high) <= double(self.warningRange.high)"
        " : double(self.criticalRange.low) <= double(self.warningRange.low)"
        " && double(self.warningRange.high) <= double(self.criticalRange.high))",
        "warningRange must not be stricter than criticalRange: inside it with OutsideRange, "
        "around it with InsideRange",
        at=".warningRange",
    )
    def _warning_range_comes_first(self) -> bool:
        if self.warning_range is None or self.critical_range is None:
            return True
        if self.operator is Operator.INSIDE_RANGE:
            return self.warning_range.contains(self.critical_range)
        return self.critical_range.contains(self.warning_range)

    @rule(
        "!has(self.recoverAt) || (self.operator.startsWith('Less')"
        " ? (!has(self.warning) || double(self.recoverAt) >= double(self.warning))"
        " && (!has(self.critical) || double(self.recoverAt) >= double(self.critical))"
        " : (!has(self.warning) || double(self.recoverAt) <= double(self.warning))"
        " && (!has(self.critical) || double(self.recoverAt) <= double(self.critical)))",
        "recoverAt must lie on the safe side of warning and critical: at or below both with "
        "GreaterThan, at or above both with LessThan",
        at=".recoverAt",
    )
    def _recovers_on_the_safe_side(self) -> bool:
        if self.recover_at is None:
            return True
        set_thresholds = [each for each in (self.warning, self.critical) if each is not None]
        return all(self._is_safer(self.recover_at, each) for each in set_thresholds)

    @property
    def declares_warning(self) -> bool:
        """Whether a value can be a breach of severity Warning."""
        return self.warning is not None or self.warning_range is not None

    @property
    def declares_critical(self) -> bool:
        """Whether a value can be a breach of severity Critical."""
        return self.critical is not None or self.critical_range is not None

    def _is_safer(self, value: str, than: str) -> bool:
        """Return whether a value is no nearer to a breach than another one."""
        if self.operator in LESS_OPERATORS:
            return parse_decimal(value) >= parse_decimal(than)
        return parse_decimal(value) <= parse_decimal(than)
