"""Whether a pane can be what it says it is; a collector runs in a user's pod, so a pane is a claim.

It must be of this monitor and of the pod that it was pulled from, start at a multiple of the
interval, not lie in the future, and hold numbers that counting can lead to. What passes here never
makes judging fail, whatever it says.
"""

import math
from collections.abc import Iterable
from typing import Final

from modelmonitor.core.profile import MAX_CATEGORIES, MAX_COLUMNS
from modelmonitor.core.wire.pane import PANE_SCHEMA, ColumnCounts, LatencyCounts, Pane

READABLE_SCHEMAS: Final = frozenset({PANE_SCHEMA})
"""This schema and the two before, once there are any."""
LONGEST_INTERVAL: Final = 3600.0
"""Seconds; the API allows no longer one."""
FUTURE_LEEWAY: Final = 60.0
"""Seconds by which a pod's clock may be ahead."""
GRID_SLACK: Final = 1e-6
"""Intervals by which a start may miss a multiple of the interval: what floats take."""
LARGEST_COUNT: Final = 2**48
"""Of one pane; a billion requests a second for an hour are fewer."""
LARGEST_BUCKET: Final = 2000
"""Of a latency, in either direction: 10**17 seconds."""
MAX_KEYS: Final = 4096
"""Status codes, reasons or buckets in one pane."""


def believable(pane: Pane, *, monitor: str, pod: str, now: float) -> bool:
    """Return whether a pane can be of this monitor and pod, and its numbers can be counts."""
    return (
        pane.schema in READABLE_SCHEMAS
        and pane.monitorUID == monitor
        and pane.podUID == pod
        and bool(pane.bootID)
        and pane.seq > 0
        and _timely(pane, now)
        and _countable(pane)
    )


def _timely(pane: Pane, now: float) -> bool:
    times = (pane.start, pane.end, pane.interval, pane.observerGapSeconds)
    return (
        all(math.isfinite(time) for time in times)
        and 0 < pane.interval <= LONGEST_INTERVAL
        and abs(pane.start / pane.interval - round(pane.start / pane.interval)) < GRID_SLACK
        and pane.start <= pane.end <= pane.start + pane.interval
        and pane.end <= now + FUTURE_LEEWAY
        and pane.observerGapSeconds >= 0
    )


def _countable(pane: Pane) -> bool:
    requests = pane.requests
    return (
        _counts((pane.forwardedBytes, pane.copiedBytes, pane.droppedBytes))
        and _counts((requests.seen, requests.decoded, requests.sampled))
        and _few(len(requests.codes), len(requests.undecodable))
        and _counts(requests.codes.values())
        and _counts(requests.undecodable.values())
        and all(_latency(each) for each in pane.latency.values())
        and len(pane.columns) <= MAX_COLUMNS
        and all(_column(each) for each in pane.columns.values())
    )


def _latency(counts: LatencyCounts) -> bool:
    return (
        _few(len(counts.buckets))
        and all(abs(index) <= LARGEST_BUCKET for index in counts.buckets)
        and _counts((counts.count, *counts.buckets.values()))
        and math.isfinite(counts.total)
    )


def _column(counts: ColumnCounts) -> bool:
    return (
        len(counts.cells) <= MAX_CATEGORIES + 1
        and _counts(counts.cells)
        and _counts(
            (
                counts.rows,
                counts.missing,
                counts.mismatched,
                counts.infinite,
                counts.below,
                counts.above,
                counts.unknown,
            )
        )
        and math.isfinite(counts.total)
        and math.isfinite(counts.squares)
    )


def _counts(values: Iterable[int]) -> bool:
    return all(0 <= value <= LARGEST_COUNT for value in values)


def _few(*sizes: int) -> bool:
    return all(size <= MAX_KEYS for size in sizes)
