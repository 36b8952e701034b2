"""Which period of a monitor's own service its baseline is made from, and whether it is over.

A rolling period moves on once a day, counted from the first recorded hour on: a comparator that
moved with every tick would follow a slow drift as fast as it goes.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from modelmonitor.api.v1alpha1.base import parse_duration, parse_moment
from modelmonitor.api.v1alpha1.baseline import ProductionBaseline
from modelmonitor.core.pane.history import HOUR, hour_of
from modelmonitor.core.times import format_time

DAY: Final = 24 * HOUR


class Period(msgspec.Struct, frozen=True):
    """Whole hours of a monitor's history."""

    since: float
    """Seconds since the epoch, a multiple of 3600."""
    until: float
    """The same."""

    def __str__(self) -> str:
        """Return the period for people."""
        return f"{format_time(self.since)} to {format_time(self.until)}"

    @property
    def hours(self) -> int:
        """Its length."""
        return round((self.until - self.since) / HOUR)


@dataclass(frozen=True, slots=True)
class Pending:
    """A period that is not over yet.

    Attributes
    ----------
    seen, wanted
        Hours from the first that is needed, and how many of them must have passed.
    """

    seen: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Unrecorded:
    """A fixed period that began before anything was recorded.

    Attributes
    ----------
    period
        The period.
    began
        Start of the first recorded hour, seconds since the epoch.
    """

    period: Period
    began: float


def period_of(
    production: ProductionBaseline, began: float, now: float
) -> Period | Pending | Unrecorded:
    """Return the period whose panes are the baseline at some time.

    Parameters
    ----------
    production
        As declared.
    began
        Start of the first recorded hour, seconds since the epoch.
    now
        Start of the tick that is judged, seconds since the epoch.
    """
    if production.period is None:
        return _fixed(production, began, now)
    length = _whole_hours(parse_duration(production.period))
    ago = _whole_hours(parse_duration(production.offset or "0s"))
    passed = now - began - length - ago
    if passed < 0:
        return Pending(int(max(0.0, now - began) / HOUR), round((length + ago) / HOUR))
    since = began + passed // DAY * DAY
    return Period(since, since + length)


def _fixed(
    production: ProductionBaseline, began: float, now: float
) -> Period | Pending | Unrecorded:
    if production.from_ is None or production.to is None:
        raise ValueError("a production baseline has a period, or from and to")
    since = hour_of(parse_moment(production.from_))
    until = since + _whole_hours(parse_moment(production.to) - since)
    period = Period(since, until)
    if since < began:
        return Unrecorded(period, began)
    if now < until:
        return Pending(int(max(0.0, now - since) / HOUR), period.hours)
    return period


def _whole_hours(seconds: float) -> float:
    return float(-(-seconds // HOUR) * HOUR)
