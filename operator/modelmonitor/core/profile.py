"""The baseline profile: what normal looks like, built once, immutable, named by its content.

It holds the serving schema in order, the cut points and counts of every column, and how dependent
the rows were. It travels as canonical JSON in a ConfigMap (key `profile.json`, at most 900 KiB).
A profile that users supply is hostile input: `load_profile` bounds it before anything uses it.
"""

import hashlib
import math
from enum import StrEnum
from typing import Final

import msgspec

from modelmonitor.core.derived import Derivation
from modelmonitor.core.times import parse_time

PROFILE_SCHEMA: Final = 1
PROFILE_KEY: Final = "profile.json"
MAX_PROFILE_BYTES: Final = 900 * 1024
MAX_COLUMNS: Final = 512
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
    cuts: list[float] = []
    """Numeric: minimum, quantile edges, maximum; strictly increasing; finite. Text: the same of
    lengths in characters; empty in profiles that do not watch lengths."""
    categories: list[str] = []
    """Categorical: known values as `core.columns` writes them, most frequent first."""
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
    warnings: list[str] = []
    """Why the column cannot be watched well, as sentences."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The baseline of one model."""

    schema: int = PROFILE_SCHEMA
    rows: int
    columns: list[ColumnProfile]
    """Inputs in serving order, then label, score and derived columns, where they exist."""
    seasonality: str = "None"
    timeZone: str = "UTC"
    firstTime: str = ""
    """RFC 3339 time of the first row, where the data had times."""
    lastTime: str = ""
    ordered: bool = False
    """The rows were in time order, so that phi could be estimated."""
    warnings: list[str] = []
    """Why the whole baseline is weak, as sentences."""

    @property
    def inputs(self) -> list[ColumnProfile]:
        """The input columns in serving order."""
        return [column for column in self.columns if column.role is ColumnRole.INPUT]

    @property
    def outputs(self) -> list[ColumnProfile]:
        """The label and score columns."""
        return [column for column in self.columns if column.role.is_output]


class InvalidProfileError(ValueError):
    """A profile that cannot be used; the message says where and what to do."""


def canonical(profile: Profile) -> bytes:
    """Return the profile as canonical JSON: sorted keys, no spaces; equal content, equal bytes."""
    return msgspec.json.encode(profile, order="sorted")


def digest(profile: Profile) -> str:
    """Return the profile's name by content: `sha256:` and 64 hex digits."""
    return "sha256:" + hashlib.sha256(canonical(profile)).hexdigest()


def load_profile(payload: bytes) -> Profile:
    """Return a profile from JSON, checked against every bound.

    Raises
    ------
    InvalidProfileError
        If the payload is too large, not a profile, or inconsistent.
    """
    if len(payload) > MAX_PROFILE_BYTES:
        raise InvalidProfileError(
            f"the profile has {len(payload)} bytes, more than {MAX_PROFILE_BYTES}: "
            "build it with fewer columns or categories"
        )
    try:
        profile = msgspec.json.decode(payload, type=Profile)
    except msgspec.DecodeError as error:
        raise InvalidProfileError(
            f"the profile is not readable ({error}): build it with `modelmonitor baseline build`"
        ) from error
    _check(profile)
    return profile


def _check(profile: Profile) -> None:
    if profile.schema != PROFILE_SCHEMA:
        raise InvalidProfileError(
            f"schema: {profile.schema} is not supported, only {PROFILE_SCHEMA}: rebuild the profile"
        )
    if not profile.columns or len(profile.columns) > MAX_COLUMNS:
        raise InvalidProfileError(
            f"columns: there are {len(profile.columns)}, allowed are 1 to {MAX_COLUMNS}"
        )
    _check_counts([profile.rows], "rows")
    _check_times(profile)
    names: set[str] = set()
    for column in profile.columns:
        if not column.name or len(column.name) > MAX_NAME:
            raise InvalidProfileError(f"columns: names have 1 to {MAX_NAME} characters")
        if column.name in names:
            raise InvalidProfileError(f"columns: {column.name} is there twice")
        names.add(column.name)
        _check_column(column)


def _check_times(profile: Profile) -> None:
    for name, text in (("firstTime", profile.firstTime), ("lastTime", profile.lastTime)):
        if not text:
            continue
        try:
            parse_time(text)
        except ValueError as error:
            raise InvalidProfileError(f"{name}: {error}") from error


def _check_counts(counts: list[int], where: str) -> None:
    if any(not 0 <= count <= MAX_COUNT for count in counts):
        raise InvalidProfileError(f"{where}: counts must be 0 to {MAX_COUNT}")


def _check_column(column: ColumnProfile) -> None:
    where = f"columns[{column.name}]"
    if len(column.cuts) > MAX_CUTS or len(column.categories) > MAX_CATEGORIES:
        raise InvalidProfileError(
            f"{where}: at most {MAX_CUTS} cuts and {MAX_CATEGORIES} categories are allowed"
        )
    if not all(math.isfinite(cut) for cut in column.cuts) or any(
        left >= right for left, right in zip(column.cuts, column.cuts[1:], strict=False)
    ):
        raise InvalidProfileError(f"{where}.cuts: must be finite and strictly increasing")
    if len(set(column.categories)) != len(column.categories):
        raise InvalidProfileError(f"{where}.categories: a value is there twice")
    if any(len(category) > MAX_NAME for category in column.categories):
        raise InvalidProfileError(f"{where}.categories: values have at most {MAX_NAME} characters")
    expected = {
        ColumnKind.NUMERIC: len(column.cuts) + 1,
        ColumnKind.TEXT: len(column.cuts) + 1 if column.cuts else 0,
        ColumnKind.CATEGORICAL: len(column.categories) + 1,
    }.get(column.kind, 0)
    if len(column.cells) != expected:
        raise InvalidProfileError(f"{where}.cells: must be {expected} counts")
    _check_counts([column.rows, column.missing, *column.cells], where)
    if not math.isfinite(column.phi) or column.phi < 1:
        raise InvalidProfileError(f"{where}.phi: must be at least 1")
    _check_origin(column, where)
    for number, envelope in enumerate(column.envelopes):
        _check_envelope(envelope, column, f"{where}.envelopes[{number}]")
    if len(column.envelopes) > MAX_ENVELOPES:
        raise InvalidProfileError(f"{where}.envelopes: at most {MAX_ENVELOPES} are allowed")


def _check_origin(column: ColumnProfile, where: str) -> None:
    if column.role.is_output and column.locator is None:
        raise InvalidProfileError(f"{where}.locator: outputs need one")
    if (column.role is ColumnRole.DERIVED) != (column.derived is not None):
        raise InvalidProfileError(f"{where}.derived: derived columns need it, and no others do")


def _check_envelope(envelope: Envelope, column: ColumnProfile, where: str) -> None:
    shares = len(column.cuts) if column.kind.ordered else len(column.cells)
    if len(envelope.low) != shares or len(envelope.high) != shares:
        raise InvalidProfileError(f"{where}: low and high must have {shares} shares")
    if not all(
        0 <= low <= high <= 1 for low, high in zip(envelope.low, envelope.high, strict=True)
    ):
        raise InvalidProfileError(f"{where}: shares must be 0 <= low <= high <= 1")
    if not math.isfinite(envelope.seconds) or envelope.seconds <= 0:
        raise InvalidProfileError(f"{where}.seconds: must be more than 0")
    if not math.isfinite(envelope.phi) or envelope.phi < 1:
        raise InvalidProfileError(f"{where}.phi: must be at least 1")
