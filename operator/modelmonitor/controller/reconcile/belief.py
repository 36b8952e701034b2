"""Whether a pane can be what it says it is; a collector runs in a user's pod, so a pane is a claim.

It must be of this monitor and of the pod that it was pulled from, start at a multiple of the
interval, not lie in the future, and hold numbers that counting can lead to. What passes here never
makes judging fail, whatever it says.
"""

import math
from typing import Final

from modelmonitor.core.pane.soundness import is_sound
from modelmonitor.core.wire.pane import PANE_SCHEMA, Pane

READABLE_SCHEMAS: Final = frozenset({PANE_SCHEMA})
"""This schema and the two before, once there are any."""
LONGEST_INTERVAL: Final = 3600.0
"""Seconds; the API allows no longer one."""
FUTURE_LEEWAY: Final = 60.0
"""Seconds by which a pod's clock may be ahead."""
GRID_SLACK: Final = 1e-6
"""Intervals by which a start may miss a multiple of the interval: what floats take."""
MAX_TEXT: Final = 253
"""Characters of a name or digest; Kubernetes' own names are no longer."""


def believable(pane: Pane, *, monitor: str, pod: str, now: float) -> bool:
    """Return whether a pane can be of this monitor and pod, and its numbers can be counts."""
    return (
        pane.schema in READABLE_SCHEMAS
        and pane.monitorUID == monitor
        and pane.podUID == pod
        and bool(pane.bootID)
        and pane.seq > 0
        and _timely(pane, now)
        and _brief(pane)
        and is_sound(pane)
    )


def _timely(pane: Pane, now: float) -> bool:
    times = (pane.start, pane.end, pane.interval)
    return (
        all(math.isfinite(time) for time in times)
        and 0 < pane.interval <= LONGEST_INTERVAL
        and abs(pane.start / pane.interval - round(pane.start / pane.interval)) < GRID_SLACK
        and pane.start <= pane.end <= pane.start + pane.interval
        and pane.end <= now + FUTURE_LEEWAY
    )


def _brief(pane: Pane) -> bool:
    """Return whether what is kept of a pane beside its counts is as short as names are."""
    names = (pane.bootID, pane.revision, pane.model, pane.modelVersion)
    digests = (pane.configDigest, pane.baselineDigest)
    return all(len(text) <= MAX_TEXT for text in (*names, *digests))
