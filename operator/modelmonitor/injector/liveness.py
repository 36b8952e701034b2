"""Whether the loops that keep the injector up to date still turn.

A loop that fails goes on turning, with longer pauses, and a restart would mend nothing. One that no
longer comes round hangs for a reason that nobody foresaw; then the process is started anew.
"""

from collections.abc import Callable
from typing import Final

PATIENCE: Final = 300.0
"""Seconds between two signs of life of a loop. The longest that is usual is two minutes: a watch
that hears nothing is opened anew after that, and a keeper sleeps at most one."""


class Heartbeats:
    """The last sign of life of each loop."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._last: dict[str, float] = {}

    def loop(self, name: str) -> Callable[[], None]:
        """Return what a loop calls whenever it comes round; it counts as alive from now on."""

        def beat() -> None:
            self._last[name] = self._monotonic()

        beat()
        return beat

    def problem(self) -> str:
        """Return which loops no longer turn; empty if all do."""
        now = self._monotonic()
        return "; ".join(
            f"{name}: no sign of life for {now - last:.0f} s"
            for name, last in sorted(self._last.items())
            if now - last > PATIENCE
        )
