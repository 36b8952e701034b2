"""The two clocks of the observer: the machine's monotonic one and the wall's."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where the observer reads the time."""

    def wall(self) -> float:
        """Return seconds since the epoch."""

    def monotonic(self) -> float:
        """Return seconds on the clock that the splice's records carry."""


class SystemClock:
    """The machine's clocks."""

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Return monotonic seconds."""
        return time.monotonic()
