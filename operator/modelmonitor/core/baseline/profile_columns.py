"""The columns of a baseline profile: kinds, roles, cells, and how dependent their rows were."""

from enum import StrEnum
from typing import Final

import msgspec

from modelmonitor.core.counting.derivation import Derivation

MAX_CUTS: Final = 256
MAX_CATEGORIES: Final = 1024
MAX_NAME: Final = 128
MAX_ENVELOPES: Final = 8
MAX_COUNT: Final = 2**48


class ColumnKind(StrEnum):
    """How a column is counted."""

    NUMERIC = "Numeric"
    CATEGORICAL = "Categorical"
    TEXT = "Text"
    IGNORED = "Ignored"

    @property
    def ordered(self) -> bool:
        """Whether cells lie between cut points: of numbers, or of the lengths of text."""
        return self in {ColumnKind.NUMERIC, ColumnKind.TEXT}


class ColumnRole(StrEnum):
    """Where a column stands in the serving schema."""

    INPUT = "Input"
    LABEL = "Label"
    SCORE = "Score"
    DERIVED = "Derived"
    """Computed of an input; it is in no message."""

    @property
    def is_output(self) -> bool:
        """Whether the model answers with it."""
        return self in {ColumnRole.LABEL, ColumnRole.SCORE}


class OutputLocator(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an output column is in the model's response."""

    output: str = ""
    """Name of the output; empty: the first one."""
    index: int = 0
    """Position in the output's last dimension; 0 where it has only one value a row."""


class DerivedFrom(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a derived column comes about."""

    source: str
    """Name of the input that it is computed of."""
    derivation: Derivation


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one column's shares did over the baseline's own blocks of one length.

    A numeric or text column has one share per cut (the part of the values at or below it), a
    categorical one per cell.
    """

    seconds: float
    """Length of the blocks."""
    phi: float = 1.0
    """Variance inflation of the shares within and between blocks of this length, at least 1."""
    low: list[float] = []
    """Smallest value of each share in any block."""
    high: list[float] = []
    """Largest value of each share in any block."""


class HourCells(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One column's counts by hour of the week, and what dependence is left within the hours."""

    packed: bytes
    """168 rows of counts, Monday 0:00 first, as `core.baseline.profile_hours` writes them."""
    phi_of_day: float = 0.0
    """Long-run variance inflation of the shares about those of their hour of the day, at least 1;
    0 where it is not known, because the hours were not seen twice."""
    phi_of_week: float = 0.0
    """The same about those of their hour of the week."""


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column of the baseline."""

    name: str
    kind: ColumnKind
    role: ColumnRole
    locator: OutputLocator | None = None
    """Set for outputs (label and score)."""
    derived: DerivedFrom | None = None
    """Set for derived columns."""
    rows: int = 0
    """Rows of the baseline, missing ones included."""
    missing: int = 0
    empty: int | None = None
    """Text and categorical: values without a character that is no space; None: not counted."""
    cuts: list[float] = []
    """Numeric: minimum, quantile edges, maximum; strictly increasing; finite. Text: the same of
    lengths in characters; empty in profiles that do not watch lengths."""
    categories: list[str] = []
    """Categorical: known values as `core.counting.columns` writes them, most frequent first."""
    complete: bool = True
    """Categorical: every baseline value is listed, so that an unlisted one is new."""
    cells: list[int] = []
    """Counts as in `ColumnCounts.cells`: cuts + 1, or categories + 1; none of text without cuts."""
    total: float = 0.0
    squares: float = 0.0
    phi: float = 1.0
    """Long-run variance inflation of the column's shares, at least 1; rows / phi are worth one
    independent row each."""
    envelopes: list[Envelope] = []
    """Shortest blocks first; empty where the rows had no times."""
    hours: HourCells | None = None
    """Counts by hour, of columns that follow the clock."""
    warnings: list[str] = []
    """Why the column cannot be watched well, as sentences."""
