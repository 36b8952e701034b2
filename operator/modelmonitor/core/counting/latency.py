"""Latencies in logarithmic buckets: counting, merging, quantiles.

Bucket `i` holds seconds in (gamma**(i-1), gamma**i]. The value reported for a bucket is the point
whose relative distance to both bounds is the same, 2·gamma**i / (gamma + 1), so a quantile is
within (gamma − 1) / (gamma + 1) < 1 % of the true order statistic (Masson, Rim and Lee, 2019,
"DDSketch", Lemma 2). Bounds are the same everywhere, so buckets merge by addition.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from modelmonitor.core.wire.pane import LATENCY_GAMMA, LatencyCounts

SHORTEST: Final = 1e-6
"""Seconds; what is shorter counts as this: the hand-over's clock ticks in microseconds."""

_LOG_GAMMA: Final = math.log(LATENCY_GAMMA)
_MOST_WAITING: Final = 4096


def bucket_indices(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the buckets of latencies; negative or tiny ones count as one microsecond."""
    found: NDArray[np.float64] = np.ceil(np.log(np.maximum(seconds, SHORTEST)) / _LOG_GAMMA)
    return found.astype(np.int64)


def bucket_index(seconds: float) -> int:
    """Return the bucket of one latency."""
    return int(bucket_indices(np.array([seconds]))[0])


def bucket_upper(index: int) -> float:
    """Return the upper bound of a bucket in seconds, which belongs to the bucket."""
    return float(LATENCY_GAMMA**index)


def bucket_value(index: int) -> float:
    """Return the value in seconds that stands for a bucket, within 1 % of everything in it."""
    return 2.0 * bucket_upper(index) / (LATENCY_GAMMA + 1.0)


def merge(parts: Iterable[LatencyCounts]) -> LatencyCounts:
    """Return the sum of latency counts; of nothing, empty counts."""
    taken = list(parts)
    buckets: dict[int, int] = {}
    for part in taken:
        for index, times in part.buckets.items():
            buckets[index] = buckets.get(index, 0) + times
    return LatencyCounts(
        buckets=dict(sorted(buckets.items())),
        count=sum(part.count for part in taken),
        total=math.fsum(part.total for part in taken),
    )


def quantile(counts: LatencyCounts, share: float) -> float | None:
    """Return the latency in seconds that `share` of the requests do not exceed.

    It is the order statistic of rank ceil(share · n), at least 1, to within 1 %.

    Parameters
    ----------
    counts
        Merged latency counts.
    share
        0 to 1.

    Returns
    -------
    float or None
        Seconds; None if nothing was counted.

    Raises
    ------
    ValueError
        If `share` is outside 0 to 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"a quantile's share is between 0 and 1, not {share}")
    counted = sum(counts.buckets.values())
    if counted == 0:
        return None
    rank = max(1, math.ceil(share * counted - 1e-9))
    return bucket_value(_bucket_of_rank(counts.buckets, rank))


def _bucket_of_rank(buckets: Mapping[int, int], rank: int) -> int:
    reached = 0
    for index, times in sorted(buckets.items()):
        reached += times
        if reached >= rank:
            return index
    raise ValueError(f"there is no rank {rank} among {reached} latencies")


def cumulative(counts: LatencyCounts, bounds: Iterable[float]) -> list[int]:
    """Return, for each bound in seconds, how many latencies do not exceed it, as buckets tell.

    A bucket that straddles a bound is counted by its value: an error of at most 1 % in the bound.
    """
    items = sorted((bucket_value(index), times) for index, times in counts.buckets.items())
    return [sum(times for value, times in items if value <= bound) for bound in bounds]


class LatencyCounter:
    """Counts latencies; `counts` is what a pane carries.

    They wait until there are many: one by one, the logarithm alone would cost as much as the rest.
    """

    def __init__(self) -> None:
        self._waiting: list[float] = []
        self._buckets: Counter[int] = Counter()
        self._count = 0
        self._total = 0.0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        self._waiting.append(seconds)
        if len(self._waiting) >= _MOST_WAITING:
            self._count_waiting()

    def counts(self) -> LatencyCounts:
        """Return what was counted so far."""
        self._count_waiting()
        return LatencyCounts(
            buckets=dict(sorted(self._buckets.items())), count=self._count, total=self._total
        )

    def _count_waiting(self) -> None:
        if not self._waiting:
            return
        seconds = np.array(self._waiting)
        self._waiting.clear()
        self._buckets.update(bucket_indices(seconds).tolist())
        self._count += seconds.size
        self._total += float(np.maximum(seconds, 0.0).sum())
