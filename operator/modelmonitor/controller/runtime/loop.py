"""How late the event loop runs: what a blocked loop delays is everything."""

import asyncio
from typing import Final

EVERY: Final = 0.5
"""Seconds between measurements."""


class LoopLag:
    """The lag of the running event loop, measured by a task that only sleeps."""

    def __init__(self) -> None:
        self._lag = 0.0
        self._beat: float | None = None

    @property
    def seconds(self) -> float:
        """The last measured lag."""
        return self._lag

    async def run(self) -> None:
        """Measure for ever."""
        loop = asyncio.get_running_loop()
        while True:
            before = loop.time()
            await asyncio.sleep(EVERY)
            self._lag = max(0.0, loop.time() - before - EVERY)
