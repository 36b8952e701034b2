"""What `baseline build` does with the rows' times beyond phi: hours, and alarms to expect."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from rich.console import Console

from modelmonitor.cli.errors import CommandError
from modelmonitor.core.baseline.column_builder import Floats
from modelmonitor.core.baseline.expected_alarms import expected_alarms
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.profile_builder import Clocked


def clock_of(seasonality: str | None, zone: str, *, time: str | None) -> Clocked:
    """Return by which clock rows are counted, from what the user wrote.

    Raises
    ------
    CommandError
        If there is no such seasonality or time zone, or rows without times are to have one.
    """
    from modelmonitor.api.v1alpha1.baseline import Seasonality

    try:
        ZoneInfo(zone)
    except (ValueError, OSError, ZoneInfoNotFoundError) as error:
        raise CommandError(
            f"--time-zone {zone}: there is no such time zone, write for example Europe/Berlin"
        ) from error
    if seasonality is None:
        return Clocked(zone=zone)
    known = [each.value for each in Seasonality]
    if seasonality not in known:
        raise CommandError(f"--seasonality {seasonality}: write {', '.join(known)}")
    if time is None and seasonality != Seasonality.NONE:
        raise CommandError(f"--seasonality {seasonality} needs the rows' times: name --time")
    return Clocked(seasonality=Seasonality(seasonality), zone=zone)


def with_expected_alarms(
    profile: Profile, table: Mapping[str, Any], times: Floats | None, console: Console
) -> Profile:
    """Return a profile that says how often drift would have alarmed on its own rows."""
    if times is None or not profile.ordered:
        return profile
    with console.status("Holding every week against the others …"):
        return msgspec.structs.replace(
            profile, expectedAlarms=expected_alarms(profile, table, times)
        )
