"""What must hold of a profile's columns before anything uses them: a profile is hostile input."""

import math

from modelmonitor.core.baseline.profile_columns import (
    MAX_CATEGORIES,
    MAX_COUNT,
    MAX_CUTS,
    MAX_ENVELOPES,
    MAX_NAME,
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    Envelope,
)
from modelmonitor.core.baseline.profile_hours import InvalidHoursError, unpack_hours


class InvalidProfileError(ValueError):
    """A profile that cannot be used; the message says where and what to do."""


def check_counts(counts: list[int], where: str) -> None:
    """Raise InvalidProfileError where any of some counts is none."""
    if any(not 0 <= count <= MAX_COUNT for count in counts):
        raise InvalidProfileError(f"{where}: counts must be 0 to {MAX_COUNT}")


def check_column(column: ColumnProfile) -> None:
    """Raise InvalidProfileError where a column is inconsistent or beyond a bound."""
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
    check_counts(
        [column.rows, column.missing, column.empty or 0, sum(column.cells), *column.cells], where
    )
    if not math.isfinite(column.phi) or column.phi < 1:
        raise InvalidProfileError(f"{where}.phi: must be at least 1")
    _check_origin(column, where)
    _check_hours(column, f"{where}.hours")
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


def _check_hours(column: ColumnProfile, where: str) -> None:
    hours = column.hours
    if hours is None:
        return
    for name, phi in (("phiOfDay", hours.phi_of_day), ("phiOfWeek", hours.phi_of_week)):
        if not math.isfinite(phi) or (phi != 0 and phi < 1):
            raise InvalidProfileError(f"{where}.{name}: must be at least 1, or 0 if not known")
    if not column.cells:
        raise InvalidProfileError(f"{where}: only columns with cells are counted by hour")
    try:
        unpack_hours(hours.packed, column.cells)
    except InvalidHoursError as error:
        raise InvalidProfileError(f"{where}: {error}") from error
