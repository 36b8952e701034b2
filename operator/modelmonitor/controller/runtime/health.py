"""Whether this process is alive and ready: decided from memory, never by asking the API server.

A probe that depends on the API server restarts every controller during its outage, and then they
all list at once.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from modelmonitor.controller.runtime.lease import DEFAULT_TIMING
from modelmonitor.controller.runtime.loop import LoopLag
from modelmonitor.controller.runtime.scheduler import MAX_SLEEP

MAX_LOOP_LAG: Final = 10.0
"""Seconds; far above any honest pause, below the lease's life."""
MAX_SCHEDULER_AGE: Final = 10 * MAX_SLEEP
"""Seconds without a look at the schedule."""
MAX_LEASE_AGE: Final = 2 * DEFAULT_TIMING.duration
"""Seconds; a leader that lost its lease should have ended long before."""

Age = Callable[[], float | None]
"""Seconds since something was last well; None where it does not apply."""


def _never() -> float | None:
    return None


@dataclass
class Health:
    """What the probes look at; filled in as the process starts."""

    lag: LoopLag
    scheduler_age: Age = _never
    lease_age: Age = _never
    leading: bool = False
    listed: bool = False
    """The first list of monitors is complete."""

    def alive(self) -> str:
        """Return why the process should be restarted; empty if it is well."""
        if self.lag.seconds > MAX_LOOP_LAG:
            return f"the event loop lags {self.lag.seconds:.1f} s"
        scheduler, lease = self.scheduler_age(), self.lease_age()
        if scheduler is not None and scheduler > MAX_SCHEDULER_AGE:
            return f"the schedule was last looked at {scheduler:.1f} s ago"
        if self.leading and lease is not None and lease > MAX_LEASE_AGE:
            return f"the lease was last renewed {lease:.1f} s ago and the process did not end"
        return ""

    def ready(self) -> str:
        """Return why the process is not ready; a stand-by that waits for the lease is."""
        if self.leading and not self.listed:
            return "the first list of monitors is not complete"
        return self.alive()
