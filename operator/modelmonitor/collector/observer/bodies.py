"""Message bodies while they are collected, within limits: what is too large is only counted."""

from typing import Final

import msgspec

MAX_MESSAGE: Final = 4 * 1024 * 1024
"""Bytes of one body, after decompression too."""
MAX_KEPT: Final = 32 * 1024 * 1024
"""Bytes of all bodies that are being collected at a time."""
MAX_TIMES: Final = 4096
"""Parts of a timed body whose time is kept."""
MAX_PARTS: Final = 1024
"""Parts of a body that are kept one by one; more are joined, since each part takes memory beside
its bytes."""


class Body(msgspec.Struct, kw_only=True):
    """A message body that is collected while somebody wants it."""

    wanted: bool = False
    parts: list[bytes] = []
    size: int = 0
    too_large: bool = False
    incomplete: bool = False
    """Parts were left out on the way to the observer."""
    timed: bool = False
    """The body is a stream of events: it matters when its parts came."""
    times: list[tuple[int, int]] = []
    """Of a timed body: (offset of a part's first byte, monotonic µs), at most `MAX_TIMES`."""

    def content(self) -> bytes:
        """Return the bytes, still in their content coding."""
        return b"".join(self.parts)


class BodyKeeper:
    """Collects all wanted bodies and knows how much they are together."""

    def __init__(self) -> None:
        self.kept = 0
        """Bytes that are kept now."""

    def keep(self, body: Body, data: bytes, time: int = 0) -> None:
        """Keep a part of a body, unless it, or all of them, become too large.

        Parameters
        ----------
        body
            A body that is wanted.
        data
            What follows of it.
        time
            When, in monotonic microseconds.
        """
        if body.too_large or body.incomplete:
            return
        size = body.size + len(data)
        if size > MAX_MESSAGE or self.kept + len(data) > MAX_KEPT:
            self.release(body)
            body.too_large = True
            return
        if body.timed and len(body.times) < MAX_TIMES:
            body.times.append((body.size, time))
        body.parts.append(data)
        body.size = size
        self.kept += len(data)
        if len(body.parts) > MAX_PARTS:
            body.parts = [b"".join(body.parts)]

    def break_off(self, body: Body) -> None:
        """Note that parts of a body are missing: the rest is of no use."""
        self.release(body)
        body.incomplete = True

    def release(self, body: Body) -> None:
        """Forget what was kept of a body."""
        if body.size:
            self.kept -= body.size
            body.size = 0
            body.parts = []
            body.times = []
