"""Verdicts: what one metric's value means, with three outcomes and always a reason."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """Whether the value breaches a threshold; Unknown where that cannot be judged."""

    BREACH = "Breach"
    NO_BREACH = "NoBreach"
    UNKNOWN = "Unknown"


class Level(StrEnum):
    """The severity of a breach."""

    WARNING = "Warning"
    CRITICAL = "Critical"


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """One column's part in a verdict, worst first."""

    column: str
    value: float
    """Effect size: the moved share for Drift, the ratio for DataQuality."""
    log_evidence: float = 0.0
    """Natural logarithm of the e-detector's value; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one metric at one tick."""

    metric: str
    outcome: Outcome
    level: Level | None
    """Severity of a breach; None without one."""
    recovered: bool
    """The value is on the safe side of `recoverAt` (or of every threshold without one)."""
    no_data: bool
    """Unknown because nothing was measured, so that noDataPolicy applies."""
    value: float | None
    """In the metric's unit; None where nothing was measured."""
    threshold: str
    """What the value is held against, in words."""
    samples: int
    window: float
    """Seconds that were looked at."""
    reason: str
    """A constant of `api.v1alpha1.conditions.VerdictReason`."""
    message: str
    """One sentence with numbers and units."""
    findings: tuple[ColumnFinding, ...] = ()
