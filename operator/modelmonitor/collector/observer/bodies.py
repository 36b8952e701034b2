"""Message bodies while they are collected, within limits: what is too large is only counted."""

from dataclasses import dataclass, field
from typing import Final

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes of one body, after decompression too."""
MAX_KEPT: Final = 32 * 1024 * 1024
"""Bytes of all bodies that are being collected at a time."""
MAX_TIMES: Final = 4096
"""Parts of a timed body whose time is kept."""


@dataclass(slots=True)
class Body:
    """A message body that is collected while somebody wants it."""

    wanted: bool = False
    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    too_large: bool = False
    timed: bool = False
    """The body is a stream of events: it matters when its parts came."""
    times: list[tuple[int, int]] = field(default_factory=list)
    """Of a timed body: (offset of a part's first byte, monotonic µs), at most `MAX_TIMES`."""

    def content(self) -> bytes:
        """Return the bytes, still in their content coding."""
        return b"".join(self.parts)


class BodyKeeper:
    """Collects all wanted bodies and knows how much they are together."""

    def __init__(self) -> None:
        self.kept = 0
        """Bytes that are kept now."""

    def keep(self, body: Body, data: bytes) -> None:
        """Keep a part of a body, unless it, or all of them, become too large."""
        if body.too_large:
            return
        if body.size + len(data) > MAX_MESSAGE or self.kept + len(data) > MAX_KEPT:
            self.release(body)
            body.too_large = True
            return
        body.parts.append(data)
        body.size += len(data)
        self.kept += len(data)

    def release(self, body: Body) -> None:
        """Forget a body."""
        self.kept -= body.size
        body.size = 0
        body.parts = []
