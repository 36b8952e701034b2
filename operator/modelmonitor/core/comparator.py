"""What a monitor compares with where its baseline is made of panes, or why there is nothing yet."""

from dataclasses import dataclass

import msgspec

from modelmonitor.api.v1alpha1.baseline import ProductionBaseline
from modelmonitor.api.v1alpha1.conditions import BaselineReason, VerdictReason
from modelmonitor.core.history import Recording
from modelmonitor.core.judging import Refusal
from modelmonitor.core.production import Pending, Period, Unrecorded, period_of
from modelmonitor.core.profile import Profile
from modelmonitor.core.relearn import LEAST_ROWS
from modelmonitor.core.times import format_time


class Made(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a period."""

    period: Period
    rows: int
    digest: str = ""
    """Of the profile that was made; empty where the rows were too few for one."""


@dataclass(frozen=True, slots=True)
class Comparator:
    """What a period of panes became.

    Attributes
    ----------
    made
        Which period, and how much was in it.
    profile
        The baseline in force; None where the rows were too few for one.
    """

    made: Made
    profile: Profile | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a baseline of panes is there, in words.

    Attributes
    ----------
    reason
        Of the condition BaselineReady.
    message
        One sentence with numbers.
    """

    reason: BaselineReason
    message: str

    @property
    def refusal(self) -> Refusal:
        """Why metrics cannot be judged against it, as long as it is not there."""
        learning = self.reason is BaselineReason.LEARNING
        reason = VerdictReason.WARMING_UP if learning else VerdictReason.BASELINE_NOT_READY
        return Refusal(reason, self.message)


def standing(
    production: ProductionBaseline,
    recording: Recording | None,
    comparator: Comparator | None,
    now: float,
) -> Standing:
    """Return how a baseline of panes stands.

    Parameters
    ----------
    production
        As declared.
    recording
        What is recorded; None before the first tick.
    comparator
        What the last period became, if one is over.
    now
        Seconds since the epoch.
    """
    if recording is None:
        return Standing(BaselineReason.LEARNING, "learning from panes has not begun yet")
    period = period_of(production, recording.began, now)
    if isinstance(period, Unrecorded):
        return Standing(
            BaselineReason.PERIOD_NOT_RECORDED,
            f"spec.baseline.production.from is {format_time(period.period.since)}, but panes are "
            f"kept since {format_time(period.began)} only: choose a later period",
        )
    if isinstance(period, Pending):
        return Standing(
            BaselineReason.LEARNING, f"{period.seen} h of {period.wanted} h have been seen"
        )
    if comparator is None:
        return Standing(BaselineReason.LEARNING, f"the baseline of {period} is being made")
    made = comparator.made
    if comparator.profile is None:
        return Standing(
            BaselineReason.LEARNING,
            f"{made.period} had {made.rows} rows, {LEAST_ROWS} are needed",
        )
    return Standing(
        BaselineReason.LOADED, f"{made.digest[:19]} from {made.rows} rows of {made.period}"
    )
