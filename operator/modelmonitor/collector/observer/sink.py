"""What the readers of connections tell the recorder."""

from typing import Protocol

from modelmonitor.collector.observer.bodies import BodyKeeper
from modelmonitor.collector.observer.exchange import Exchange


class Sink(Protocol):
    """Who is told about exchanges."""

    bodies: BodyKeeper
    """Keeps parts of the bodies that are wanted."""

    def begins(self, exchange: Exchange) -> bool:
        """Take a request that begins, and mark its bodies if they are wanted.

        Returns whether there is room to follow it; where there is not, nothing more is said of it.
        """

    def finished(self, exchange: Exchange) -> None:
        """Take an exchange that is over."""

    def abandoned(self, exchange: Exchange) -> None:
        """Forget an exchange whose end will not be seen."""

    def unread(self, length: int) -> None:
        """Note bytes that cannot be read."""
