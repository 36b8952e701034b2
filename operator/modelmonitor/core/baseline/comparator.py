"""What a monitor compares with where its baseline is made of panes, or why there is nothing yet."""

from dataclasses import dataclass

import msgspec

from modelmonitor.api.v1alpha1.base import parse_duration
from modelmonitor.api.v1alpha1.baseline import Baseline, ProductionBaseline
from modelmonitor.api.v1alpha1.conditions import BaselineReason, VerdictReason
from modelmonitor.api.v1alpha1.learned import LearnedBaseline
from modelmonitor.core.baseline.learning import ROUNDS, Skeleton, rows_of_round
from modelmonitor.core.baseline.production import Pending, Period, Unrecorded, period_of
from modelmonitor.core.baseline.profile import Profile
from modelmonitor.core.baseline.relearn import LEAST_ROWS
from modelmonitor.core.judging.judgement import Refusal
from modelmonitor.core.pane.history import HOUR, Recording
from modelmonitor.core.times import format_time


class Made(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a period."""

    period: Period
    rows: int
    seasonality: str = "None"
    """The finest hours that were asked for."""
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


@dataclass(frozen=True, slots=True)
class Progress:
    """How far learning from panes is.

    Attributes
    ----------
    recording
        What is recorded; None before the first tick.
    comparator
        What the last period became, if one is over.
    skeleton
        Of type Learned: the cells that were found; None before the first tick.
    """

    recording: Recording | None = None
    comparator: Comparator | None = None
    skeleton: Skeleton | None = None


def of_panes(baseline: Baseline | None) -> bool:
    """Return whether a baseline is made of panes."""
    return baseline is not None and (
        baseline.production is not None or baseline.learned is not None
    )


def standing(baseline: Baseline, progress: Progress, now: float) -> Standing:
    """Return how a baseline of panes stands.

    Parameters
    ----------
    baseline
        As declared; of a type that is made of panes.
    progress
        How far it is.
    now
        Seconds since the epoch.
    """
    recording, comparator = progress.recording, progress.comparator
    if recording is None:
        return Standing(BaselineReason.LEARNING, "learning from panes has not begun yet")
    if comparator is not None and comparator.profile is not None:
        made, weak = comparator.made, comparator.profile.warnings
        words = f"{made.digest[:19]} from {made.rows} rows of {made.period}"
        return Standing(BaselineReason.LOADED, "; ".join([words, *weak[:1]]))
    if baseline.production is not None:
        return _of_production(baseline.production, recording, comparator, now)
    if baseline.learned is not None and progress.skeleton is not None:
        return _of_learning(baseline.learned, progress.skeleton, recording, now)
    return Standing(BaselineReason.LEARNING, "learning from panes has not begun yet")


def _of_learning(
    learned: LearnedBaseline, skeleton: Skeleton, recording: Recording, now: float
) -> Standing:
    if skeleton.stage < ROUNDS:
        return Standing(
            BaselineReason.LEARNING,
            f"cut points are being found: round {skeleton.stage + 1} of {ROUNDS}, "
            f"{recording.rows} of {rows_of_round(learned)} rows",
        )
    hours = max(0, int((now - recording.began) / HOUR))
    wanted = -(-parse_duration(learned.period) // HOUR)
    return Standing(
        BaselineReason.LEARNING,
        f"{recording.rows} of {learned.min_rows} rows and {hours} h of {wanted:.0f} h have been "
        "seen since cut points were found",
    )


def _of_production(
    production: ProductionBaseline,
    recording: Recording,
    comparator: Comparator | None,
    now: float,
) -> Standing:
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
    return Standing(
        BaselineReason.LEARNING, f"{made.period} had {made.rows} rows, {LEAST_ROWS} are needed"
    )
