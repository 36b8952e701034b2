"""Which revision of a target is judged: the one with most ready pods, and not a new one at once.

A rolling update passes through mixtures; a revision takes over only after it has led for two ticks
in a row, so that a restart of one pod changes nothing.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

STICKY_TICKS: Final = 2
"""Ticks in a row for which another revision must lead before it is judged."""


class RevisionChoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The judged revision and who is about to take over."""

    judged: str = ""
    """Empty before the first ready pod."""
    challenger: str = ""
    led: int = 0
    """Ticks for which the challenger has led."""


def choose(before: RevisionChoice, ready: Mapping[str, int]) -> RevisionChoice:
    """Return the choice after one more tick.

    Parameters
    ----------
    before
        The choice so far.
    ready
        Revision → number of ready pods now.
    """
    counted = {revision: count for revision, count in ready.items() if revision and count > 0}
    if not counted:
        return before
    most = max(counted.values())
    leaders = {revision for revision, count in counted.items() if count == most}
    if not before.judged:
        return RevisionChoice(judged=min(leaders))
    if before.judged in leaders:
        return RevisionChoice(judged=before.judged)
    challenger = before.challenger if before.challenger in leaders else min(leaders)
    led = before.led + 1 if challenger == before.challenger else 1
    if led >= STICKY_TICKS:
        return RevisionChoice(judged=challenger)
    return RevisionChoice(judged=before.judged, challenger=challenger, led=led)
