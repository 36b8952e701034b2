"""What recorder, pane port and process share."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

from modelmonitor.collector.observer.book import PaneBook
from modelmonitor.collector.observer.shelf import Cursor, Shelf

PULL_TIMEOUT: Final = 600.0
"""Seconds without a valid pull after which nothing is copied: nobody reads it."""


class News:
    """Wakes everybody who waits for a pane."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def announce(self) -> None:
        """Wake all who wait now."""
        self._event.set()
        self._event = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait for the next announcement; return whether there was one in time."""
        event = self._event
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        return True


@dataclass(kw_only=True)
class State:
    """The observer's panes and who has read them."""

    book: PaneBook
    shelf: Shelf
    last_pull: float
    """Monotonic seconds of the last pull with a valid token, or of the start."""
    news: News = field(default_factory=News)
    draining: bool = False
    """The container was told to stop."""
    acknowledged: bool = False
    """The final pane was read."""

    def pulled(self, monotonic: float, cursor: Cursor | None) -> None:
        """Note a valid pull, and what its reader has already."""
        self.last_pull = monotonic
        if cursor is None:
            return
        self.shelf.acknowledge(cursor)
        final = Cursor(self.book.boot_id, self.book.last_sequence)
        if self.book.ended and cursor == final:
            self.acknowledged = True
            self.news.announce()

    def copying_wanted(self, monotonic: float) -> bool:
        """Return whether copies of the traffic are of use to anybody."""
        configuration = self.book.configuration
        suspended = configuration is not None and configuration.suspended
        return not suspended and monotonic - self.last_pull < PULL_TIMEOUT
