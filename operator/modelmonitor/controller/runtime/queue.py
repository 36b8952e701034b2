"""The queue of keys to reconcile: a key waits at most once and never runs twice at the same time.

Every trigger (a watch event, a due time, a retry) is reduced to `add(key)`. A key that is added
while it runs is run once more afterwards, so that no change is missed and none is done in parallel.
"""

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from modelmonitor.controller.runtime.clock import Clock
from modelmonitor.controller.runtime.spread import fraction

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long a key that failed waits: doubling, bounded, spread over keys."""

    first: float = 1.0
    """Seconds after the first failure; long enough not to hammer, short enough not to be felt."""
    limit: float = 60.0
    """Seconds at most; a cured cause is noticed within a minute."""

    def delay(self, key: Hashable, failures: int) -> float:
        """Return the seconds to wait after this many failures in a row, at least 1."""
        full = min(self.limit, self.first * 2.0 ** min(failures - 1, 30))
        return full * (0.75 + 0.25 * fraction(key, failures))


class KeyedQueue(Generic[K]):
    """Keys in the order of their first `add`, coalesced, with failures counted per key."""

    def __init__(self, clock: Clock, back_off: BackOff | None = None) -> None:
        self._clock = clock
        self._back_off = back_off or BackOff()
        self._waiting: dict[K, float] = {}
        self._running: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._something = asyncio.Event()

    @property
    def depth(self) -> int:
        """The number of keys that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """The number of keys that are taken and not yet done."""
        return len(self._running)

    def oldest(self) -> float:
        """Return for how many seconds the first key has waited, 0 for an empty queue."""
        first = next(iter(self._waiting.values()), None)
        return 0.0 if first is None else self._clock.monotonic() - first

    def add(self, key: K) -> None:
        """Let a key be taken once more from now on."""
        if key in self._running:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = self._clock.monotonic()
            self._something.set()

    async def take(self) -> K:
        """Return the next key, waiting for one; the caller calls `done` with it afterwards."""
        while not self._waiting:
            self._something.clear()
            await self._something.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._running.add(key)
        return key

    def done(self, key: K) -> None:
        """End the run of a key."""
        self._running.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def succeeded(self, key: K) -> None:
        """Forget the failures of a key."""
        self._failures.pop(key, None)

    def failed(self, key: K) -> float:
        """Count a failure and return the seconds to wait before the next attempt."""
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        return self._back_off.delay(key, failures)
