"""The schedule: one heap of due times, at most one per key; a key that is due goes to the queue.

Due times are on the wall clock, because intervals are; the scheduler never sleeps longer than a
second, so that a jump of the machine's clock is noticed.
"""

import asyncio
import heapq
from collections.abc import Callable, Hashable
from typing import Final, Generic, TypeVar

from modelmonitor.controller.runtime.clock import Clock

K = TypeVar("K", bound=Hashable)

MAX_SLEEP: Final = 1.0
"""Seconds; also how old the heartbeat of a healthy scheduler gets."""


class Scheduler(Generic[K]):
    """Due times of keys."""

    def __init__(self, clock: Clock, due: Callable[[K], None]) -> None:
        self._clock = clock
        self._due = due
        self._times: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._count = 0
        self._changed = asyncio.Event()
        self._beat = clock.monotonic()

    def __len__(self) -> int:
        return len(self._times)

    @property
    def age(self) -> float:
        """Seconds since the schedule was last looked at."""
        return self._clock.monotonic() - self._beat

    def at(self, key: K, time: float) -> None:
        """Let a key be due at a time (seconds since the epoch) instead of when it was due."""
        self._times[key] = time
        self._count += 1
        heapq.heappush(self._heap, (time, self._count, key))
        if self._heap[0][2] == key:
            self._changed.set()

    def drop(self, key: K) -> None:
        """Forget a key."""
        self._times.pop(key, None)

    async def run(self) -> None:
        """Hand keys over as they become due, for ever."""
        while True:
            self._beat = self._clock.monotonic()
            self._changed.clear()
            wait = self._hand_over()
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _hand_over(self) -> float:
        """Hand over what is due and return the seconds until the next look."""
        now = self._clock.now()
        while self._heap:
            time, _, key = self._heap[0]
            if self._times.get(key) != time:
                heapq.heappop(self._heap)  # replaced or dropped since
            elif time <= now:
                heapq.heappop(self._heap)
                del self._times[key]
                self._due(key)
            else:
                return min(MAX_SLEEP, time - now)
        return MAX_SLEEP
