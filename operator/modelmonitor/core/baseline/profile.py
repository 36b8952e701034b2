"""The baseline profile: what normal looks like, built once, immutable, named by its content.

It holds the serving schema in order, the cut points and counts of every column, and how dependent
the rows were. It travels as canonical JSON in a ConfigMap (key `profile.json`, at most 900 KiB).
A profile that users supply is hostile input: `load_profile` bounds it before anything uses it.
Keys that are not known are ignored, so that a profile of a newer version still serves.
"""

import hashlib
import math
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from modelmonitor.core.baseline.performance_profile import (
    InconsistentPerformanceError,
    PerformanceProfile,
    check_performance,
)
from modelmonitor.core.baseline.profile_checks import (
    InvalidProfileError,
    check_column,
    check_counts,
)
from modelmonitor.core.baseline.profile_columns import (
    MAX_CATEGORIES,
    MAX_COUNT,
    MAX_CUTS,
    MAX_ENVELOPES,
    MAX_NAME,
    ColumnKind,
    ColumnProfile,
    ColumnRole,
    DerivedFrom,
    Envelope,
    HourCells,
    OutputLocator,
)
from modelmonitor.core.counting.moments import MAX_VIEWS, MomentProfile, problem_of
from modelmonitor.core.times import parse_time

__all__ = [
    "MAX_CATEGORIES",
    "MAX_COLUMNS",
    "MAX_COUNT",
    "MAX_CUTS",
    "MAX_ENVELOPES",
    "MAX_NAME",
    "MAX_PROFILE_BYTES",
    "PROFILE_KEY",
    "PROFILE_SCHEMA",
    "ColumnKind",
    "ColumnProfile",
    "ColumnRole",
    "DerivedFrom",
    "Envelope",
    "ExpectedAlarms",
    "HourCells",
    "InvalidProfileError",
    "OutputLocator",
    "Profile",
    "canonical",
    "digest",
    "load_profile",
]

PROFILE_SCHEMA: Final = 1
PROFILE_KEY: Final = "profile.json"
MAX_PROFILE_BYTES: Final = 900 * 1024
MAX_COLUMNS: Final = 512


class ExpectedAlarms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Alarms a week that drift with default tolerances would have raised on the baseline itself.

    Each part of the baseline was judged by a profile of all the others.
    """

    interval: float
    """Seconds of the ticks."""
    days: float
    """Length of all judged parts together."""
    warning: float = 0.0
    critical: float = 0.0
    columns: list[str] = []
    """The columns that alarmed, most alarms first."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The baseline of one model."""

    schema: int = PROFILE_SCHEMA
    rows: int
    columns: list[ColumnProfile]
    """Inputs in serving order, then label, score and derived columns, where they exist."""
    seasonality: str = "None"
    """The finest hours that columns are counted by: None, HourOfDay or HourOfWeek."""
    timeZone: str = "UTC"
    """IANA time zone of the clock that hours are of."""
    firstTime: str = ""
    """RFC 3339 time of the first row, where the data had times."""
    lastTime: str = ""
    ordered: bool = False
    """The rows were in time order, so that phi could be estimated."""
    expectedAlarms: ExpectedAlarms | None = None
    """None where the baseline is too short to be held against itself."""
    performance: PerformanceProfile | None = None
    """What the baseline's labels say of the model; None without labels."""
    moments: list[MomentProfile] = []
    """Which joint moments of rows are known: of numeric inputs, and of embeddings."""
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
    check_counts([profile.rows], "rows")
    _check_times(profile)
    _check_alarms(profile.expectedAlarms)
    names: set[str] = set()
    for column in profile.columns:
        if not column.name or len(column.name) > MAX_NAME:
            raise InvalidProfileError(f"columns: names have 1 to {MAX_NAME} characters")
        if column.name in names:
            raise InvalidProfileError(f"columns: {column.name} is there twice")
        names.add(column.name)
        check_column(column)
    _check_performance(profile)
    _check_moments(profile)


def _check_moments(profile: Profile) -> None:
    inputs = [column.name for column in profile.inputs]
    names = [each.view.name for each in profile.moments]
    if len(names) > MAX_VIEWS or len(set(names)) != len(names):
        raise InvalidProfileError(f"moments: at most {MAX_VIEWS} views, each of another name")
    for each in profile.moments:
        problem = problem_of(each, inputs)
        if problem:
            raise InvalidProfileError(f"moments[{each.view.name}]: {problem}")


def _check_performance(profile: Profile) -> None:
    if profile.performance is None:
        return
    try:
        check_performance(profile.performance, {column.name for column in profile.outputs})
    except InconsistentPerformanceError as error:
        raise InvalidProfileError(str(error)) from error


def _check_times(profile: Profile) -> None:
    for name, text in (("firstTime", profile.firstTime), ("lastTime", profile.lastTime)):
        if not text:
            continue
        try:
            parse_time(text)
        except ValueError as error:
            raise InvalidProfileError(f"{name}: {error}") from error
    try:
        ZoneInfo(profile.timeZone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise InvalidProfileError(
            f"timeZone: {profile.timeZone[:MAX_NAME]!r} is no time zone: write for example "
            "Europe/Berlin"
        ) from error


def _check_alarms(alarms: ExpectedAlarms | None) -> None:
    if alarms is None:
        return
    numbers = (alarms.interval, alarms.days, alarms.warning, alarms.critical)
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise InvalidProfileError("expectedAlarms: numbers must be finite and at least 0")
    if len(alarms.columns) > MAX_COLUMNS or any(len(name) > MAX_NAME for name in alarms.columns):
        raise InvalidProfileError(
            f"expectedAlarms.columns: at most {MAX_COLUMNS} names of {MAX_NAME} characters"
        )
